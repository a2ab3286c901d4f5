import { formatIpv4, subnetOrUndefined } from '@portolan/model';
import { type Finding, warn } from './finding.js';
import { cutList, type FlannelView, type Lease, nodeNames, placeOf } from './flannel-view.js';

/** Rules about what is in the registry, ours and foreign. */
export function* registryFindings(view: FlannelView): Iterable<Finding> {
  yield* unreadableEntries(view);
  yield* unknownFields(view);
  yield* overlappingLeases(view);
  yield* macFindings(view);
  yield* leasesOutside(view);
  yield* heldReservations(view);
  yield* nodesWithoutSubnet(view);
}

function* unreadableEntries({ snapshot, subject }: FlannelView): Iterable<Finding> {
  const faults = [...snapshot.flannelLeases.values()].flatMap(({ key, fault }) => (fault === null ? [] : [`${key}: ${fault}`]));
  if (faults.length > 0)
    yield warn('flannel-entry-unreadable', subject, '', `the registry has entries that cannot be read, and nothing is sent to them: ${cutList(faults)}`);
}

function* unknownFields({ flannel, subject }: FlannelView): Iterable<Finding> {
  const name = Object.keys(flannel.registry).find((field) => field.toLowerCase() === 'enableipv6');
  if (name === undefined || flannel.registry[name] !== true) return;
  yield warn(
    'flannel-ipv6-not-carried',
    subject,
    'registry',
    `${name} is set: nodes of Portolan publish and carry IPv4 only, and foreign nodes reach no IPv6 of theirs`,
  );
}

function* overlappingLeases({ leases, subject }: FlannelView): Iterable<Finding> {
  const pairs: string[] = [];
  let widest: Lease | undefined;
  for (const lease of leases.toSorted((a, b) => a.subnet.first - b.subnet.first)) {
    if (widest !== undefined && lease.subnet.first <= widest.subnet.last) pairs.push(`${placeOf(lease)} and ${placeOf(widest)}`);
    if (widest === undefined || lease.subnet.last > widest.subnet.last) widest = lease;
  }
  if (pairs.length > 0) yield warn('flannel-leases-overlap', subject, '', `subnets of nodes overlap: ${cutList(pairs)}`);
}

function* macFindings({ leases, subject }: FlannelView): Iterable<Finding> {
  const holders = new Map<string, Lease>();
  const [shared, missing]: [string[], string[]] = [[], []];
  for (const lease of leases) {
    const { backendType, vni, vtepMac } = lease.lease;
    if (backendType !== 'vxlan') continue;
    if (vtepMac === null) {
      missing.push(placeOf(lease));
      continue;
    }
    const other = holders.get(`${vni ?? 1} ${vtepMac}`);
    if (other === undefined) holders.set(`${vni ?? 1} ${vtepMac}`, lease);
    else shared.push(`${vtepMac} of ${placeOf(lease)} and ${placeOf(other)}`);
  }
  if (shared.length > 0) yield warn('flannel-mac-shared', subject, '', `nodes have the VTEP MAC of another, and nothing is sent to them: ${cutList(shared)}`);
  if (missing.length > 0)
    yield warn('flannel-mac-missing', subject, '', `leases of backend vxlan name no VTEP MAC, so nothing can be sent to them: ${cutList(missing)}`);
}

/** Those of our own nodes are given back by themselves. */
function* leasesOutside({ leases, layout, flannel, subject }: FlannelView): Iterable<Finding> {
  const { first, last, prefixLength } = layout.network;
  const isInside = ({ subnet }: Lease): boolean => subnet.prefixLength > prefixLength && subnet.first >= first && subnet.last <= last;
  const outside = leases.filter((lease) => lease.lease.nodeId === null && !isInside(lease)).map(placeOf);
  if (outside.length > 0) {
    yield warn(
      'flannel-lease-outside',
      subject,
      'network',
      `foreign nodes have subnets outside of ${flannel.network}, and nothing is sent to them: ${cutList(outside)}`,
    );
  }
}

function* heldReservations({ flannel, leases, snapshot, subject }: FlannelView): Iterable<Finding> {
  const holders = new Map(leases.map((lease) => [lease.text, lease]));
  const held = flannel.reservations.flatMap(({ nodeId, subnet }) => {
    const holder = holders.get(subnet);
    if (holder === undefined || holder.lease.nodeId === nodeId) return [];
    return [`${subnet} for the node "${snapshot.nodes.get(nodeId)?.name ?? nodeId}", by ${holder.publicAddress}`];
  });
  if (held.length > 0) yield warn('flannel-reservation-held', subject, 'reservations', `reserved subnets are held by other nodes: ${cutList(held)}`);
}

function* nodesWithoutSubnet(view: FlannelView): Iterable<Finding> {
  const { nodes, own, flannel, layout, subject } = view;
  const reserved = new Set(flannel.reservations.map(({ nodeId }) => nodeId));
  const without = nodes.filter(({ id }) => !own.has(id) && !reserved.has(id));
  if (without.length === 0) return;
  const size = 2 ** (32 - layout.subnetLen);
  const subnets = (layout.last - layout.first) / size + 1;
  if (takenSlots(view, size) < subnets) return;
  const range = `${subnets.toLocaleString('en')} of /${layout.subnetLen} from ${formatIpv4(layout.first)} to ${formatIpv4(layout.last)}`;
  yield warn('flannel-network-full', subject, 'network', `all subnets of ${flannel.network} are taken (${range}), and none is left for ${nodeNames(without)}`);
}

/** How many of the subnets that nodes can get have any of an entry, readable or not, or of a reservation. */
function takenSlots({ flannel, layout, snapshot }: FlannelView, size: number): number {
  const texts = [...[...snapshot.flannelLeases.values()].map(({ subnet }) => subnet), ...flannel.reservations.map(({ subnet }) => subnet)];
  const slot = (address: number): number => Math.floor((address - layout.first) / size);
  const last = slot(layout.last);
  const taken = texts
    .map((text) => (text === null ? undefined : subnetOrUndefined(text)))
    .flatMap((subnet): readonly (readonly [number, number])[] =>
      subnet === undefined ? [] : [[Math.max(0, slot(subnet.first)), Math.min(last, slot(subnet.last))]],
    )
    .sort(([a], [b]) => a - b);
  let count = 0;
  let next = 0;
  for (const [from, to] of taken) {
    const begin = Math.max(from, next);
    if (to < begin) continue;
    count += to - begin + 1;
    next = to + 1;
  }
  return count;
}
