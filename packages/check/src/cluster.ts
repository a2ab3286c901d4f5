import { type Network, type Node, type Subnet, subnetsOverlap } from '@portolan/model';
import { block, type Finding, type Subject, warn } from './finding.js';
import { addressValue, subnetOrUndefined, type View } from './view.js';

/** Rules about the settings, and about all networks and hosts together. */
export function* clusterFindings(view: View): Iterable<Finding> {
  const { cluster } = view.snapshot;
  const subject: Subject = { kind: 'cluster', id: cluster.id, name: cluster.name };
  for (const pool of cluster.settings.addressPools) {
    if (subnetOrUndefined(pool) === undefined) yield block('invalid-subnet', subject, 'addressPools', `"${pool}" is not an IPv4 subnet without host bits`);
  }
  for (const name of ['vniRange', 'markRange', 'dynamicPortRange'] as const) {
    const [first, last] = cluster.settings[name];
    if (first > last) yield block('invalid-document', subject, name, `the range ${first}-${last} ends before it begins`);
  }
  const gatewaySubnet = subnetOrUndefined(cluster.settings.gatewaySubnet);
  if (gatewaySubnet === undefined) {
    yield block('invalid-subnet', subject, 'gatewaySubnet', `"${cluster.settings.gatewaySubnet}" is not an IPv4 subnet without host bits`);
  }
  for (const second of view.ingress.slice(1)) {
    yield block('ingress-exists', networkSubject(second), 'ingress', `"${view.ingress[0]?.name}" is the ingress network already`);
  }
  const networks = sortedNetworks(view);
  yield* sharedNames(view);
  yield* overlaps(networks);
  yield* gatewayOverlaps(view, gatewaySubnet, networks);
  yield* hostsInside(view, networks);
}

/** Namespaces are named by the beginning of the network's id, as Swarm's are, which keep 12 characters behind `1-` and `lb_`. */
const NAMING_CHARACTERS = 9;

function* sharedNames(view: View): Iterable<Finding> {
  const holders = new Map<string, Network>();
  for (const network of view.snapshot.networks.values()) {
    const beginning = network.id.slice(0, NAMING_CHARACTERS);
    const other = holders.get(beginning);
    if (other === undefined) holders.set(beginning, network);
    else yield block('duplicate-id', networkSubject(network), 'id', `the id begins with ${beginning}, as that of the network "${other.name}" does`);
  }
}

interface Placed {
  readonly network: Network;
  readonly subnet: Subnet;
}

function networkSubject(network: Network): Subject {
  return { kind: 'network', id: network.id, name: network.name };
}

function sortedNetworks(view: View): readonly Placed[] {
  const placed: Placed[] = [];
  for (const { network, subnet } of view.networks.values()) if (subnet !== undefined) placed.push({ network, subnet });
  return placed.sort((a, b) => a.subnet.first - b.subnet.first);
}

function* overlaps(networks: readonly Placed[]): Iterable<Finding> {
  let widest: Placed | undefined;
  for (const placed of networks) {
    if (widest !== undefined && subnetsOverlap(widest.subnet, placed.subnet)) {
      const message = `${placed.network.subnet} overlaps ${widest.network.subnet} of the network "${widest.network.name}"`;
      yield block('subnet-overlap', networkSubject(placed.network), 'subnet', message);
    }
    if (widest === undefined || placed.subnet.last > widest.subnet.last) widest = placed;
  }
}

function* gatewayOverlaps(view: View, gatewaySubnet: Subnet | undefined, networks: readonly Placed[]): Iterable<Finding> {
  if (gatewaySubnet === undefined) return;
  const { gatewaySubnet: text } = view.snapshot.cluster.settings;
  for (const { network, subnet } of networks) {
    if (subnetsOverlap(subnet, gatewaySubnet)) {
      const message = `${network.subnet} overlaps the gateway subnet ${text} that every host has`;
      yield { ...block('subnet-overlap', networkSubject(network), 'subnet', message), setting: 'gatewaySubnet' };
    }
  }
  for (const node of view.snapshot.nodes.values()) {
    const address = addressValue(node.address);
    if (address >= gatewaySubnet.first && address <= gatewaySubnet.last) {
      const message = `the address ${node.address} is inside the gateway subnet ${text} that every host has`;
      yield { ...block('subnet-overlap', nodeSubject(node), 'address', message), setting: 'gatewaySubnet' };
    }
  }
}

function nodeSubject(node: Node): Subject {
  return { kind: 'node', id: node.id, name: node.name };
}

function* hostsInside(view: View, networks: readonly Placed[]): Iterable<Finding> {
  const nodes = [...view.snapshot.nodes.values()].map((node) => ({ node, address: addressValue(node.address) })).sort((a, b) => a.address - b.address);
  let i = 0;
  for (const { network, subnet } of networks) {
    while ((nodes[i]?.address ?? Number.POSITIVE_INFINITY) < subnet.first) i++;
    for (let j = i; (nodes[j]?.address ?? Number.POSITIVE_INFINITY) <= subnet.last; j++) {
      const node = nodes[j]?.node;
      if (node === undefined) continue;
      const message = `the subnet ${network.subnet} holds the address ${node.address} of the node "${node.name}"`;
      yield warn('host-inside-overlay', networkSubject(network), 'subnet', message);
    }
  }
}
