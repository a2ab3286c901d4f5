import { formatIpv4, type Id, type Ipv4, type NounKind, nounCollections, type Protocol, parseIpv4, type Snapshot } from '@portolan/model';
import { Book, Journal, type Numbering, RangeBook } from './book.js';
import { visitClaims } from './claims.js';
import { Relations } from './relations.js';

const asNumber: Numbering<number> = { keyOf: (value) => value, valueOf: (key) => key };
const asAddress: Numbering<Ipv4> = { keyOf: formatIpv4, valueOf: (key) => parseIpv4(key) };

type Nouns = Pick<Snapshot, 'nodes' | 'networks' | 'services' | 'endpoints'>;
/** Order in which nouns are entered: what others refer to first. */
const kinds = ['network', 'node', 'service', 'endpoint'] as const;

/**
 * Everything that a snapshot uses, by value: names, addresses of each network, marks, VNIs, ports, and who refers to
 * whom. It answers "is it free, and who has it" without a walk through the snapshot, and follows from one snapshot
 * to the next by their difference. It holds nothing that the snapshot does not say.
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
  readonly vnis = new RangeBook(this.journal, asNumber);
  readonly marks = new RangeBook(this.journal, asNumber);
  readonly ports: Readonly<Record<Protocol, RangeBook<number>>> = {
    tcp: new RangeBook(this.journal, asNumber),
    udp: new RangeBook(this.journal, asNumber),
    sctp: new RangeBook(this.journal, asNumber),
  };
  readonly relations = new Relations();
  readonly #addresses = new Map<Id, RangeBook<Ipv4>>();
  /** Objects that were entered or taken out to follow a snapshot; it stays when the ledger came along with an edit. */
  followed = 0;
  #nouns: Nouns = { nodes: new Map(), networks: new Map(), services: new Map(), endpoints: new Map() };

  addressesOf(networkId: Id): RangeBook<Ipv4> {
    let book = this.#addresses.get(networkId);
    if (book === undefined) {
      book = new RangeBook(this.journal, asAddress);
      this.#addresses.set(networkId, book);
    }
    return book;
  }

  /** Id of the object of that name. */
  idOf(kind: NounKind, name: string): Id | undefined {
    return this.names[kind].holderOf(name)?.id;
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

  #settle({ nodes, networks, services, endpoints }: Snapshot): void {
    for (const id of this.#addresses.keys()) if (!networks.has(id) && this.addressesOf(id).size === 0) this.#addresses.delete(id);
    this.#nouns = { nodes, networks, services, endpoints };
    ledgers.set(endpoints, this);
  }
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
