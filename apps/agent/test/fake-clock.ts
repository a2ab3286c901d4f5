import type { Clock } from '../src/clock.js';

/** Time in the hands of a test. */
export interface FakeClock extends Clock {
  /** Lets so many milliseconds pass, calling what is due in order; what that sets off by promises is done when it resolves. */
  pass(milliseconds: number): Promise<void>;
  /** When the timers that are set will go off. */
  readonly timers: readonly number[];
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function fakeClock(random: () => number = () => 0.5): FakeClock {
  let now = 1_000_000;
  let timers: { readonly at: number; readonly then: () => void }[] = [];
  return {
    now: () => now,
    today: () => now,
    random,
    after: (milliseconds, then) => {
      const timer = { at: now + milliseconds, then };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    pass: async (milliseconds) => {
      const end = now + milliseconds;
      for (;;) {
        await settle();
        const due = timers.reduce<(typeof timers)[number] | undefined>((first, one) => (first === undefined || one.at < first.at ? one : first), undefined);
        if (due === undefined || due.at > end) break;
        timers = timers.filter((one) => one !== due);
        now = Math.max(now, due.at);
        due.then();
      }
      now = end;
    },
    get timers() {
      return timers.map(({ at }) => at);
    },
  };
}
