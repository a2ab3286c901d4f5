import type { Id, NounKind } from '@portolan/model';
import type { Drafts } from './drafts.js';

const none: ReadonlySet<Id> = new Set();

class References {
  readonly #from = new Map<Id, Set<Id>>();

  to(target: Id): ReadonlySet<Id> {
    return this.#from.get(target) ?? none;
  }

  add(target: Id, source: Id): void {
    const sources = this.#from.get(target);
    if (sources === undefined) this.#from.set(target, new Set([source]));
    else sources.add(source);
  }

  remove(target: Id, source: Id): void {
    const sources = this.#from.get(target);
    sources?.delete(source);
    if (sources?.size === 0) this.#from.delete(target);
  }
}

/** Who refers to whom. */
export class Relations {
  readonly #servicesOfNetworks = new References();
  readonly #endpointsOfNetworks = new References();
  readonly #endpointsOfServices = new References();
  readonly #endpointsOfNodes = new References();

  servicesOn(networkId: Id): ReadonlySet<Id> {
    return this.#servicesOfNetworks.to(networkId);
  }

  /** Endpoints without a service that are in the network by themselves. */
  loneEndpointsIn(networkId: Id): ReadonlySet<Id> {
    return this.#endpointsOfNetworks.to(networkId);
  }

  endpointsOf(serviceId: Id): ReadonlySet<Id> {
    return this.#endpointsOfServices.to(serviceId);
  }

  endpointsOn(nodeId: Id): ReadonlySet<Id> {
    return this.#endpointsOfNodes.to(nodeId);
  }

  add<K extends NounKind>(kind: K, noun: Drafts[K]): void {
    visitors[kind](noun, (relation, target) => this.#referencesOf(relation).add(target, noun.id));
  }

  remove<K extends NounKind>(kind: K, noun: Drafts[K]): void {
    visitors[kind](noun, (relation, target) => this.#referencesOf(relation).remove(target, noun.id));
  }

  #referencesOf(relation: Relation): References {
    switch (relation) {
      case 'service-network':
        return this.#servicesOfNetworks;
      case 'endpoint-network':
        return this.#endpointsOfNetworks;
      case 'endpoint-service':
        return this.#endpointsOfServices;
      case 'endpoint-node':
        return this.#endpointsOfNodes;
    }
  }
}

type Relation = 'service-network' | 'endpoint-network' | 'endpoint-service' | 'endpoint-node';

const visitors: { readonly [K in NounKind]: (noun: Drafts[K], visit: (relation: Relation, target: Id) => void) => void } = {
  node() {},
  network() {},
  service(service, visit) {
    for (const { networkId } of service.networks) visit('service-network', networkId);
  },
  endpoint(endpoint, visit) {
    visit('endpoint-node', endpoint.nodeId);
    if (endpoint.serviceId !== null) visit('endpoint-service', endpoint.serviceId);
    else for (const { networkId } of endpoint.addresses) visit('endpoint-network', networkId);
  },
};
