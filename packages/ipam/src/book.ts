import type { Id, NounKind } from '@portolan/model';

/** Who has a value. */
export interface Holder {
  readonly kind: NounKind;
  readonly id: Id;
  readonly name: string;
}

/** Remembers what the books were before, so that a refused edit leaves them as it found them. */
export class Journal {
  #undo: (() => void)[] | null = null;

  begin(): void {
    this.#undo = [];
  }

  note(undo: () => void): void {
    this.#undo?.push(undo);
  }

  keep(): void {
    this.#undo = null;
  }

  rollBack(): void {
    const undo = this.#undo ?? [];
    this.#undo = null;
    for (let i = undo.length - 1; i >= 0; i--) undo[i]?.();
  }
}

/** Which value is held by whom; each value by one holder. */
export class Book<Key extends string | number> {
  readonly #held = new Map<Key, Holder>();
  readonly #journal: Journal;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  holderOf(key: Key): Holder | undefined {
    return this.#held.get(key);
  }

  holders(): Iterable<Holder> {
    return this.#held.values();
  }

  get size(): number {
    return this.#held.size;
  }

  /** Enters the holder; answers with the other one when the value is taken. */
  claim(key: Key, holder: Holder): Holder | undefined {
    const held = this.#held.get(key);
    if (held !== undefined) return held.id === holder.id && held.kind === holder.kind ? undefined : held;
    this.#held.set(key, holder);
    this.#journal.note(() => this.#remove(key));
    return undefined;
  }

  /** Frees the value unless another holder has it. */
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
  #first = 0;
  /** No value from #first up to here is free, so filling a range costs one look at each value. */
  #cursor = 0;

  constructor(journal: Journal, numbering: Numbering<Key>) {
    super(journal);
    this.#numbering = numbering;
  }

  /** The lowest free value from `first` to `last`, both included. */
  firstFree(first: number, last: number): Key | undefined {
    if (first !== this.#first) {
      this.#first = first;
      this.#cursor = first;
    }
    for (let value = Math.max(first, this.#cursor); value <= last; value++) {
      const key = this.#numbering.keyOf(value);
      if (this.holderOf(key) === undefined) {
        this.#cursor = value;
        return key;
      }
    }
    this.#cursor = last + 1;
    return undefined;
  }

  /** Those who hold a value from `first` to `last`. */
  *holdersWithin(first: number, last: number): Iterable<Holder> {
    for (let value = first; value <= last; value++) {
      const holder = this.holderOf(this.#numbering.keyOf(value));
      if (holder !== undefined) yield holder;
    }
  }

  protected override freed(key: Key): void {
    const value = this.#numbering.valueOf(key);
    if (value < this.#cursor) this.#cursor = value;
  }
}
