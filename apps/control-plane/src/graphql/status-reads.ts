import type { Snapshot } from '@portolan/model';
import type { Context } from '../application/context.js';
import { type ClusterStatus, statusOf } from '../application/status.js';

interface Reads {
  current: Promise<ClusterStatus>;
  next: Promise<ClusterStatus> | undefined;
  /** The last one that was read, and its text. */
  last: { readonly status: ClusterStatus; readonly text: string } | undefined;
}

/**
 * The status of the nodes at a snapshot, for many who ask at the same time. Everybody gets what was read after they asked, so what was
 * reported before is in it; who comes while a read is under way shares the one after it. As long as nothing differs it is the same object.
 */
export class StatusReads {
  readonly #reads = new WeakMap<Snapshot, Reads>();

  constructor(private readonly ctx: Context) {}

  of(snapshot: Snapshot): Promise<ClusterStatus> {
    const known = this.#reads.get(snapshot);
    if (known === undefined) {
      const made: Reads = { current: statusOf(this.ctx, snapshot), next: undefined, last: undefined };
      made.current = this.#kept(made, made.current);
      this.#reads.set(snapshot, made);
      return made.current;
    }
    if (known.next !== undefined) return known.next;
    const begin = (): Promise<ClusterStatus> => {
      known.current = next;
      known.next = undefined;
      return statusOf(this.ctx, snapshot);
    };
    const next: Promise<ClusterStatus> = this.#kept(known, known.current.then(begin, begin));
    known.next = next;
    return next;
  }

  async #kept(reads: Reads, reading: Promise<ClusterStatus>): Promise<ClusterStatus> {
    const status = await reading;
    const text = JSON.stringify(status);
    if (reads.last?.text !== text) reads.last = { status, text };
    return reads.last.status;
  }
}
