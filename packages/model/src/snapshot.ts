import type { Cidr, Ipv4 } from './ipv4.js';
import type { Attachment, ClusterSettings, Id, NounKind, Protocol } from './nouns.js';

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
}

export interface Network extends Stored {
  readonly ingress: boolean;
  readonly vni: number;
  readonly subnet: Cidr;
  readonly gateway: Ipv4;
  /** MTU inside the overlay, in bytes. */
  readonly mtu: number;
}

export interface Service extends Stored {
  readonly scheduler: 'rr' | 'wrr' | 'lc' | 'wlc' | 'sh';
  readonly vips: readonly VirtualIp[];
  readonly ports: readonly PublishedPort[];
}

export interface VirtualIp {
  readonly networkId: Id;
  readonly address: Ipv4;
  readonly mark: number;
}

export interface PublishedPort {
  readonly protocol: Protocol;
  readonly published: number;
  readonly target: number;
}

export interface NetworkAddress {
  readonly networkId: Id;
  readonly address: Ipv4;
}

export interface Endpoint extends Stored {
  readonly serviceId: Id;
  readonly nodeId: Id;
  readonly attachment: Attachment;
  readonly weight: number;
  readonly addresses: readonly NetworkAddress[];
  /**
   * What the agent last saw of the namespace. `absent` takes the endpoint out of every load balancer until it is
   * seen again; `unknown` (nothing reported yet) counts as present.
   */
  readonly presence: 'unknown' | 'present' | 'absent';
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
  };
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
  const { cluster, ...nouns } = difference;
  return !cluster && Object.values(nouns).every((noun) => noun.created.length + noun.changed.length + noun.deleted.length === 0);
}

/** One line of an audit trail or of a dry run. */
export interface Change {
  readonly action: 'create' | 'change' | 'delete';
  readonly kind: 'cluster' | 'node' | 'network' | 'service' | 'endpoint';
  readonly name: string;
}

/** The difference as lines, by kind and then by name; the cluster itself counts only when its settings changed. */
export function changesOf(before: Snapshot, after: Snapshot, difference: SnapshotDifference = diffSnapshots(before, after)): readonly Change[] {
  const nouns = [
    ['node', difference.nodes],
    ['network', difference.networks],
    ['service', difference.services],
    ['endpoint', difference.endpoints],
  ] as const;
  const changes = nouns.flatMap(([kind, noun]) =>
    [
      ...noun.created.map(({ name }) => ({ action: 'create' as const, kind, name })),
      ...noun.changed.map(({ after: { name } }) => ({ action: 'change' as const, kind, name })),
      ...noun.deleted.map(({ name }) => ({ action: 'delete' as const, kind, name })),
    ].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)),
  );
  const settings = before.cluster.settings !== after.cluster.settings;
  return settings ? [{ action: 'change', kind: 'cluster', name: after.cluster.name }, ...changes] : changes;
}
