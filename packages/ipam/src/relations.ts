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
  readonly #networks = new References();
  readonly #services = new References();
  readonly #nodes = new References();

  /** Services with a VIP on the network. */
  servicesOn(networkId: Id): ReadonlySet<Id> {
    return this.#networks.to(networkId);
  }

  endpointsOf(serviceId: Id): ReadonlySet<Id> {
    return this.#services.to(serviceId);
  }

  endpointsOn(nodeId: Id): ReadonlySet<Id> {
    return this.#nodes.to(nodeId);
  }

  add(kind: NounKind, noun: Drafts[NounKind]): void {
    this.#each(kind, noun, (references, target) => references.add(target, noun.id));
  }

  remove(kind: NounKind, noun: Drafts[NounKind]): void {
    this.#each(kind, noun, (references, target) => references.remove(target, noun.id));
  }

  #each(kind: NounKind, noun: Drafts[NounKind], visit: (references: References, target: Id) => void): void {
    if (kind === 'service' && 'vips' in noun) for (const vip of noun.vips) visit(this.#networks, vip.networkId);
    if (kind === 'endpoint' && 'serviceId' in noun) {
      visit(this.#services, noun.serviceId);
      visit(this.#nodes, noun.nodeId);
    }
  }
}
