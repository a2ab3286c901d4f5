import type { Id, NounKind, Protocol } from '@portolan/model';
import type { Book, Claims, Holder } from './book.js';
import type { Drafts } from './drafts.js';
import type { ClaimField, Place } from './faults.js';
import type { PortBook } from './port-book.js';

/** The books that values are entered in; see Ledger. */
export interface Books {
  readonly names: Readonly<Record<NounKind, Book<string>>>;
  readonly underlay: Book<string>;
  readonly podAddresses: Book<string>;
  readonly vnis: Book<number>;
  readonly marks: Book<number>;
  readonly ports: Readonly<Record<Protocol, PortBook>>;
  addressesOf(networkId: Id): Book<string>;
  gatewayAddressesOn(nodeId: Id): Book<string>;
}

export type Visit = <Key extends string | number>(claims: Claims<Key>, key: Key, holder: Holder, field: ClaimField, place: Place) => void;

/** Calls `visit` with each value of the noun that nobody else may have. Holes are left out. Subnets are not here: they overlap rather than equal. */
export function visitClaims<K extends NounKind>(books: Books, kind: K, noun: Drafts[K], visit: Visit): void {
  const holder: Holder = { kind, id: noun.id, name: noun.name };
  visit(books.names[kind], noun.name, holder, 'name', undefined);
  visitors[kind](books, noun, holder, visit);
}

const visitors: { readonly [K in NounKind]: (books: Books, noun: Drafts[K], holder: Holder, visit: Visit) => void } = {
  node(books, node, holder, visit) {
    visit(books.underlay, node.address, holder, 'address', undefined);
    for (const { networkId, address } of node.loadBalancers) visit(books.addressesOf(networkId), address, holder, 'load-balancer', networkId);
  },
  network(books, network, holder, visit) {
    if (network.vni !== null) visit(books.vnis, network.vni, holder, 'vni', undefined);
    if (network.gateway !== null) visit(books.addressesOf(network.id), network.gateway, holder, 'gateway', undefined);
    network.extraSubnets.forEach(({ vni, gateway }, index) => {
      if (vni !== null) visit(books.vnis, vni, holder, 'vni', index);
      if (gateway !== null) visit(books.addressesOf(network.id), gateway, holder, 'gateway', index);
    });
  },
  service(books, service, holder, visit) {
    for (const { networkId, address, mark, localMark } of service.networks) {
      if (address !== null) visit(books.addressesOf(networkId), address, holder, 'vip', networkId);
      if (mark !== null) visit(books.marks, mark, holder, 'mark', networkId);
      if (localMark !== null) visit(books.marks, localMark, holder, 'local-mark', networkId);
    }
    service.ports.forEach(({ protocol, published, mode }, index) => {
      if (published !== null) visit(mode === 'host' ? books.ports[protocol].host : books.ports[protocol], published, holder, 'port', index);
    });
  },
  endpoint(books, endpoint, holder, visit) {
    for (const { networkId, address } of endpoint.addresses) if (address !== null) visit(books.addressesOf(networkId), address, holder, 'address', networkId);
    const pod = endpoint.flannel?.address ?? null;
    if (pod !== null) visit(books.podAddresses, pod, holder, 'pod-address', undefined);
    if (endpoint.gatewayAddress !== null) visit(books.gatewayAddressesOn(endpoint.nodeId), endpoint.gatewayAddress, holder, 'gateway-address', undefined);
  },
};
