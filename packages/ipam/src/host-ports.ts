import type { Id } from '@portolan/model';
import { changedByNode, endpointsOn } from './addresses.js';
import type { EndpointDraft, ServiceDraft } from './drafts.js';
import type { AllocationFault } from './faults.js';
import type { Work } from './work.js';

/** A port of mode `host` is one endpoint's on each node. */
export function refuseSharedHostPorts(work: Work): void {
  if (Object.values(work.ledger.ports).every((ports) => ports.host.isEmpty)) return;
  const changed = changedByNode(work);
  const nodes = new Set(changed.keys());
  for (const [id, service] of work.services) {
    if (service?.ports.some((port) => port.mode === 'host') !== true) continue;
    for (const endpointId of work.ledger.relations.endpointsOf(id)) {
      const endpoint = work.endpoint(endpointId);
      if (endpoint !== undefined) nodes.add(endpoint.nodeId);
    }
  }
  for (const nodeId of nodes) refuseShared(work, nodeId, endpointsOn(work, nodeId, changed));
}

function refuseShared(work: Work, nodeId: Id, endpoints: Iterable<EndpointDraft>): void {
  const holders = new Map<string, EndpointDraft>();
  for (const endpoint of endpoints) {
    const service = endpoint.serviceId === null ? undefined : work.service(endpoint.serviceId);
    service?.ports.forEach(({ mode, published, protocol }, index) => {
      if (mode !== 'host' || work.full) return;
      const key = `${published}/${protocol}`;
      const other = holders.get(key);
      if (other === undefined) holders.set(key, endpoint);
      else {
        const message = `the port ${key} of the node "${work.node(nodeId)?.name}" is taken by the endpoint "${other.name}"`;
        work.fault({ code: 'port-taken', ...blamed(work, endpoint, service, index), message });
      }
    });
  }
}

/** The endpoint when it is new, else the service, whose ports have changed. */
function blamed(work: Work, endpoint: EndpointDraft, service: ServiceDraft, index: number): Pick<AllocationFault, 'subject' | 'field' | 'place'> {
  const isNew = !work.base.endpoints.has(endpoint.id) || !work.services.has(service.id);
  return isNew
    ? { subject: { kind: 'endpoint', id: endpoint.id }, field: 'port', place: undefined }
    : { subject: { kind: 'service', id: service.id }, field: 'port', place: index };
}
