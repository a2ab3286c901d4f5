import {
  type Cluster,
  type Endpoint,
  type Id,
  type Ipv4,
  type Network,
  type Node,
  parseCidr,
  type Service,
  type Snapshot,
  type VirtualIp,
} from '@portolan/model';

/** An endpoint with its address on one network. */
export interface Member {
  readonly endpoint: Endpoint;
  readonly service: Service;
  readonly node: Node;
  readonly address: Ipv4;
}

/** A service with its VIP on one network, and those of its endpoints that may be sent traffic. */
export interface Balanced {
  readonly service: Service;
  readonly vip: VirtualIp;
  readonly members: readonly Member[];
}

/** Who takes part in one network: the same for every node, so it is made once for a snapshot. */
export interface NetworkRoster {
  readonly cluster: Cluster;
  readonly network: Network;
  readonly prefixLength: number;
  readonly members: readonly Member[];
  /** The same by node. */
  readonly membersOf: ReadonlyMap<Id, readonly Member[]>;
  readonly balanced: readonly Balanced[];
  /** Nodes that have the network in their kernel, with their own address on it. */
  readonly balancers: ReadonlyMap<Id, { readonly node: Node; readonly address: Ipv4 }>;
}

export interface ClusterRoster {
  readonly networks: readonly NetworkRoster[];
  /** Endpoints by node. */
  readonly endpoints: ReadonlyMap<Id, readonly Endpoint[]>;
}

const rosters = new WeakMap<Snapshot, ClusterRoster>();
/** The newest roster of a network, to be used again as long as nothing changes that it is made of. */
const newest = new WeakMap<Network, NetworkRoster>();

/** The roster of a snapshot; computed at the first call, since snapshots are immutable. */
export function clusterRoster(snapshot: Snapshot): ClusterRoster {
  const known = rosters.get(snapshot);
  if (known !== undefined) return known;
  const made = makeRoster(snapshot);
  rosters.set(snapshot, made);
  return made;
}

/** An endpoint whose namespace is not there, or whose node is drained, is sent nothing. */
function takesTraffic({ endpoint, node }: Member): boolean {
  return endpoint.presence !== 'absent' && node.availability !== 'drain';
}

function makeRoster(snapshot: Snapshot): ClusterRoster {
  const members = new Map<Id, Member[]>();
  const endpoints = new Map<Id, Endpoint[]>();
  for (const endpoint of snapshot.endpoints.values()) {
    const service = snapshot.services.get(endpoint.serviceId);
    const node = snapshot.nodes.get(endpoint.nodeId);
    if (service === undefined || node === undefined) continue;
    append(endpoints, node.id, endpoint);
    for (const { networkId, address } of endpoint.addresses) append(members, networkId, { endpoint, service, node, address });
  }
  const vips = new Map<Id, { service: Service; vip: VirtualIp }[]>();
  for (const service of snapshot.services.values()) for (const vip of service.vips) append(vips, vip.networkId, { service, vip });
  const balancers = new Map<Id, { node: Node; address: Ipv4 }[]>();
  for (const node of snapshot.nodes.values()) {
    for (const { networkId, address } of node.loadBalancers) append(balancers, networkId, { node, address });
  }

  const networks: NetworkRoster[] = [];
  // By id, as their namespaces are named, so that the objects come nearly in canonical order.
  for (const network of [...snapshot.networks.values()].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const ofNetwork = members.get(network.id) ?? [];
    const ofService = new Map<Id, Member[]>();
    const ofNode = new Map<Id, Member[]>();
    for (const member of ofNetwork) {
      append(ofNode, member.node.id, member);
      if (takesTraffic(member)) append(ofService, member.service.id, member);
    }
    const roster: NetworkRoster = {
      cluster: snapshot.cluster,
      network,
      prefixLength: parseCidr(network.subnet).prefixLength,
      members: ofNetwork,
      membersOf: ofNode,
      balanced: (vips.get(network.id) ?? []).map(({ service, vip }) => ({ service, vip, members: ofService.get(service.id) ?? [] })),
      // Lazy, as in Swarm: a node without an endpoint on a network has nothing of it, but ingress is everywhere.
      balancers: new Map((balancers.get(network.id) ?? []).filter(({ node }) => network.ingress || ofNode.has(node.id)).map((b) => [b.node.id, b])),
    };
    const known = newest.get(network);
    const settled = known !== undefined && isSame(known, roster) ? known : roster;
    newest.set(network, settled);
    networks.push(settled);
  }
  return { networks, endpoints };
}

/** True when the objects made of both are equal. Snapshots share what did not change, so identity tells; of a node, the rest does not matter here. */
function isSame(a: NetworkRoster, b: NetworkRoster): boolean {
  const sameNode = (m: Node, n: Node) => m.id === n.id && m.address === n.address && m.availability === n.availability;
  const balancers = [...b.balancers.values()];
  return (
    a.cluster.settings === b.cluster.settings &&
    a.network === b.network &&
    a.members.length === b.members.length &&
    a.balanced.length === b.balanced.length &&
    a.balancers.size === b.balancers.size &&
    a.members.every((m, i) => m.endpoint === b.members[i]?.endpoint && m.service === b.members[i]?.service && sameNode(m.node, b.members[i].node)) &&
    a.balanced.every((s, i) => s.service === b.balanced[i]?.service) &&
    [...a.balancers.values()].every((l, i) => l.address === balancers[i]?.address && sameNode(l.node, balancers[i].node))
  );
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
