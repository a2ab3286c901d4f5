import { type Id, type Service, type Snapshot, trafficOf } from '@portolan/model';
import type { End } from './ended.js';
import type { SpaceView } from './space.js';
import { lack, refOf, soughtRef, type Trace } from './trace.js';

/**
 * Why nothing on a host takes a port that a service publishes; undefined of other ports, at which a program of the host may listen.
 */
export function nobodyListens({ packet, world: { snapshot } }: Trace, view: SpaceView, link: string): End | undefined {
  const { destinationPort, transport } = packet;
  const identity = `${transport}/${destinationPort}`;
  const forward = view.known('port-forward', identity);
  if (forward !== undefined) {
    const entry = link === 'lo' ? 'nat/output' : 'nat/prerouting';
    if (!view.visits('nat', link === 'lo' ? 'output' : 'prerouting')) {
      return {
        outcome: 'unreachable',
        reason: `port ${identity} is published, but no packet visits the rule: the rule-entry ${lack(view, 'rule-entry', entry)}`,
        fix: 'Let the agent bring the jump into our chains back.',
        object: soughtRef(view, 'rule-entry', entry),
      };
    }
    const reason = `port ${identity} is published on other addresses or interfaces of this host only`;
    return { outcome: 'unreachable', reason, fix: 'Dial one of those.', object: refOf(view, forward) };
  }
  for (const service of snapshot.services.values()) {
    const port = service.ports.find((own) => own.published === destinationPort && own.protocol === transport);
    if (port === undefined) continue;
    const isHere = hasBackend(snapshot, service, view.kernel.nodeId);
    const onlyLocal = port.mode === 'host' ? 'mode host' : port.externalTrafficPolicy === 'local' ? 'policy local' : undefined;
    const object = soughtRef(view, 'port-forward', identity);
    if (onlyLocal !== undefined && !isHere) {
      return {
        outcome: 'no-backend',
        reason: `${service.name} publishes port ${identity} with ${onlyLocal}, and no endpoint on ${view.kernel.node} takes connections`,
        fix: 'Dial a host with an endpoint of it, or start one there.',
        object,
      };
    }
    const lacks = lack(view, 'port-forward', identity);
    return {
      outcome: 'unreachable',
      reason: `nothing sends port ${identity} of ${service.name} on: the port-forward ${lacks} on ${view.kernel.node}`,
      fix: 'Let the agent repair it.',
      object,
    };
  }
  return undefined;
}

/** Whether an endpoint on the node takes new connections. */
function hasBackend({ endpoints, nodes }: Snapshot, service: Service, nodeId: Id): boolean {
  const node = nodes.get(nodeId);
  return [...endpoints.values()].some(
    (own) => node !== undefined && own.serviceId === service.id && own.nodeId === nodeId && own.weight > 0 && trafficOf(own, service, node) === 'all',
  );
}
