import { seededReals } from '@portolan/testkit';

/** The only source of randomness of a simulation: the same seed gives the same numbers. */
export class Chance {
  /** From 0 to 1, without 1. */
  readonly real: () => number;

  constructor(seed: number) {
    this.real = seededReals(seed);
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
