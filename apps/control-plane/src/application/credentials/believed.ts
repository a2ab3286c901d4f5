import type { Clock } from '../context.js';
import type { Principal } from './principal.js';

/** How long a credential that was good is believed without asking again, in milliseconds: what another process revokes is cut off after that. */
const BELIEVED_MS = 2000;
const MOST_BELIEVED = 10_000;

/** Credentials that were good a moment ago. Only those: who is let in again is let in at once. */
export class Believed {
  readonly #known = new Map<string, { readonly principal: Principal; readonly until: number }>();
  #round = 0;

  constructor(private readonly clock: Pick<Clock, 'monotonic'>) {}

  /** The principal of `key`, as it was known less than 2 s ago, or else as `ask` answers; undefined: it is not good. */
  async principal(key: string, ask: () => Promise<Principal | undefined>): Promise<Principal | undefined> {
    // Counted from before the question: an answer that took its time is no newer than that.
    const now = this.clock.monotonic();
    const round = this.#round;
    const known = this.#known.get(key);
    if (known !== undefined && now < known.until) return known.principal;
    const principal = await ask();
    this.#known.delete(key);
    // Somebody was cut off while it was asked, maybe this one.
    if (principal === undefined || round !== this.#round) return principal;
    const [oldest] = this.#known.keys();
    if (this.#known.size >= MOST_BELIEVED && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(key, { principal, until: now + BELIEVED_MS });
    return principal;
  }

  /** Somebody has been cut off. */
  forget(): void {
    this.#round += 1;
    this.#known.clear();
  }
}
