import type { Context } from '../application/context.js';

/** What moved in another process of the control plane is found after at most this many milliseconds. */
const REREAD_MS = 2000;

/**
 * Values of `read`, first the present one and then each that differs from the one before. Whoever listens slowly misses
 * what was in between, never the last. `essence`: the part of a value in which a difference counts.
 */
export function follow<T>(ctx: Context, cluster: string, read: () => Promise<T>, essence: (value: T) => unknown = (value) => value): AsyncIterableIterator<T> {
  const ended = new AbortController();
  const signal = AbortSignal.any([ended.signal, ctx.stopping]);

  async function* values(): AsyncGenerator<T, void> {
    let last: string | undefined;
    while (!signal.aborted) {
      const count = ctx.changes.count(cluster);
      const value = await read();
      const text = JSON.stringify(essence(value));
      if (text !== last) yield value;
      last = text;
      await ctx.changes.beyond(cluster, count, REREAD_MS, signal);
    }
  }

  const generator = values();
  return {
    next: () => generator.next(),
    // A generator that waits would end only after its wait.
    return: () => {
      ended.abort();
      return generator.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
