import { formatIpv4, type Id, type Ipv4, type NounKind, nounCollections, type Protocol, parseIpv4, type Retired, type Snapshot } from '@portolan/model';
import { Book, type Numbering, RangeBook } from './book.js';
import { visitClaims } from './claims.js';
import { Journal } from './journal.js';
import { PortBook } from './port-book.js';
import { Relations } from './relations.js';

const asNumber: Numbering<number> = { keyOf: (value) => value, valueOf: (key) => key };
const asAddress: Numbering<Ipv4> = { keyOf: formatIpv4, valueOf: (key) => parseIpv4(key) };

type Nouns = Pick<Snapshot, 'nodes' | 'networks' | 'services' | 'endpoints'>;
/** Order in which nouns are entered: what others refer to first. */
const kinds = ['network', 'node', 'service', 'endpoint'] as const;

/**
 * Everything that a snapshot uses, by value: names, addresses of each network, gateway addresses of each node, marks,
 * VNIs, ports, who refers to whom, and what is retired. It answers "is it free, and who has it" without a walk
 * through the snapshot, and follows from one snapshot to the next by their difference. It holds nothing that the
 * snapshot does not say.
 */
export class Ledger {
  readonly journal = new Journal();
  readonly names: Readonly<Record<NounKind, Book<string>>> = {
    node: new Book(this.journal),
    network: new Book(this.journal),
    service: new Book(this.journal),
    endpoint: new Book(this.journal),
  };
  /** Addresses of the hosts. */
  readonly underlay = new Book<Ipv4>(this.journal);
  /** Addresses of endpoints in the flannel network. A node that gets one anew is the only one that had it before, so they need no retirement. */
  readonly podAddresses = new Book<Ipv4>(this.journal);
  readonly vnis = new RangeBook(this.journal, asNumber, { pool: 'vni', networkId: null });
  readonly marks = new RangeBook(this.journal, asNumber, { pool: 'mark', networkId: null });
  readonly ports: Readonly<Record<Protocol, PortBook>> = {
    tcp: new PortBook(this.journal),
    udp: new PortBook(this.journal),
    sctp: new PortBook(this.journal),
  };
  readonly relations = new Relations();
  readonly #addresses = new Map<Id, RangeBook<Ipv4>>();
  readonly #gatewayAddresses = new Map<Id, RangeBook<Ipv4>>();
  /** Objects that were entered or taken out to follow a snapshot; it stays when the ledger came along with an edit. */
  followed = 0;
  #nouns: Nouns = { nodes: new Map(), networks: new Map(), services: new Map(), endpoints: new Map() };
  #retired: readonly Retired[] = [];

  addressesOf(networkId: Id): RangeBook<Ipv4> {
    let book = this.#addresses.get(networkId);
    if (book === undefined) {
      book = new RangeBook(this.journal, asAddress, { pool: 'address', networkId });
      this.#addresses.set(networkId, book);
    }
    return book;
  }

  /** The addresses of endpoints of a node in the gateway subnet. Nobody but the node knows them, so they need no retirement. */
  gatewayAddressesOn(nodeId: Id): RangeBook<Ipv4> {
    let book = this.#gatewayAddresses.get(nodeId);
    if (book === undefined) {
      book = new RangeBook(this.journal, asAddress);
      this.#gatewayAddresses.set(nodeId, book);
    }
    return book;
  }

  /** Id of the object of that name. */
  idOf(kind: NounKind, name: string): Id | undefined {
    return this.names[kind].holderOf(name)?.id;
  }

  /** Notes that nobody may have the value of the entry, or, with `remove`, that it may be given again. */
  enterRetired(entry: Retired, action: 'add' | 'remove'): void {
    const value = Number(entry.value);
    if (entry.pool === 'address') enter(entry.networkId === null ? undefined : this.addressesOf(entry.networkId), entry.value, entry, action);
    else enter(entry.pool === 'mark' ? this.marks : this.vnis, value, entry, action);
  }

  /** Brings the ledger to a snapshot, by the difference from the one that it reflects. */
  follow(snapshot: Snapshot): void {
    const before = this.#nouns;
    for (const kind of kinds) {
      const was = before[nounCollections[kind]];
      const now = snapshot[nounCollections[kind]];
      if (was === now) continue;
      for (const [id, noun] of was) {
        if (now.get(id) === noun) continue;
        this.followed++;
        this.relations.remove(kind, noun);
        visitClaims(this, kind, noun, (book, key, holder) => book.release(key, holder));
      }
    }
    this.#followRetired(snapshot.retired);
    for (const kind of kinds) {
      const was = before[nounCollections[kind]];
      const now = snapshot[nounCollections[kind]];
      if (was === now) continue;
      for (const [id, noun] of now) {
        if (was.get(id) === noun) continue;
        this.followed++;
        this.relations.add(kind, noun);
        visitClaims(this, kind, noun, (book, key, holder) => {
          book.claim(key, holder);
        });
      }
    }
    this.#settle(snapshot);
  }

  #followRetired(now: readonly Retired[]): void {
    const was = this.#retired;
    if (was === now) return;
    const kept = new Set(now);
    for (const entry of was) if (!kept.delete(entry)) this.enterRetired(entry, 'remove');
    for (const entry of kept) this.enterRetired(entry, 'add');
  }

  /** Notes that the books say what `snapshot` says already; only the relations of `changed` have to follow. */
  adopt(snapshot: Snapshot, changed: Readonly<Record<keyof Nouns, Iterable<Id>>>): void {
    for (const kind of kinds) {
      const was = this.#nouns[nounCollections[kind]];
      const now = snapshot[nounCollections[kind]];
      for (const id of changed[nounCollections[kind]]) {
        const before = was.get(id);
        const after = now.get(id);
        if (before === after) continue;
        if (before !== undefined) this.relations.remove(kind, before);
        if (after !== undefined) this.relations.add(kind, after);
      }
    }
    this.#settle(snapshot);
  }

  #settle({ nodes, networks, services, endpoints, retired }: Snapshot): void {
    if (networks !== this.#nouns.networks) dropEmpty(this.#addresses, networks);
    if (nodes !== this.#nouns.nodes) dropEmpty(this.#gatewayAddresses, nodes);
    this.#nouns = { nodes, networks, services, endpoints };
    this.#retired = retired;
    ledgers.set(endpoints, this);
  }
}

function enter<Key extends string | number>(book: RangeBook<Key> | undefined, key: Key, entry: Retired, action: 'add' | 'remove'): void {
  if (action === 'add') book?.retired?.add(key, entry);
  else book?.retired?.remove(key);
}

/** Forgets the books of what is not there any more. */
function dropEmpty(books: Map<Id, RangeBook<Ipv4>>, owners: ReadonlyMap<Id, unknown>): void {
  for (const [id, book] of books) if (!owners.has(id) && book.isEmpty) books.delete(id);
}

/** Keyed by the largest of the maps. Several snapshots may share it: the ledger then goes from one to the other by their difference. */
const ledgers = new WeakMap<Snapshot['endpoints'], Ledger>();

/** The ledger of a snapshot: kept from the edit that made it, else built, which costs about a microsecond for each value. */
export function ledgerOf(snapshot: Snapshot): Ledger {
  const ledger = ledgers.get(snapshot.endpoints) ?? new Ledger();
  ledger.follow(snapshot);
  return ledger;
}

/** Tells the ledger of `before` that `after` is the same but for little, so that it is not built again. */
export function shareLedger(before: Snapshot, after: Snapshot): void {
  const ledger = ledgers.get(before.endpoints);
  if (ledger !== undefined) ledgers.set(after.endpoints, ledger);
}
