/** The only source of randomness of a simulation: the same seed gives the same numbers (mulberry32, 32 bit of state). */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to 1, without 1. */
  real(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.real() * (high - low + 1));
  }

  between(low: number, high: number): number {
    return low + this.real() * (high - low);
  }

  happens(probability: number): boolean {
    return this.real() < probability;
  }

  /** Undefined where there is none. */
  anyOf<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.real() * items.length)];
  }

  /** One of at least one. */
  oneOf<T>(first: T, ...others: readonly T[]): T {
    return this.anyOf([first, ...others]) ?? first;
  }

  /** A generator of its own, so that what one part draws does not move what another draws. */
  fork(): Chance {
    return new Chance(Math.floor(this.real() * 0x1_0000_0000));
  }
}
