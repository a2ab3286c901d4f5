import type { Snapshot } from '@portolan/model';
import type { Context } from '../application/context.js';
import { type ClusterStatus, statusOf } from '../application/status.js';

interface Reads {
  current: Promise<ClusterStatus>;
  next: Promise<ClusterStatus> | undefined;
  /** The last one that was read, and its text. */
  last: { readonly status: ClusterStatus; readonly text: string; readonly timeless: TimelessStatus } | undefined;
}

/** One object for all that were read one after another and differ in nothing but when the nodes last reported. */
interface TimelessStatus {
  readonly text: string;
}

/**
 * The status of the nodes at a snapshot, for many who ask at the same time. Everybody gets what was read after they asked, so what was
 * reported before is in it; who comes while a read is under way shares the one after it. As long as nothing differs it is the same object.
 */
export class StatusReads {
  readonly #reads = new WeakMap<Snapshot, Reads>();
  readonly #timeless = new WeakMap<ClusterStatus, TimelessStatus>();

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

  /** Whether two that were given out differ in nothing, or only in when the nodes last reported. */
  areAlike(one: ClusterStatus, other: ClusterStatus): boolean {
    const timeless = this.#timeless.get(one);
    return one === other || (timeless !== undefined && timeless === this.#timeless.get(other));
  }

  async #kept(reads: Reads, reading: Promise<ClusterStatus>): Promise<ClusterStatus> {
    const status = await reading;
    const text = JSON.stringify(status);
    const { last } = reads;
    if (last?.text === text) return last.status;
    const timelessText = text.replaceAll(/"lastReportAt":"[^"]*"/g, '');
    const timeless = last?.timeless.text === timelessText ? last.timeless : { text: timelessText };
    reads.last = { status, text, timeless };
    this.#timeless.set(status, timeless);
    return status;
  }
}
