import { type FlannelLayout, flannelLayout, isOwnSubnet } from '@portolan/flannel';
import {
  type Flannel,
  type FlannelLease,
  type FlannelPath,
  heldBackends,
  type Id,
  type Ipv4,
  type Node,
  pathOfBackend,
  pathOfLease,
  type Snapshot,
  type Subnet,
  subnetOrUndefined,
} from '@portolan/model';
import { type Subject, subjectOf } from './finding.js';

/** An entry of the registry that can be read. */
export interface Lease {
  readonly lease: FlannelLease;
  readonly subnet: Subnet;
  /** Text of the subnet. */
  readonly text: string;
  readonly publicAddress: Ipv4;
  /** Undefined for a backend that we do not know. */
  readonly path: FlannelPath | undefined;
}

/** The flannel network with what several rules look up. */
export interface FlannelView {
  readonly snapshot: Snapshot;
  readonly flannel: Flannel;
  readonly subject: Subject;
  readonly layout: FlannelLayout;
  /** Paths that each node of ours holds. */
  readonly held: ReadonlySet<FlannelPath>;
  /** In the order of their keys. */
  readonly leases: readonly Lease[];
  /** The subnet of each node of ours that has one. */
  readonly own: ReadonlyMap<Id, Lease>;
  /** Nodes of ours that take part. */
  readonly nodes: readonly Node[];
}

/** Throws what `flannelLayout` throws. */
export function flannelView(snapshot: Snapshot, flannel: Flannel): FlannelView {
  const layout = flannelLayout(flannel);
  const leases = [...snapshot.flannelLeases.values()].sort((a, b) => (a.key < b.key ? -1 : 1)).flatMap(readable);
  return {
    snapshot,
    flannel,
    subject: flannelSubject(snapshot, flannel),
    layout,
    held: new Set(heldBackends(flannel).map(pathOfBackend)),
    leases,
    own: ownLeases(layout, leases),
    nodes: [...snapshot.nodes.values()].filter(({ underlayLink }) => underlayLink !== null),
  };
}

export function flannelSubject({ cluster }: Snapshot, { network }: Flannel): Subject {
  return subjectOf('flannel', { id: cluster.id, name: network });
}

function readable(lease: FlannelLease): readonly Lease[] {
  const subnet = lease.subnet === null ? undefined : subnetOrUndefined(lease.subnet);
  if (lease.fault !== null || lease.subnet === null || subnet === undefined || lease.publicAddress === null) return [];
  return [{ lease, subnet, text: lease.subnet, publicAddress: lease.publicAddress, path: pathOfLease(lease) }];
}

/** Of several that a node has the first that fits the network counts, else the first. */
function ownLeases(layout: FlannelLayout, leases: readonly Lease[]): ReadonlyMap<Id, Lease> {
  const own = new Map<Id, Lease>();
  for (const lease of leases) {
    const { nodeId } = lease.lease;
    const other = nodeId === null ? undefined : own.get(nodeId);
    if (nodeId !== null && (other === undefined || (isOwnSubnet(layout, lease.text) && !isOwnSubnet(layout, other.text)))) own.set(nodeId, lease);
  }
  return own;
}

/** `the node "a"`, or `the nodes "a", "b" and 12 more`. */
export function nodeNames(nodes: readonly Pick<Node, 'name'>[]): string {
  return `the node${nodes.length === 1 ? '' : 's'} ${cutList(nodes.map(({ name }) => `"${name}"`))}`;
}

/** "10.244.3.0/24 at 10.0.9.9". */
export function placeOf({ text, publicAddress }: Lease): string {
  return `${text} at ${publicAddress}`;
}

const SHOWN = 5;

/** "a, b, c, d, e and 12 more": with thousands of peers a list helps nobody. */
export function cutList(items: readonly string[]): string {
  const more = items.length - SHOWN;
  return more > 0 ? `${items.slice(0, SHOWN).join(', ')} and ${more.toLocaleString('en')} more` : items.join(', ');
}
