import { type Cidr, type FlannelPath, type Node, pathOfBackend, type Subnet } from '@portolan/model';
import { type Finding, warn } from './finding.js';
import { cutList, type FlannelView, type Lease, nodeNames, placeOf } from './flannel-view.js';
import { addressValue, subnetOrUndefined } from './view.js';

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

interface Unreachable {
  readonly nodes: Node[];
  readonly peers: readonly Lease[];
}

/** host-gw sends to the peer itself, so it must be in a subnet that the host reaches without a gateway. One finding for the nodes that miss the same peers. */
function* peersOffLink(view: FlannelView): Iterable<Finding> {
  const groups = unreachablePeers(view);
  for (const { nodes, peers } of groups.slice(0, SHOWN_GROUPS)) {
    const message = `${nodeNames(nodes)} cannot reach ${cutList(peers.map(placeOf))}: backend host-gw sends to the peer itself, which is in no subnet that the host reaches without a gateway`;
    yield warn('flannel-peer-off-link', view.subject, 'backend', message);
  }
  const more = groups.slice(SHOWN_GROUPS).flatMap(({ nodes }) => nodes);
  if (more.length > 0) yield warn('flannel-peer-off-link', view.subject, 'backend', `${nodeNames(more)} cannot reach other peers of backend host-gw`);
}

const SHOWN_GROUPS = 5;

function unreachablePeers({ leases, nodes, own }: FlannelView): readonly Unreachable[] {
  const peers = leases.filter(({ path }) => path === 'host-gw').map((lease) => ({ lease, address: addressValue(lease.publicAddress) }));
  if (peers.length === 0) return [];
  const byPlace = new Map<string, readonly Lease[]>();
  const groups = new Map<string, Unreachable>();
  for (const node of nodes) {
    const place = node.onLink.join();
    let off = byPlace.get(place);
    if (off === undefined) {
      const ranges = mergedRanges(node.onLink);
      off = peers.filter(({ address }) => !isWithin(ranges, address)).map(({ lease }) => lease);
      byPlace.set(place, off);
    }
    // A node need not reach itself.
    const mine = own.get(node.id);
    const missed = mine !== undefined && off.includes(mine) ? off.filter((lease) => lease !== mine) : off;
    if (missed.length === 0) continue;
    const key = missed.map(({ lease }) => lease.key).join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { nodes: [node], peers: missed });
    else group.nodes.push(node);
  }
  return [...groups.values()].sort((a, b) => b.nodes.length - a.nodes.length);
}

/** In ascending order, without gaps or overlaps between neighbours. */
function mergedRanges(cidrs: readonly Cidr[]): readonly Pick<Subnet, 'first' | 'last'>[] {
  const merged: { first: number; last: number }[] = [];
  const subnets = cidrs.map(subnetOrUndefined).filter((subnet) => subnet !== undefined);
  for (const { first, last } of subnets.sort((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last);
    else merged.push({ first, last });
  }
  return merged;
}

function isWithin(ranges: readonly Pick<Subnet, 'first' | 'last'>[], address: number): boolean {
  return ranges.some(({ first, last }) => address >= first && address <= last);
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
