import type { Id, NounKind } from '@portolan/model';
import type { Journal } from './journal.js';
import { RetiredValues, type Retirement } from './retired.js';

/** Who has a value. */
export interface Holder {
  readonly kind: NounKind;
  readonly id: Id;
  readonly name: string;
}

/** Where values are entered under their holders. */
export interface Claims<Key extends string | number> {
  /** Values that were given up and that nobody may have yet; null where a value is free at once. */
  readonly retired: RetiredValues<Key> | null;
  /** Enters the holder; answers with the other one when the value is taken. */
  claim(key: Key, holder: Holder): Holder | undefined;
  /** Frees the value unless another holder has it. */
  release(key: Key, holder: Holder): void;
}

/** Which value is held by whom; each value by one holder. */
export class Book<Key extends string | number> implements Claims<Key> {
  readonly retired: RetiredValues<Key> | null;
  readonly #held = new Map<Key, Holder>();
  readonly #journal: Journal;

  constructor(journal: Journal, retires: Retirement | null = null) {
    this.#journal = journal;
    this.retired = retires === null ? null : new RetiredValues(journal, retires, (key) => this.freed(key));
  }

  holderOf(key: Key): Holder | undefined {
    return this.#held.get(key);
  }

  holders(): Iterable<Holder> {
    return this.#held.values();
  }

  get isEmpty(): boolean {
    return this.#held.size === 0 && (this.retired === null || this.retired.size === 0);
  }

  claim(key: Key, holder: Holder): Holder | undefined {
    const held = this.#held.get(key);
    if (held !== undefined) return held.id === holder.id && held.kind === holder.kind ? undefined : held;
    this.#held.set(key, holder);
    this.#journal.note(() => this.#remove(key));
    return undefined;
  }

  release(key: Key, holder: Holder): void {
    const held = this.#held.get(key);
    if (held === undefined || held.id !== holder.id || held.kind !== holder.kind) return;
    this.#remove(key);
    this.#journal.note(() => this.#held.set(key, held));
  }

  #remove(key: Key): void {
    this.#held.delete(key);
    this.freed(key);
  }

  /** Called for each value that becomes free. */
  protected freed(_key: Key): void {}
}

/** How a kind of value is counted. */
export interface Numbering<Key> {
  readonly keyOf: (value: number) => Key;
  readonly valueOf: (key: Key) => number;
}

/** A book from whose values free ones can be taken, the lowest first. */
export class RangeBook<Key extends string | number> extends Book<Key> {
  readonly #numbering: Numbering<Key>;
  /** By the first value of a range, one that has nothing free before it: filling a range costs one look at each value. */
  readonly #cursors = new Map<number, number>();

  constructor(journal: Journal, numbering: Numbering<Key>, retires: Retirement | null = null) {
    super(journal, retires);
    this.#numbering = numbering;
  }

  /** The lowest free value from `first` to `last`, both included. */
  firstFree(first: number, last: number): Key | undefined {
    let value = this.#cursors.get(first) ?? first;
    for (; value <= last; value++) {
      const key = this.#numbering.keyOf(value);
      if (!this.isFree(key)) continue;
      this.#cursors.set(first, value);
      return key;
    }
    this.#cursors.set(first, value);
    return undefined;
  }

  /** The values from `first` to `last` that are held, with their holders. */
  *heldWithin(first: number, last: number): Iterable<readonly [key: Key, holder: Holder]> {
    for (let value = first; value <= last; value++) {
      const key = this.#numbering.keyOf(value);
      const holder = this.holderOf(key);
      if (holder !== undefined) yield [key, holder];
    }
  }

  /** How many values from `first` to `last` are retired. */
  retiredWithin(first: number, last: number): number {
    let count = 0;
    for (const key of this.retired?.keys() ?? []) {
      const value = this.#numbering.valueOf(key);
      if (value >= first && value <= last) count++;
    }
    return count;
  }

  protected isFree(key: Key): boolean {
    return this.holderOf(key) === undefined && this.retired?.at(key) === undefined;
  }

  protected override freed(key: Key): void {
    const value = this.#numbering.valueOf(key);
    for (const [first, cursor] of this.#cursors) if (value >= first && value < cursor) this.#cursors.set(first, value);
  }
}
