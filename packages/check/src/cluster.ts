import { type Network, type Node, type Subnet, subnetOrUndefined, subnetsOverlap } from '@portolan/model';
import { block, type Finding, subjectOf, warn } from './finding.js';
import { addressValue, type SubnetView, type View } from './view.js';

/** Rules about the settings, and about all networks and hosts together. */
export function* clusterFindings(view: View): Iterable<Finding> {
  const { cluster } = view.snapshot;
  const subject = subjectOf('cluster', cluster);
  for (const pool of cluster.settings.addressPools) {
    if (subnetOrUndefined(pool) === undefined) yield block('invalid-subnet', subject, 'addressPools', `"${pool}" is not an IPv4 subnet without host bits`);
  }
  for (const name of ['vniRange', 'markRange', 'dynamicPortRange'] as const) {
    const [first, last] = cluster.settings[name];
    if (first > last) yield block('invalid-document', subject, name, `the range ${first}-${last} ends before it begins`);
  }
  if (view.gatewaySubnet === undefined) {
    yield block('invalid-subnet', subject, 'gatewaySubnet', `"${cluster.settings.gatewaySubnet}" is not an IPv4 subnet without host bits`);
  }
  for (const second of view.ingress.slice(1)) {
    yield block('ingress-exists', subjectOf('network', second), 'ingress', `"${view.ingress[0]?.name}" is the ingress network already`);
  }
  const placed = placedSubnets(view);
  yield* sharedNames(view);
  yield* overlaps(placed);
  if (view.gatewaySubnet !== undefined) yield* gatewayOverlaps(view, view.gatewaySubnet, placed);
  yield* hostsInside(view, placed);
}

/** Namespaces are named by the beginning of the network's id, as Swarm's are, which keep 12 characters behind `1-` and `lb_`. */
const NAMING_CHARACTERS = 9;

function* sharedNames(view: View): Iterable<Finding> {
  const holders = new Map<string, Network>();
  for (const network of view.snapshot.networks.values()) {
    const beginning = network.id.slice(0, NAMING_CHARACTERS);
    const other = holders.get(beginning);
    if (other === undefined) holders.set(beginning, network);
    else yield block('duplicate-id', subjectOf('network', network), 'id', `the id begins with ${beginning}, as that of the network "${other.name}" does`);
  }
}

/** A subnet of a network that is one. */
interface Placed extends Pick<SubnetView, 'text' | 'field'> {
  readonly network: Network;
  readonly subnet: Subnet;
}

/** By their first addresses. */
function placedSubnets(view: View): readonly Placed[] {
  const placed: Placed[] = [];
  for (const { network, subnets } of view.networks.values()) {
    for (const { subnet, text, field } of subnets) if (subnet !== undefined) placed.push({ network, subnet, text, field });
  }
  return placed.sort((a, b) => a.subnet.first - b.subnet.first);
}

function* overlaps(all: readonly Placed[]): Iterable<Finding> {
  let widest: Placed | undefined;
  for (const placed of all) {
    if (widest !== undefined && subnetsOverlap(widest.subnet, placed.subnet)) {
      const message = `${placed.text} overlaps ${widest.text} of the network "${widest.network.name}"`;
      yield block('subnet-overlap', subjectOf('network', placed.network), placed.field, message);
    }
    if (widest === undefined || placed.subnet.last > widest.subnet.last) widest = placed;
  }
}

function* gatewayOverlaps(view: View, gatewaySubnet: Subnet, all: readonly Placed[]): Iterable<Finding> {
  const { gatewaySubnet: text } = view.snapshot.cluster.settings;
  for (const placed of all) {
    if (subnetsOverlap(placed.subnet, gatewaySubnet)) {
      const message = `${placed.text} overlaps the gateway subnet ${text} that every host has`;
      yield { ...block('subnet-overlap', subjectOf('network', placed.network), placed.field, message), setting: 'gatewaySubnet' };
    }
  }
  for (const node of view.snapshot.nodes.values()) {
    const address = addressValue(node.address);
    if (address >= gatewaySubnet.first && address <= gatewaySubnet.last) {
      const message = `the address ${node.address} is inside the gateway subnet ${text} that every host has`;
      yield { ...block('subnet-overlap', subjectOf('node', node), 'address', message), setting: 'gatewaySubnet' };
    }
  }
}

function* hostsInside(view: View, all: readonly Placed[]): Iterable<Finding> {
  for (const { network, text, field, node } of hostsWithin(view, all)) {
    const message = `the subnet ${text} holds the address ${node.address} of the node "${node.name}"`;
    yield warn('host-inside-overlay', subjectOf('network', network), field, message);
  }
}

interface HostWithin extends Pick<Placed, 'network' | 'text' | 'field'> {
  readonly node: Node;
}

/** Each host whose address is in a subnet of a network. */
export function* hostsWithin(view: View, all: readonly Placed[] = placedSubnets(view)): Iterable<HostWithin> {
  const nodes = [...view.snapshot.nodes.values()].map((node) => ({ node, address: addressValue(node.address) })).sort((a, b) => a.address - b.address);
  let i = 0;
  for (const { network, subnet, text, field } of all) {
    while ((nodes[i]?.address ?? Number.POSITIVE_INFINITY) < subnet.first) i++;
    for (let j = i; (nodes[j]?.address ?? Number.POSITIVE_INFINITY) <= subnet.last; j++) {
      const node = nodes[j]?.node;
      if (node !== undefined) yield { network, text, field, node };
    }
  }
}
