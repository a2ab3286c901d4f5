import type { Clock } from './context.js';

/** What moved. Nobody may conclude more from it than that it is time to read again. */
export type Movement = 'committed' | 'computed' | 'reported' | 'liveness' | 'clusters' | 'registry' | 'credentials' | 'rollout';

type Listener = (movement: Movement, cluster: string) => void;

/** Wakes whoever waits in this process. What moved in another process is found by reading again after a while. */
export class Changes {
  readonly #listeners = new Set<Listener>();
  readonly #counts = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  notify(movement: Movement, cluster: string): void {
    this.#counts.set(cluster, this.count(cluster) + 1);
    for (const listener of [...this.#listeners]) listener(movement, cluster);
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Movements of the cluster so far: read it before looking, and nothing is missed between looking and waiting. */
  count(cluster: string): number {
    return this.#counts.get(cluster) ?? 0;
  }

  /** Resolves as soon as the cluster has moved beyond `count`, after `milliseconds`, or when the signal aborts. */
  async beyond(cluster: string, count: number, milliseconds: number, signal: AbortSignal): Promise<void> {
    if (this.count(cluster) !== count || signal.aborted) return;
    const moved = new AbortController();
    const unsubscribe = this.subscribe((_movement, name) => {
      if (name === cluster) moved.abort();
    });
    try {
      await this.clock.sleep(milliseconds, AbortSignal.any([moved.signal, signal]));
    } finally {
      unsubscribe();
    }
  }
}
