import type { Id } from '@portolan/model';
import type { Signals } from '@portolan/protocol';
import type { Clock } from '../clock.js';

export interface ConnectionsOptions {
  readonly clock: Clock;
  /** Established connections that an endpoint has accepted; 0 when its namespace is gone, undefined when they cannot be counted. */
  readonly count: (id: Id) => number | undefined;
  /** Between two looks, in milliseconds. */
  readonly every: number;
  /** `matters`: the last connection went, or a first one is there. */
  readonly onChange: (matters: boolean) => void;
}

export interface Connections {
  follow(draining: readonly Id[]): void;
  connections(): Signals['connections'];
  stop(): void;
}

/** Counting takes at most this part of the time, however many endpoints leave at once. */
const SHARE = 1 / 10;

/** Counts the connections of endpoints that leave. */
export function watchConnections({ clock, count, every, onChange }: ConnectionsOptions): Connections {
  let counts: ReadonlyMap<Id, number> = new Map();
  let followed: readonly Id[] = [];
  let cancel: () => void = () => undefined;

  function look(): void {
    cancel();
    if (followed.length === 0) return;
    const begun = clock.now();
    const before = counts;
    const seen = new Map<Id, number>();
    for (const id of followed) {
      const counted = count(id) ?? before.get(id);
      if (counted !== undefined) seen.set(id, counted);
    }
    counts = seen;
    const changed = [...seen].filter(([id, now]) => before.get(id) !== now);
    if (changed.length > 0) onChange(changed.some(([id, now]) => (before.get(id) ?? -1) <= 0 || now === 0));
    cancel = clock.after(Math.max(every, (clock.now() - begun) / SHARE), look);
  }

  return {
    follow: (draining) => {
      followed = draining;
      const wanted = new Set(draining);
      if ([...counts.keys()].some((id) => !wanted.has(id))) {
        counts = new Map([...counts].filter(([id]) => wanted.has(id)));
        onChange(false);
      }
      look();
    },
    connections: () => Object.fromEntries(counts),
    stop: () => {
      followed = [];
      cancel();
    },
  };
}
