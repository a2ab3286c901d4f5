import type { Cidr, ClusterSettings, Endpoint, Flannel, Id, Ipv4, Network, NetworkAddress, NetworkSubnet, Node, PublishedPort, Service } from '@portolan/model';

/** A network of which null values are still to be allocated. */
export interface NetworkDraft extends Omit<Network, 'vni' | 'subnet' | 'gateway' | 'extraSubnets'> {
  readonly vni: number | null;
  readonly subnet: Cidr | null;
  readonly gateway: Ipv4 | null;
  readonly extraSubnets: readonly NetworkSubnetDraft[];
}

/** Another subnet of a network. Only the first one can be left to allocation. */
export interface NetworkSubnetDraft extends Omit<NetworkSubnet, 'vni' | 'gateway'> {
  readonly vni: number | null;
  readonly gateway: Ipv4 | null;
}

/**
 * A service of which null values are still to be allocated: published ports always, VIPs and marks where the endpoint
 * mode wants them, marks of policy `local` where a port does. What is there without being wanted is given up.
 */
export interface ServiceDraft extends Omit<Service, 'ports'> {
  readonly ports: readonly PublishedPortDraft[];
}

export interface PublishedPortDraft extends Omit<PublishedPort, 'published'> {
  readonly published: number | null;
}

/**
 * An endpoint of which null values are still to be allocated. The networks of an endpoint of a service follow from the
 * service: what is missing among `addresses` is added, what is left over is given up. An endpoint without a service
 * joins just those that its `addresses` name. Its gateway address is there exactly when its networks want one. Its address
 * in the flannel network is no hole: see `podAddresses`.
 */
export interface EndpointDraft extends Omit<Endpoint, 'addresses'> {
  readonly addresses: readonly NetworkAddressDraft[];
}

export interface NetworkAddressDraft extends Omit<NetworkAddress, 'address'> {
  readonly address: Ipv4 | null;
}

/** Nouns as an edit wants them. The addresses of a node need no hole: they follow from its endpoints. */
export interface Drafts {
  node: Node;
  network: NetworkDraft;
  service: ServiceDraft;
  endpoint: EndpointDraft;
}

/** What an edit changes: by id, the new draft, or null for "deleted". Insertion order is the order of allocation. */
export interface Changes {
  readonly settings: ClusterSettings;
  readonly nodes: ReadonlyMap<Id, Drafts['node'] | null>;
  readonly networks: ReadonlyMap<Id, Drafts['network'] | null>;
  readonly services: ReadonlyMap<Id, Drafts['service'] | null>;
  readonly endpoints: ReadonlyMap<Id, Drafts['endpoint'] | null>;
  /** As it is to be: no subnet is taken from it. */
  readonly flannel: Flannel | null;
}
