import type { Id } from '@portolan/model';
import { type Claims, type Holder, RangeBook } from './book.js';
import type { Journal } from './journal.js';

/** The published ports of one protocol: one in mode `ingress` is a single service's, one in mode `host` can be several services'. */
export class PortBook extends RangeBook<number> {
  readonly host: HostPorts;

  constructor(journal: Journal) {
    super(journal, { keyOf: (value) => value, valueOf: (key) => key });
    this.host = new HostPorts(this, journal, (port) => this.freed(port));
  }

  override claim(port: number, holder: Holder): Holder | undefined {
    return this.host.firstHolderOf(port) ?? super.claim(port, holder);
  }

  protected override isFree(port: number): boolean {
    return super.isFree(port) && this.host.firstHolderOf(port) === undefined;
  }
}

/** Ports that are published on the nodes of the endpoints only. */
class HostPorts implements Claims<number> {
  readonly retired = null;
  readonly #held = new Map<number, Map<Id, Holder>>();
  readonly #ingress: PortBook;
  readonly #journal: Journal;
  readonly #freed: (port: number) => void;

  constructor(ingress: PortBook, journal: Journal, freed: (port: number) => void) {
    this.#ingress = ingress;
    this.#journal = journal;
    this.#freed = freed;
  }

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  firstHolderOf(port: number): Holder | undefined {
    for (const holder of this.#held.get(port)?.values() ?? []) return holder;
    return undefined;
  }

  /** The ports from `first` to `last` that are held, with one of their holders. */
  *heldWithin(first: number, last: number): Iterable<readonly [port: number, holder: Holder]> {
    for (const [port, holders] of this.#held) for (const holder of port >= first && port <= last ? [...holders.values()].slice(0, 1) : []) yield [port, holder];
  }

  claim(port: number, holder: Holder): Holder | undefined {
    const other = this.#ingress.holderOf(port);
    if (other !== undefined) return other;
    const holders = this.#held.get(port) ?? new Map<Id, Holder>();
    if (holders.has(holder.id)) return undefined;
    this.#held.set(port, holders.set(holder.id, holder));
    this.#journal.note(() => this.#remove(port, holder.id));
    return undefined;
  }

  release(port: number, holder: Holder): void {
    const held = this.#held.get(port)?.get(holder.id);
    if (held === undefined) return;
    this.#remove(port, holder.id);
    this.#journal.note(() => this.#held.set(port, (this.#held.get(port) ?? new Map<Id, Holder>()).set(held.id, held)));
  }

  #remove(port: number, id: Id): void {
    const holders = this.#held.get(port);
    holders?.delete(id);
    if (holders?.size !== 0) return;
    this.#held.delete(port);
    this.#freed(port);
  }
}
