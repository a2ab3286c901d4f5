import {
  type ClusterSettings,
  type Endpoint,
  effectiveMtu,
  type Id,
  type Ipv4,
  type Network,
  type NetworkSubnet,
  type Node,
  parseCidr,
  parseIpv4,
  type Service,
  type ServiceNetwork,
  type Snapshot,
  type Subnet,
  subnetsOf,
  type Traffic,
  trafficOf,
  underlayMtu,
} from '@portolan/model';
import { overlayBridge, overlayVtep } from './names.js';
import { append, oncePer } from './shared.js';

/** An endpoint on its node; `service` is null for an endpoint by itself. */
export interface Resident {
  readonly endpoint: Endpoint;
  readonly service: Service | null;
  readonly node: Node;
}

/** An endpoint with its address on one network. */
export interface Member extends Resident {
  readonly address: Ipv4;
}

/** A service with its place on one network (VIP and mark where it has them) and its endpoints there. */
export interface Offered {
  readonly service: Service;
  readonly place: ServiceNetwork;
  readonly members: readonly Member[];
}

/** A subnet of a network with what carries it in the overlay's namespace. */
export interface Segment extends NetworkSubnet {
  readonly range: Subnet;
  readonly bridge: string;
  readonly vtep: string;
}

/** Who takes part in one network: the same for every node, so it is made once for a snapshot. */
export interface NetworkRoster {
  readonly settings: ClusterSettings;
  readonly network: Network;
  /** Of the overlay, in bytes. */
  readonly mtu: number;
  /** The first is the one that load balancers and VIPs are in. */
  readonly segments: readonly [Segment, ...Segment[]];
  readonly members: readonly Member[];
  /** The same by node. */
  readonly membersOf: ReadonlyMap<Id, readonly Member[]>;
  readonly offered: readonly Offered[];
  /** Nodes that have the network in their kernel, with their own address on it. */
  readonly balancers: ReadonlyMap<Id, { readonly node: Node; readonly address: Ipv4 }>;
}

export interface ClusterRoster {
  readonly settings: ClusterSettings;
  /** In bytes. */
  readonly underlayMtu: number;
  readonly networks: readonly NetworkRoster[];
  readonly networkOf: ReadonlyMap<Id, Network>;
  readonly serviceOf: ReadonlyMap<Id, Service>;
  readonly endpointsOf: ReadonlyMap<Id, readonly Endpoint[]>;
  readonly nodes: readonly Node[];
}

/** The newest roster of a network, to be used again as long as nothing changes that it is made of. */
const newest = new WeakMap<Network, NetworkRoster>();

/** The roster of a snapshot; computed at the first call, since snapshots are immutable. */
export const clusterRoster = oncePer((snapshot: Snapshot): ClusterRoster => {
  const members = new Map<Id, Member[]>();
  const endpointsOf = new Map<Id, Endpoint[]>();
  for (const endpoint of snapshot.endpoints.values()) {
    const service = endpoint.serviceId === null ? null : snapshot.services.get(endpoint.serviceId);
    const node = snapshot.nodes.get(endpoint.nodeId);
    if (service === undefined || node === undefined) continue;
    append(endpointsOf, node.id, endpoint);
    for (const { networkId, address } of endpoint.addresses) append(members, networkId, { endpoint, service, node, address });
  }
  const places = new Map<Id, Omit<Offered, 'members'>[]>();
  for (const service of snapshot.services.values()) for (const place of service.networks) append(places, place.networkId, { service, place });
  const balancers = new Map<Id, { node: Node; address: Ipv4 }[]>();
  for (const node of snapshot.nodes.values()) {
    for (const { networkId, address } of node.loadBalancers) append(balancers, networkId, { node, address });
  }

  const { settings } = snapshot.cluster;
  const networks: NetworkRoster[] = [];
  const computedMtu = effectiveMtu(snapshot, { mtu: null });
  // By id, as their namespaces are named, so that the objects come nearly in canonical order.
  for (const network of [...snapshot.networks.values()].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const ofNetwork = members.get(network.id) ?? [];
    const ofService = new Map<Id, Member[]>();
    const ofNode = new Map<Id, Member[]>();
    for (const member of ofNetwork) {
      append(ofNode, member.node.id, member);
      if (member.service !== null) append(ofService, member.service.id, member);
    }
    const roster: NetworkRoster = {
      settings,
      network,
      mtu: network.mtu ?? computedMtu,
      segments: segmentsOf(network),
      members: ofNetwork,
      membersOf: ofNode,
      offered: (places.get(network.id) ?? []).map(({ service, place }) => ({ service, place, members: ofService.get(service.id) ?? [] })),
      // Lazy, as in Swarm: a node without an endpoint on a network has nothing of it, but ingress is everywhere.
      balancers: new Map((balancers.get(network.id) ?? []).filter(({ node }) => network.ingress || ofNode.has(node.id)).map((b) => [b.node.id, b])),
    };
    const known = newest.get(network);
    const settled = known !== undefined && isSame(known, roster) ? known : roster;
    newest.set(network, settled);
    networks.push(settled);
  }
  return {
    settings,
    underlayMtu: underlayMtu(snapshot),
    networks,
    networkOf: snapshot.networks,
    serviceOf: snapshot.services,
    endpointsOf,
    nodes: [...snapshot.nodes.values()],
  };
});

/** The endpoints of a node, by id. */
export function residentsOf(roster: ClusterRoster, node: Node): readonly Resident[] {
  const endpoints = (roster.endpointsOf.get(node.id) ?? []).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return endpoints.map((endpoint) => ({ endpoint, service: endpoint.serviceId === null ? null : (roster.serviceOf.get(endpoint.serviceId) ?? null), node }));
}

/** What an endpoint is sent. */
export function trafficTo({ endpoint, service, node }: Resident): Traffic {
  return trafficOf(endpoint, service, node);
}

const segmentsOf = oncePer((network: Network): NetworkRoster['segments'] => {
  const [first, ...others] = subnetsOf(network);
  const segment = (subnet: NetworkSubnet, i: number): Segment => ({
    ...subnet,
    range: parseCidr(subnet.subnet),
    bridge: overlayBridge(i),
    vtep: overlayVtep(i),
  });
  return [segment(first, 0), ...others.map((subnet, i) => segment(subnet, i + 1))];
});

/** The subnet that an address of the network is in. */
export function segmentOf({ segments }: Pick<NetworkRoster, 'segments'>, address: Ipv4): Segment {
  const [first, ...others] = segments;
  if (others.length === 0) return first;
  const value = parseIpv4(address);
  return others.find(({ range }) => range.first <= value && value <= range.last) ?? first;
}

/** True when the objects made of both are equal. Snapshots share what did not change, so identity tells; of a node, the rest does not matter here. */
function isSame(a: NetworkRoster, b: NetworkRoster): boolean {
  const balancers = [...b.balancers.values()];
  return (
    a.settings === b.settings &&
    a.network === b.network &&
    a.mtu === b.mtu &&
    a.members.length === b.members.length &&
    a.offered.length === b.offered.length &&
    a.balancers.size === b.balancers.size &&
    a.members.every((m, i) => m.endpoint === b.members[i]?.endpoint && m.service === b.members[i].service && isSameHost(m.node, b.members[i].node)) &&
    a.offered.every((s, i) => s.service === b.offered[i]?.service) &&
    [...a.balancers.values()].every((l, i) => l.address === balancers[i]?.address && isSameHost(l.node, balancers[i].node))
  );
}

function isSameHost(a: Node, b: Node): boolean {
  return a === b || (a.id === b.id && a.address === b.address && a.availability === b.availability && a.condition === b.condition);
}
