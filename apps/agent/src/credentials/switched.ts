import type { Coordination, HintSource } from '@portolan/store';

/** A port whose other end can be replaced while it is used. */
export type Switched<Port> = Port & { replaceBy(next: Port): void };

/** The end that was replaced is closed in its own time: its credentials may be worth nothing any more. */
function closeLater(closing: Set<Promise<unknown>>, end: Promise<unknown>): void {
  const closed: Promise<unknown> = end.catch(() => undefined).finally(() => closing.delete(closed));
  closing.add(closed);
}

export function switchedHints(first: HintSource): Switched<HintSource> {
  let current = first;
  let take: Parameters<HintSource['start']>[0] | undefined;
  const closing = new Set<Promise<unknown>>();
  return {
    start: (taking) => {
      take = taking;
      current.start(taking);
    },
    replaceBy: (next) => {
      closeLater(closing, current.close());
      current = next;
      // Two may take hints at the same time for a moment. It is the same hint to the agent whoever brings it.
      if (take !== undefined) next.start(take);
    },
    close: async () => {
      take = undefined;
      await Promise.all([current.close(), ...closing]);
    },
  };
}

/** The agent's part of coordination. */
export type Ties = Pick<Coordination, 'watchRevision' | 'keepAlive' | 'close'>;

interface Tie {
  begin(ends: Ties): Promise<() => Promise<void>>;
  /** At the end that is current. */
  stop: Promise<() => Promise<void>>;
}

export function switchedTies(first: Ties): Switched<Ties> {
  let current = first;
  const ties = new Set<Tie>();
  const closing = new Set<Promise<unknown>>();

  async function hold(begin: Tie['begin']): Promise<() => Promise<void>> {
    const tie: Tie = { begin, stop: begin(current) };
    ties.add(tie);
    await tie.stop;
    return async () => {
      ties.delete(tie);
      await (await tie.stop)();
    };
  }

  /** The next end holds the key of a tie before the one before gives it up, so it is never gone. */
  async function handOver(before: Ties, next: Ties): Promise<void> {
    for (const tie of ties) {
      const stopBefore = tie.stop;
      tie.stop = tie.begin(next);
      await tie.stop.catch(() => undefined);
      await stopBefore.then((stop) => stop()).catch(() => undefined);
    }
    await before.close();
  }

  return {
    watchRevision: (cluster, onRevision) => hold((ends) => ends.watchRevision(cluster, onRevision)),
    keepAlive: (cluster, node, liveness) => hold((ends) => ends.keepAlive(cluster, node, liveness)),
    replaceBy: (next) => {
      closeLater(closing, handOver(current, next));
      current = next;
    },
    close: async () => {
      await Promise.all(closing);
      await current.close();
    },
  };
}
