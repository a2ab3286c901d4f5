import { neighbourhoodOf } from '@portolan/flannel';
import { type FlannelPath, type Node, pathOfBackend, type Subnet } from '@portolan/model';
import { type Finding, warn } from './finding.js';
import { cutList, type FlannelView, type Lease, nodeNames, placeOf } from './flannel-view.js';
import { addressValue } from './view.js';

/** Rules about the way from our nodes to the others. */
export function* reachFindings(view: FlannelView): Iterable<Finding> {
  yield* unheldBackends(view);
  yield* waitingSwitch(view);
  yield* peersOffLink(view);
  yield* hostsInside(view);
  yield* wideMtu(view);
}

/** Foreign nodes with a backend that our nodes do not hold: the packets of neither arrive. */
function* unheldBackends({ leases, held, subject }: FlannelView): Iterable<Finding> {
  const byBackend = new Map<string, string[]>();
  for (const lease of leases) {
    if (lease.path !== undefined && held.has(lease.path)) continue;
    const backend = lease.path ?? lease.lease.backendType;
    const places = byBackend.get(backend);
    if (places === undefined) byBackend.set(backend, [placeOf(lease)]);
    else places.push(placeOf(lease));
  }
  const groups = [...byBackend].map(([backend, places]) => `${cutList(places)} with backend ${backend}`);
  if (groups.length > 0)
    yield warn(
      'flannel-backend-not-held',
      subject,
      'backend',
      `nodes have a backend that the nodes of the cluster do not have, and cannot be reached: ${groups.join('; ')}`,
    );
}

function* waitingSwitch({ flannel, leases, subject }: FlannelView): Iterable<Finding> {
  const chosen = pathOfBackend(flannel.backend);
  const retiring = new Set<FlannelPath | undefined>(flannel.retiring.map(pathOfBackend));
  const waited = leases.filter(({ path, lease }) => lease.nodeId === null && path !== undefined && retiring.has(path));
  if (waited.length === 0) return;
  const places = cutList(waited.map((lease) => `${lease.publicAddress} (${lease.path})`));
  yield warn('flannel-switch-waits', subject, 'backend', `the switch to ${chosen} waits for foreign nodes: ${places}`);
}

/** host-gw sends to the peer itself, so it must be in a subnet that the host has on its interface on the underlay. One finding for the nodes that miss the same peers. */
function* peersOffLink(view: FlannelView): Iterable<Finding> {
  const peers = view.leases
    .filter(({ path }) => path === 'host-gw')
    .map((lease): Peer => ({ lease, address: addressValue(lease.publicAddress) }))
    .sort((a, b) => a.address - b.address);
  const groups = nodesByMissed(view, peers);
  for (const { nodes, isMissed } of groups.slice(0, SHOWN_GROUPS)) {
    const missed = cutList(peers.filter((_, i) => isMissed(i)).map(({ lease }) => placeOf(lease)));
    const message = `${nodeNames(nodes)} cannot reach ${missed}: backend host-gw sends to the peer itself, which is in no subnet that the host has on the interface with its address`;
    yield warn('flannel-peer-off-link', view.subject, 'backend', message);
  }
  const more = groups.slice(SHOWN_GROUPS).flatMap(({ nodes }) => nodes);
  if (more.length > 0) yield warn('flannel-peer-off-link', view.subject, 'backend', `${nodeNames(more)} cannot reach other peers of backend host-gw`);
}

const SHOWN_GROUPS = 5;

interface Peer {
  readonly lease: Lease;
  readonly address: number;
}

/** Nodes that miss the same peers, told by their positions. */
interface Group {
  readonly nodes: Node[];
  readonly isMissed: (peer: number) => boolean;
}

/** The largest groups first; nodes that reach all are in none. `peers` are in the order of their addresses, so what a subnet holds is a run of them. */
function nodesByMissed({ nodes, own }: FlannelView, peers: readonly Peer[]): readonly Group[] {
  const groups = new Map<string, Group>();
  const positions = new Map(peers.map(({ lease }, i) => [lease, i]));
  for (const node of nodes) {
    const runs = mergedRanges(neighbourhoodOf(node))
      .map(({ first, last }) => [positionOf(peers, first), positionOf(peers, last + 1)] as const)
      .filter(([from, to]) => from < to);
    const isReached = (peer: number): boolean => runs.some(([from, to]) => peer >= from && peer < to);
    // A node need not reach itself.
    const mine = own.get(node.id);
    const self = mine === undefined ? undefined : positions.get(mine);
    const alone = self !== undefined && !isReached(self);
    if (runs.reduce((sum, [from, to]) => sum + to - from, alone ? 1 : 0) === peers.length) continue;
    const key = `${runs.join()} ${alone ? self : ''}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { nodes: [node], isMissed: (peer) => peer !== self && !isReached(peer) });
    else group.nodes.push(node);
  }
  return [...groups.values()].sort((a, b) => b.nodes.length - a.nodes.length);
}

/** How many peers have an address below. */
function positionOf(peers: readonly Peer[], address: number): number {
  let low = 0;
  let high = peers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((peers[middle]?.address ?? 0) < address) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** In ascending order, none of which touch. */
function mergedRanges(subnets: readonly Subnet[]): readonly Pick<Subnet, 'first' | 'last'>[] {
  const merged: { first: number; last: number }[] = [];
  for (const { first, last } of subnets.toSorted((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last);
    else merged.push({ first, last });
  }
  return merged;
}

function* hostsInside({ snapshot, leases, layout, flannel, subject }: FlannelView): Iterable<Finding> {
  const { first, last } = layout.network;
  const isInside = (address: string): boolean => addressValue(address) >= first && addressValue(address) <= last;
  const nodes = [...snapshot.nodes.values()].filter(({ address }) => isInside(address)).map(({ name, address }) => `${address} of the node "${name}"`);
  const foreign = leases
    .filter(({ lease, publicAddress }) => lease.nodeId === null && isInside(publicAddress))
    .map(({ publicAddress }) => `${publicAddress} of a foreign node`);
  const hosts = [...nodes, ...foreign];
  if (hosts.length > 0) yield warn('host-inside-flannel', subject, 'network', `the network ${flannel.network} holds addresses of hosts: ${cutList(hosts)}`);
}

function* wideMtu({ flannel: { backend }, nodes, subject }: FlannelView): Iterable<Finding> {
  if (backend.type !== 'vxlan' || backend.mtu === undefined) return;
  const { mtu } = backend;
  const narrow = nodes.filter(({ underlayMtu }) => underlayMtu !== null && underlayMtu < mtu);
  if (narrow.length === 0) return;
  const message = `MTU ${mtu} is more than the interface of ${nodeNames(narrow)} has: large packets are fragmented or lost, and transfers hang`;
  yield { ...warn('mtu-above-underlay', subject, 'backend/mtu', message), fix: 'Lower the MTU of the backend to that of the interfaces, or leave it out.' };
}
