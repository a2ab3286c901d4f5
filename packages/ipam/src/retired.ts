import type { Id, Retired } from '@portolan/model';
import type { Journal } from './journal.js';

/** The kind of value that a book retires. */
export interface Retirement {
  readonly pool: Retired['pool'];
  readonly networkId: Id | null;
}

/** Values of a book that nobody holds and that nobody may have yet; see `Retired`. */
export class RetiredValues<Key extends string | number> {
  readonly kind: Retirement;
  readonly #values = new Map<Key, Retired>();
  readonly #journal: Journal;
  readonly #freed: (key: Key) => void;

  /** `freed` is called for each value that anybody may have again. */
  constructor(journal: Journal, kind: Retirement, freed: (key: Key) => void) {
    this.#journal = journal;
    this.kind = kind;
    this.#freed = freed;
  }

  get size(): number {
    return this.#values.size;
  }

  at(key: Key): Retired | undefined {
    return this.#values.get(key);
  }

  keys(): Iterable<Key> {
    return this.#values.keys();
  }

  add(key: Key, value: Retired): void {
    this.#values.set(key, value);
    this.#journal.note(() => this.#drop(key));
  }

  remove(key: Key): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#drop(key);
    this.#journal.note(() => this.#values.set(key, value));
  }

  #drop(key: Key): void {
    this.#values.delete(key);
    this.#freed(key);
  }
}

/** Whether a new holder may have a retired value at once: the same object made anew, or one of the same service. */
export function mayHaveAgain({ holder }: Retired, claimant: Retired['holder']): boolean {
  if (holder.kind === claimant.kind && holder.name === claimant.name) return true;
  return holder.serviceId !== null && holder.serviceId === claimant.serviceId;
}
