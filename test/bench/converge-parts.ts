import { median } from './bench.js';

/** What happens on the way of a change, in the order in which it happens to the first node; of most there is a first and a last one. */
const did = { hint: 'is woken', accepted: 'has noted the state', reported: 'reports', answered: 'has its report taken' } as const;
export type Moment = keyof typeof did;
const moments = Object.keys(did) as readonly Moment[];

/** Milliseconds since the change was asked for, medians over all changes. */
export type Parts = Readonly<Record<string, number>>;

export interface PartsOfChanges {
  /** Something happened to one of the nodes, now. */
  note(moment: Moment): void;
  /** A change is asked for. */
  begin(): void;
  /** It was answered. `committedAt` and `savedAt`: when the transactions began, by the database. All in milliseconds since 1970. */
  end(times: { readonly committedAt: number; readonly savedAt: readonly number[]; readonly answeredAt: number }): void;
  medians(): Parts;
}

/** Follows changes through the control plane and the agents, all by the clock of this machine. */
export function partsOfChanges(): PartsOfChanges {
  const all = new Map<string, number[]>();
  let begunAt = 0;
  let seen = new Map<Moment, number[]>();

  function add(name: string, at: number): void {
    all.set(name, [...(all.get(name) ?? []), at - begunAt]);
  }

  return {
    note: (moment) => {
      seen.set(moment, [...(seen.get(moment) ?? []), Date.now()]);
    },
    begin: () => {
      begunAt = Date.now();
      seen = new Map();
    },
    end: ({ committedAt, savedAt, answeredAt }) => {
      add('it is committed', committedAt);
      add('the first states are saved', Math.min(...savedAt));
      add('the last states are saved', Math.max(...savedAt));
      for (const moment of moments) {
        const times = seen.get(moment) ?? [];
        if (times.length === 0) continue;
        add(`the first agent ${did[moment]}`, Math.min(...times));
        add(`the last agent ${did[moment]}`, Math.max(...times));
      }
      add('the waiter is answered', answeredAt);
    },
    medians: () => Object.fromEntries([...all].map(([name, times]) => [name, Math.round(median(times))])),
  };
}
