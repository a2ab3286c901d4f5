import { setTimeout as sleep } from 'node:timers/promises';
import { DENIED_PAUSE, isDenial } from '../outage.js';

/** Something that goes on until it is stopped. */
export interface Lasting {
  /** Resolves after the first attempt, whether that went well or not. */
  readonly begun: Promise<void>;
  stop(): Promise<void>;
}

export interface Turn {
  readonly signal: AbortSignal;
  /** To be called once the first attempt is known to have gone well, when the turn goes on after that. */
  begun(): void;
}

/**
 * Runs `turn` over and over, each time `pause` ms after the one before ended; after a failure sooner, from 100 ms up to 1 s, or to 10 s where the
 * server does not let us in.
 * `failed` hears of each failure.
 */
export function repeat(turn: (turn: Turn) => Promise<void>, pause: number, failed: (cause: unknown) => void): Lasting {
  const controller = new AbortController();
  const { signal } = controller;
  let begun: () => void = () => undefined;
  const first = new Promise<void>((resolve) => {
    begun = resolve;
  });

  async function run(): Promise<void> {
    let failures = 0;
    let longest = 1_000;
    while (!signal.aborted) {
      try {
        await turn({
          signal,
          begun: () => {
            failures = 0;
            begun();
          },
        });
        failures = 0;
      } catch (cause) {
        failures += 1;
        longest = isDenial(cause) ? DENIED_PAUSE : 1_000;
        if (!signal.aborted) failed(cause);
      }
      begun();
      // The rejection of an aborted sleep means no more than that.
      await sleep(failures === 0 ? pause : Math.min(longest, 50 * 2 ** failures), undefined, { signal }).catch(() => undefined);
    }
  }

  const ended = run();
  return {
    begun: first,
    async stop() {
      controller.abort();
      await ended;
    },
  };
}
