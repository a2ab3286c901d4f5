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
  for (const network of snapshot.networks.values()) {
    const ofNetwork = members.get(network.id) ?? [];
    const ofService = new Map<Id, Member[]>();
    const ofNode = new Map<Id, Member[]>();
    for (const member of ofNetwork) {
      append(ofNode, member.node.id, member);
      if (takesTraffic(member)) append(ofService, member.service.id, member);
    }
    networks.push({
      cluster: snapshot.cluster,
      network,
      prefixLength: parseCidr(network.subnet).prefixLength,
      members: ofNetwork,
      membersOf: ofNode,
      balanced: (vips.get(network.id) ?? []).map(({ service, vip }) => ({ service, vip, members: ofService.get(service.id) ?? [] })),
      // Lazy, as in Swarm: a node without an endpoint on a network has nothing of it, but ingress is everywhere.
      balancers: new Map((balancers.get(network.id) ?? []).filter(({ node }) => network.ingress || ofNode.has(node.id)).map((b) => [b.node.id, b])),
    });
  }
  return { networks, endpoints };
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
