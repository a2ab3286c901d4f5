import type { Cidr, ClusterSettings, Endpoint, Id, Ipv4, Network, Node, Protocol, Service } from '@portolan/model';

/** A network of which null values are still to be allocated. */
export interface NetworkDraft extends Omit<Network, 'vni' | 'subnet' | 'gateway'> {
  readonly vni: number | null;
  readonly subnet: Cidr | null;
  readonly gateway: Ipv4 | null;
}

export interface VirtualIpDraft {
  readonly networkId: Id;
  readonly address: Ipv4 | null;
  readonly mark: number | null;
}

export interface PublishedPortDraft {
  readonly protocol: Protocol;
  readonly published: number | null;
  readonly target: number;
}

/** A service of which null values are still to be allocated. */
export interface ServiceDraft extends Omit<Service, 'vips' | 'ports'> {
  readonly vips: readonly VirtualIpDraft[];
  readonly ports: readonly PublishedPortDraft[];
}

/**
 * Nouns as an edit wants them. Holes need no mark on nodes and endpoints: which addresses they must have follows
 * from the services, so what is missing is added and what is left over is dropped.
 */
export interface Drafts {
  node: Node;
  network: NetworkDraft;
  service: ServiceDraft;
  endpoint: Endpoint;
}

/** What an edit changes: by id, the new draft, or null for "deleted". Insertion order is the order of allocation. */
export interface Changes {
  readonly settings: ClusterSettings;
  readonly nodes: ReadonlyMap<Id, Drafts['node'] | null>;
  readonly networks: ReadonlyMap<Id, Drafts['network'] | null>;
  readonly services: ReadonlyMap<Id, Drafts['service'] | null>;
  readonly endpoints: ReadonlyMap<Id, Drafts['endpoint'] | null>;
}
