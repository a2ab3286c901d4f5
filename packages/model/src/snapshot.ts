import type { Flannel, FlannelLease } from './flannel.js';
import type { Cidr, Ipv4 } from './ipv4.js';
import type { Attachment, ClusterSettings, Id, IpvsTimeouts, NounKind, Protocol } from './nouns.js';

/**
 * The whole intent of one cluster at one revision, with everything allocated. Immutable: an edit makes a new
 * snapshot that shares what did not change, so two snapshots are compared by object identity.
 */
export interface Snapshot {
  readonly cluster: Cluster;
  readonly nodes: ReadonlyMap<Id, Node>;
  readonly networks: ReadonlyMap<Id, Network>;
  readonly services: ReadonlyMap<Id, Service>;
  readonly endpoints: ReadonlyMap<Id, Endpoint>;
  /** Values that were given up and that a node may still hold, in the order in which they were. */
  readonly retired: readonly Retired[];
  /** The flannel network, null when the cluster has none. */
  readonly flannel: Flannel | null;
  /** What the registry in etcd held when it was last read, by the name of the key; empty without a flannel network. */
  readonly flannelLeases: ReadonlyMap<string, FlannelLease>;
}

/**
 * A value that is nobody's any more. It is not given again until every node has applied `revision`, which gave it up:
 * till then a node may still send what is meant for the old holder.
 */
export interface Retired {
  readonly pool: 'address' | 'mark' | 'vni';
  /** Of an address: its network. */
  readonly networkId: Id | null;
  /** An address in dotted form, or a number in decimal. */
  readonly value: string;
  readonly revision: number;
  /** Who had it, for messages. The same object made anew, or one of the same service, may have it again at once. */
  readonly holder: { readonly kind: NounKind; readonly name: string; readonly serviceId: Id | null };
}

export interface Cluster {
  readonly id: Id;
  readonly name: string;
  readonly settings: ClusterSettings;
  /** Counts the commits to the intent of this cluster: 0 when it was made, then one more each time. */
  readonly revision: number;
}

