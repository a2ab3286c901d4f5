import type { Clock } from './clock.js';

/** What a run is told about the pokes that it answers. */
export interface Run {
  /** Reasons of the pokes, each once; 'resync' or 'retry' alone when nobody poked. */
  readonly reasons: ReadonlySet<string>;
}

export interface SingleFlight {
  /** Asks for a run. The answer is that of the first run that begins after this call. */
  poke(reason: string): Promise<boolean>;
  /** Takes no more pokes and waits for the run that is under way. Pokes that wait are answered with false. */
  stop(): Promise<void>;
}

/**
 * One run at a time: pokes during a run are one more run after it. A run that answers false, or fails, is tried again
 * with back-off; one that answers true is repeated after the resync time. Level-triggered: what a poke was about
 * does not matter, each run looks at everything. Times in milliseconds; `resync` is asked for after each run, and spread by a tenth.
 */
export function singleFlight(
  run: (asked: Run) => Promise<boolean>,
  resync: () => number,
  clock: Clock,
  delayAfter: (failures: number) => number,
): SingleFlight {
  let waiting: { readonly reason: string; readonly answer: (succeeded: boolean) => void }[] = [];
  let current: Promise<void> | undefined;
  let cancelTimer: () => void = () => undefined;
  let failures = 0;
  let stopped = false;

  async function flight(reasons: ReadonlySet<string>): Promise<void> {
    const answered = waiting;
    waiting = [];
    let succeeded = false;
    try {
      succeeded = await run({ reasons });
    } finally {
      failures = succeeded ? 0 : failures + 1;
      for (const { answer } of answered) answer(succeeded);
      current = undefined;
      schedule();
    }
  }

  function start(reasons: ReadonlySet<string>): void {
    cancelTimer();
    // A run that throws has failed; whoever runs has logged why.
    current = flight(reasons).catch(() => undefined);
  }

  function schedule(): void {
    if (stopped || current !== undefined) return;
    if (waiting.length > 0) {
      start(new Set(waiting.map(({ reason }) => reason)));
      return;
    }
    const wait = failures > 0 ? delayAfter(failures) : resync() * (0.9 + 0.2 * clock.random());
    cancelTimer = clock.after(wait, () => start(new Set([failures > 0 ? 'retry' : 'resync'])));
  }

  return {
    poke: (reason) => {
      if (stopped) return Promise.resolve(false);
      return new Promise((answer) => {
        waiting.push({ reason, answer });
        schedule();
      });
    },
    stop: async () => {
      stopped = true;
      cancelTimer();
      for (const { answer } of waiting) answer(false);
      waiting = [];
      await current;
    },
  };
}
