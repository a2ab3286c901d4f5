import { flannelLayout } from '@portolan/flannel';
import { completeBackend, type Flannel, type FlannelBackend, heldBackends, PortolanError, subnetOrUndefined, subnetsOverlap } from '@portolan/model';
import { block, type Finding, type Subject, subjectOf } from './finding.js';
import { podFindings } from './flannel-pods.js';
import { reachFindings } from './flannel-reach.js';
import { registryFindings } from './flannel-registry.js';
import { flannelSubject, flannelView } from './flannel-view.js';
import type { View } from './view.js';

/** Everything about the flannel network: few findings, however many peers there are, in time proportional to their number. */
export function* flannelFindings(view: View): Iterable<Finding> {
  const { flannel } = view.snapshot;
  if (flannel === null) return;
  yield* flannelBlocks(view);
  // What leaves is on its way out of the registry; what is no network has no subnets.
  if (flannel.leaving || layoutFault(view, flannel) !== undefined) return;
  const own = flannelView(view.snapshot, flannel);
  yield* registryFindings(own);
  yield* reachFindings(own);
  yield* podFindings(own);
}

/** What the flannel network cannot be beside the networks and settings of the cluster. */
export function* flannelBlocks(view: View): Iterable<Finding> {
  const { flannel } = view.snapshot;
  if (flannel === null) return;
  const fault = layoutFault(view, flannel);
  if (fault !== undefined) yield fault;
  const subject = flannelSubject(view.snapshot, flannel);
  yield* overlapFindings(view, flannel, subject);
  yield* portFindings(view, flannel, subject);
}

function layoutFault({ snapshot }: View, flannel: Flannel): Finding | undefined {
  try {
    flannelLayout(flannel);
    return undefined;
  } catch (error) {
    if (!(error instanceof PortolanError)) throw error;
    const [{ code, path, message, fix }] = error.problems;
    return { ...block(code, flannelSubject(snapshot, flannel), path.slice(1), message), fix };
  }
}

function* overlapFindings(view: View, flannel: Flannel, subject: Subject): Iterable<Finding> {
  const network = subnetOrUndefined(flannel.network);
  if (network === undefined) return;
  for (const { network: overlay, subnets } of view.networks.values()) {
    for (const { subnet, text, field } of subnets) {
      if (subnet === undefined || !subnetsOverlap(subnet, network)) continue;
      const message = `${flannel.network} overlaps ${text} of the network "${overlay.name}"`;
      const fix = 'Choose a flannel network and networks of the cluster that have no address in common.';
      yield { ...block('subnet-overlap', subject, 'network', message), fix, against: { subject: subjectOf('network', overlay), field } };
    }
  }
  if (view.gatewaySubnet !== undefined && subnetsOverlap(view.gatewaySubnet, network)) {
    const message = `${flannel.network} overlaps the gateway subnet ${view.snapshot.cluster.settings.gatewaySubnet} that every host has`;
    yield { ...block('subnet-overlap', subject, 'network', message), setting: 'gatewaySubnet' };
  }
}

function portOf(backend: FlannelBackend): number | undefined {
  const complete = completeBackend(backend);
  return complete.type === 'host-gw' ? undefined : complete.port;
}

/** Who receives at a UDP port: VXLAN devices share one while their socket has the same options, which is so for all but Group Based Policy. */
function receiverOf(backend: FlannelBackend): string {
  return backend.type === 'vxlan' ? `vxlan${backend.gbp === true ? ' with gbp' : ''}` : backend.type;
}

function* portFindings({ snapshot }: View, flannel: Flannel, subject: Subject): Iterable<Finding> {
  const { dataPathPort } = snapshot.cluster.settings;
  const [chosen, ...retiring] = heldBackends(flannel);
  if (chosen === undefined) return;
  const port = portOf(chosen);
  if (port === undefined) return;
  if (port === dataPathPort) {
    const message = `UDP port ${port} is that of the overlays (dataPathPort), and a host receives one kind of packet at a port`;
    yield { ...block('unsupported-combination', subject, 'backend/port', message), setting: 'dataPathPort' };
  }
  const other = retiring.find((backend) => portOf(backend) === port && receiverOf(backend) !== receiverOf(chosen));
  if (other !== undefined) {
    const message = `UDP port ${port} is still that of the backend before, ${receiverOf(other)}, which is held until every node has changed`;
    yield {
      ...block('unsupported-combination', subject, 'backend/port', message),
      fix: 'Choose another port, or wait until the switch before this one is finished.',
    };
  }
}