interface Stored {
  readonly id: Id;
  readonly name: string;
  /** Counts the changes of this object, from 1; its ETag. */
  readonly version: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Node extends Stored {
  readonly role: 'manager' | 'worker';
  readonly availability: 'active' | 'pause' | 'drain';
  /** VTEP address on the underlay. */
  readonly address: Ipv4;
  /** The node's own address in each network it takes part in: the source that its load balancer sends from. */
  readonly loadBalancers: readonly NetworkAddress[];
  /** MTU of the interface with `address`, in bytes, by the last report; null before. */
  readonly underlayMtu: number | null;
  /** Name of that interface, such as eth1, by the last report; null before. */
  readonly underlayLink: string | null;
  /** Subnets that the host reaches by its interfaces without a gateway, in ascending order, by the last report. */
  readonly onLink: readonly Cidr[];
  /**
   * What is known of the host. `silent`: its agent's lease is gone, and other nodes look whether the host still answers;
   * the data path of a host outlives its agent, so nothing changes yet. `unreachable`: it does not, and its endpoints are sent nothing.
   */
  readonly condition: 'unknown' | 'up' | 'silent' | 'unreachable';
}

export interface Network extends Stored {
  readonly ingress: boolean;
  readonly vni: number;
  readonly subnet: Cidr;
  readonly gateway: Ipv4;
  /** Its other subnets, each with a bridge and a VTEP of its own. */
  readonly extraSubnets: readonly NetworkSubnet[];
  /** MTU inside the overlay, in bytes; null: computed, see `effectiveMtu`. */
  readonly mtu: number | null;
  readonly internal: boolean;
  readonly attachable: boolean;
  /** Direct server return. */
  readonly dsr: boolean;
  /** null: those of the cluster. */
  readonly ipvsTimeouts: IpvsTimeouts | null;
}

export interface NetworkSubnet {
  readonly vni: number;
  readonly subnet: Cidr;
  readonly gateway: Ipv4;
}

export interface Service extends Stored {
  readonly endpointMode: 'vip' | 'dnsrr';
  readonly scheduler: 'rr' | 'wrr' | 'lc' | 'wlc' | 'sh' | 'mh';
  /** Session affinity in seconds; 0: none. */
  readonly persistence: number;
  readonly networks: readonly ServiceNetwork[];
  readonly ports: readonly PublishedPort[];
  readonly healthCheck: HealthCheck | null;
  /** null: that of the cluster. */
  readonly drainSeconds: number | null;
}

/** A network of a service. The ingress network is among them exactly while a port is published in mode `ingress`. */
export interface ServiceNetwork {
  readonly networkId: Id;
  /** The VIP; null with dnsrr. */
  readonly address: Ipv4 | null;
  /** The mark of the VIP; null with dnsrr. */
  readonly mark: number | null;
  /** On the ingress network, of a service with a port of policy `local`: the mark that is balanced among a node's own endpoints. */
  readonly localMark: number | null;
  readonly aliases: readonly string[];
}

export interface PublishedPort {
  readonly protocol: Protocol;
  readonly published: number;
  readonly target: number;
  readonly mode: 'ingress' | 'host';
  readonly externalTrafficPolicy: 'cluster' | 'local';
  /** Addresses or subnets of the hosts; empty: all. */
  readonly addresses: readonly string[];
  readonly interfaces: readonly string[];
}

export interface HealthCheck {
  readonly kind: 'tcp' | 'http';
  readonly port: number;
  /** Of kind http; '' of kind tcp. */
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly failures: number;
  readonly successes: number;
}

export interface NetworkAddress {
  readonly networkId: Id;
  readonly address: Ipv4;
}

export interface Endpoint extends Stored {
  /** null: an endpoint by itself, on attachable networks. */
  readonly serviceId: Id | null;
  readonly nodeId: Id;
  readonly attachment: Attachment;
  readonly weight: number;
  readonly addresses: readonly NetworkAddress[];
  readonly aliases: readonly string[];
  /**
   * Its host-local address in the gateway subnet, by which it reaches out and is reached at ports of mode `host`; null
   * when all its networks are internal or the ingress network.
   */
  readonly gatewayAddress: Ipv4 | null;
  /** What the agent last saw of the namespace: sent traffic only while `present`. */
  readonly presence: 'unknown' | 'present' | 'absent';
  /** By the health check of its service; only `healthy` endpoints of such a service are sent traffic. */
  readonly health: 'unknown' | 'healthy' | 'unhealthy';
  readonly drain: Drain | null;
  /** Its place in the flannel network; null when it has none. */
  readonly flannel: EndpointFlannel | null;
}

/** `address` is null until the node has a subnet. One that a person chose (`fixed`) stays even where the subnet of the node is another: `check` tells. */
export interface EndpointFlannel {
  readonly address: Ipv4 | null;
  readonly fixed: boolean;
}

/**
 * An endpoint that leaves: no names lead to it, and it has weight 0. It is drained as soon as every node has applied
 * `revision` and it has no connections, or the deadline has passed.
 */
export interface Drain {
  readonly revision: number;
  /** Milliseconds since 1970. */
  readonly deadline: number;
  /** Whether it is deleted when it is drained. */
  readonly removes: boolean;
  /** It is safe to stop it. */
  readonly drained: boolean;
}

/** A cluster in which there is nothing. */
export function emptySnapshotOf(cluster: Cluster): Snapshot {
  return { cluster, nodes: new Map(), networks: new Map(), services: new Map(), endpoints: new Map(), retired: [], flannel: null, flannelLeases: new Map() };
}

/** The map of a snapshot that holds a kind of object. */
export const nounCollections = { node: 'nodes', network: 'networks', service: 'services', endpoint: 'endpoints' } as const satisfies Record<
  NounKind,
  keyof Snapshot
>;

/** What an edit changed, by object identity. The store writes exactly these rows. */
export interface SnapshotDifference {
  readonly cluster: boolean;
  readonly nodes: NounDifference<Node>;
  readonly networks: NounDifference<Network>;
  readonly services: NounDifference<Service>;
  readonly endpoints: NounDifference<Endpoint>;
  readonly retired: { readonly created: readonly Retired[]; readonly deleted: readonly Retired[] };
  readonly flannel: boolean;
  readonly flannelLeases: NounDifference<FlannelLease>;
}

export interface NounDifference<T> {
  readonly created: readonly T[];
  readonly changed: readonly { readonly before: T; readonly after: T }[];
  readonly deleted: readonly T[];
}

export function diffSnapshots(before: Snapshot, after: Snapshot): SnapshotDifference {
  return {
    cluster: before.cluster !== after.cluster,
    nodes: diffNouns(before.nodes, after.nodes),
    networks: diffNouns(before.networks, after.networks),
    services: diffNouns(before.services, after.services),
    endpoints: diffNouns(before.endpoints, after.endpoints),
    retired: diffRetired(before.retired, after.retired),
    flannel: before.flannel !== after.flannel,
    flannelLeases: diffNouns(before.flannelLeases, after.flannelLeases),
  };
}

function diffRetired(before: readonly Retired[], after: readonly Retired[]): SnapshotDifference['retired'] {
  if (before === after) return { created: [], deleted: [] };
  const [was, now] = [new Set(before), new Set(after)];
  return { created: after.filter((value) => !was.has(value)), deleted: before.filter((value) => !now.has(value)) };
}

function diffNouns<T>(before: ReadonlyMap<Id, T>, after: ReadonlyMap<Id, T>): NounDifference<T> {
  if (before === after) return { created: [], changed: [], deleted: [] };
  const created: T[] = [];
  const changed: { before: T; after: T }[] = [];
  const deleted: T[] = [];
  for (const [id, now] of after) {
    const was = before.get(id);
    if (was === undefined) created.push(now);
    else if (was !== now) changed.push({ before: was, after: now });
  }
  for (const [id, was] of before) if (!after.has(id)) deleted.push(was);
  return { created, changed, deleted };
}

/** True when the two snapshots hold the same intent. */
export function isEmptyDifference(difference: SnapshotDifference): boolean {
  const { cluster, flannel, retired, ...nouns } = difference;
  return (
    !cluster &&
    !flannel &&
    retired.created.length + retired.deleted.length === 0 &&
    Object.values(nouns).every((noun) => noun.created.length + noun.changed.length + noun.deleted.length === 0)
  );
}

/** One line of an audit trail or of a dry run. */
export interface Change {
  readonly action: 'create' | 'change' | 'delete';
  readonly kind: 'cluster' | NounKind | 'flannel' | 'lease';
  readonly name: string;
}

/** The difference as lines, by kind and then by name; the cluster itself counts only when its settings changed. */
export function changesOf(before: Snapshot, after: Snapshot, difference: SnapshotDifference = diffSnapshots(before, after)): readonly Change[] {
  const { created, changed, deleted } = difference.flannelLeases;
  const leases = {
    created: created.map(named),
    changed: changed.map(({ before: was, after: now }) => ({ before: named(was), after: named(now) })),
    deleted: deleted.map(named),
  };
  const nouns = [
    ['node', difference.nodes],
    ['network', difference.networks],
    ['service', difference.services],
    ['endpoint', difference.endpoints],
    ['lease', leases],
  ] as const;
  const changes = nouns.flatMap(([kind, noun]) =>
    [
      ...noun.created.map(({ name }) => ({ action: 'create' as const, kind, name })),
      ...noun.changed.map(({ after: { name } }) => ({ action: 'change' as const, kind, name })),
      ...noun.deleted.map(({ name }) => ({ action: 'delete' as const, kind, name })),
    ].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)),
  );
  const { name } = after.cluster;
  return [
    ...(before.cluster.settings === after.cluster.settings ? [] : [{ action: 'change' as const, kind: 'cluster' as const, name }]),
    ...(difference.flannel
      ? [{ action: flannelAction(before, after), kind: 'flannel' as const, name: (after.flannel ?? before.flannel)?.network ?? name }]
      : []),
    ...changes,
  ];
}

function named({ key }: FlannelLease): { readonly name: string } {
  return { name: key };
}

function flannelAction(before: Snapshot, after: Snapshot): Change['action'] {
  if (before.flannel === null) return 'create';
  return after.flannel === null ? 'delete' : 'change';
}
