import { flannelLayout, isOwnSubnet, isPodAddress, type PodLayout, podLayout } from '@portolan/flannel';
import { type Endpoint, formatIpv4, type Id, type Ipv4, parseCidr, parseIpv4, type Snapshot, type Subnet } from '@portolan/model';
import { shareLedger } from './ledger.js';

/** What a node has for its pods; addresses as numbers. */
interface Range {
  readonly layout: PodLayout;
  /** Nothing below it is free. */
  next: number;
}

/**
 * The snapshot in which each endpoint of the flannel network has an address in its node's own subnet; null where the node has no subnet, or
 * no address is left. An address that is inside already is kept, and so is one that a person chose, wherever it is. Others get the lowest free one of
 * the part that is Portolan's: the upper half of the subnet where CNI gives addresses, too, else all from the third on. The first two are those of flannel's
 * device and of the bridge. The result depends on nothing but the arguments.
 *
 * `base`: the snapshot before the edit that this is part of, so that a version counts the edit once. The same snapshot when nothing changes.
 */
export function podAddresses(snapshot: Snapshot, base: Snapshot = snapshot): Snapshot {
  if (snapshot.flannel === null) return snapshot;
  const pods = [...snapshot.endpoints.values()].filter(({ flannel }) => flannel !== null);
  if (pods.length === 0) return snapshot;
  const ranges = rangesOf(snapshot, snapshot.flannel.cni);
  const taken = new Set<number>();
  for (const { flannel } of pods) if (flannel?.fixed === true && flannel.address !== null) taken.add(parseIpv4(flannel.address));
  const waiting: Endpoint[] = [];
  for (const pod of pods) {
    if (pod.flannel?.fixed === true) continue;
    const value = keptValue(pod, ranges.get(pod.nodeId));
    if (value === undefined || taken.has(value)) waiting.push(pod);
    else taken.add(value);
  }
  // The order of the map may be that of a database; the result must not depend on it.
  const given = waiting
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((pod) => [pod, takenAddress(ranges.get(pod.nodeId), taken)] as const)
    .filter(([pod, address]) => pod.flannel?.address !== address);
  return given.length === 0 ? snapshot : withAddresses(snapshot, base, given);
}

/** The address that a pod has and may keep. */
function keptValue({ flannel }: Endpoint, range: Range | undefined): number | undefined {
  if (flannel === null || flannel.address === null || range === undefined) return undefined;
  const value = parseIpv4(flannel.address);
  return isPodAddress(range.layout, value) ? value : undefined;
}

function takenAddress(range: Range | undefined, taken: Set<number>): Ipv4 | null {
  if (range === undefined) return null;
  while (taken.has(range.next)) range.next++;
  if (range.next > range.layout.last) return null;
  taken.add(range.next);
  return formatIpv4(range.next);
}

function withAddresses(snapshot: Snapshot, base: Snapshot, given: readonly (readonly [pod: Endpoint, address: Ipv4 | null])[]): Snapshot {
  const endpoints = new Map(snapshot.endpoints);
  for (const [pod, address] of given) {
    const version = (base.endpoints.get(pod.id)?.version ?? 0) + 1;
    endpoints.set(pod.id, { ...pod, version, flannel: { address, fixed: false } });
  }
  const after = { ...snapshot, endpoints };
  shareLedger(snapshot, after);
  return after;
}

function rangesOf(snapshot: Snapshot, cni: boolean): ReadonlyMap<Id, Range> {
  const ranges = new Map<Id, Range>();
  for (const [nodeId, subnet] of nodeSubnets(snapshot)) {
    const layout = podLayout(subnet, cni);
    ranges.set(nodeId, { layout, next: layout.given });
  }
  return ranges;
}

/** The subnet of each node of ours that has one: of several the one that fits the network, then the one with the lowest key. */
function nodeSubnets({ flannel, flannelLeases }: Snapshot): ReadonlyMap<Id, Subnet> {
  const found = new Map<Id, { readonly key: string; readonly fits: boolean; readonly subnet: Subnet }>();
  if (flannel === null) return new Map();
  const layout = flannelLayout(flannel);
  for (const { nodeId, subnet, publicAddress, fault, key } of flannelLeases.values()) {
    if (nodeId === null || subnet === null || publicAddress === null || fault !== null) continue;
    const fits = isOwnSubnet(layout, subnet);
    const other = found.get(nodeId);
    if (other === undefined || (fits === other.fits ? key < other.key : fits)) found.set(nodeId, { key, fits, subnet: parseCidr(subnet) });
  }
  return new Map([...found].map(([nodeId, own]) => [nodeId, own.subnet]));
}
