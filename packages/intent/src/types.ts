import type { Endpoint, EndpointSpec, Id, Network, NetworkSpec, Node, NodeSpec, Service, ServiceSpec } from '@portolan/model';

/** Where new ids come from; randomness is passed in. */
export type NewId = () => Id;

/** Nouns as people write them. */
export interface NounSpecs {
  node: NodeSpec;
  network: NetworkSpec;
  service: ServiceSpec;
  endpoint: EndpointSpec;
}

/** Nouns as a snapshot holds them. */
export interface Nouns {
  node: Node;
  network: Network;
  service: Service;
  endpoint: Endpoint;
}
