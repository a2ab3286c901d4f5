import type { Refusal } from '@portolan/store';
import type { Clock } from '../context.js';
import type { RefusalReason } from './principal.js';

/** So many wait for the database at most; of more the oldest are lost, but counted. */
const MOST_WAITING = 2000;
/** Written with one statement. */
const BATCH = 500;
const LONGEST_PATH = 200;

export interface RefusedRequest {
  readonly from: string;
  readonly actor: string | null;
  readonly method: string;
  /** With or without its query, which is not kept: it may hold anything. */
  readonly url: string;
}

/** Requests that were refused, on their way to the database. Nobody waits for it. */
export class Refusals {
  #waiting: Refusal[] = [];

  constructor(
    private readonly clock: Pick<Clock, 'now'>,
    private readonly count: (reason: RefusalReason) => void,
  ) {}

  note({ from, actor, method, url }: RefusedRequest, reason: RefusalReason): void {
    this.count(reason);
    // The caller chose these bytes: what people read later has none that do something to a terminal, and none that a database refuses.
    const path = (url.split('?')[0] ?? '').replaceAll(/[^\x21-\x7e]/g, '?').slice(0, LONGEST_PATH);
    this.#waiting.push({ at: this.clock.now().toISOString(), from, actor, method, path, reason });
    if (this.#waiting.length > MOST_WAITING) this.#waiting = this.#waiting.slice(-MOST_WAITING);
  }

  /** Hands over what waits; what cannot be written goes on waiting. */
  async flush(write: (refusals: readonly Refusal[]) => Promise<void>): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, BATCH);
      await write(batch);
      const written = new Set(batch);
      this.#waiting = this.#waiting.filter((refusal) => !written.has(refusal));
    }
  }
}
