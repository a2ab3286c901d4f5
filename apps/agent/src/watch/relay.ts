import type { Clock } from '../clock.js';
import type { RelayCounters } from '../relay/counters.js';

export interface RelayWatchOptions {
  readonly clock: Clock;
  /** Counters of the relay of flannel's udp backend; undefined where none runs. */
  readonly read: () => Promise<RelayCounters | undefined>;
  /** Milliseconds between two looks. */
  readonly every: number;
  readonly onChange: () => void;
}

export interface RelayWatch {
  /** Whether the state has a relay; where it has none, none is asked. */
  follow(isWanted: boolean): void;
  counters(): RelayCounters | undefined;
  stop(): void;
}

/** Reads the counters of the relay again and again. */
export function watchRelay({ clock, read, every, onChange }: RelayWatchOptions): RelayWatch {
  let counters: RelayCounters | undefined;
  let isFollowed = false;
  let cancel: () => void = () => undefined;

  async function look(): Promise<void> {
    const seen = await read().catch(() => undefined);
    if (!isFollowed) return;
    const hasChanged = JSON.stringify(seen) !== JSON.stringify(counters);
    counters = seen;
    if (hasChanged) onChange();
    cancel = clock.after(every, () => void look());
  }

  return {
    follow: (isWanted) => {
      if (isWanted === isFollowed) return;
      cancel();
      isFollowed = isWanted;
      if (isWanted) void look();
      else counters = undefined;
    },
    counters: () => counters,
    stop: () => {
      isFollowed = false;
      cancel();
    },
  };
}
