import { PortolanError } from '@portolan/model';
import type { Clock, Log } from '../application/context.js';

export interface Task {
  /** There may be something to do: run now, or once more when it runs already. */
  poke(): void;
  /** Resolves when a run that is under way has ended. */
  stop(): Promise<void>;
}

export interface TaskOptions {
  readonly name: string;
  readonly everyMs: number;
  /** Least time between the end of a run and the next: what is poked meanwhile is done together. 0 unless given. */
  readonly restMs?: number;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Reads what is true now and does what is missing. It has no input, so a poke may be lost, doubled or late. What it answers: the
   * milliseconds until there will be something to do, where it knows.
   */
  readonly run: (signal: AbortSignal) => Promise<void> | Promise<number | undefined>;
}

/** Runs until it is stopped: at once, after each poke, every `everyMs`, and when it said that there will be something to do; one run at a time. A failure is logged when it is new. */
export function startTask({ name, everyMs, restMs = 0, clock, log, run }: TaskOptions): Task {
  const stopped = new AbortController();
  let poked = new AbortController();
  let failure: string | undefined;

  async function loop(): Promise<void> {
    while (!stopped.signal.aborted) {
      poked = new AbortController();
      let next = everyMs;
      try {
        next = Math.min(next, (await run(stopped.signal)) ?? everyMs);
        if (failure !== undefined) log.info({ task: name }, 'task works again');
        failure = undefined;
      } catch (error) {
        if (!stopped.signal.aborted) noteFailure(error);
        // Whoever pokes during an outage must not make it worse.
        await clock.sleep(Math.min(everyMs, 1000), stopped.signal);
        continue;
      }
      if (restMs > 0) await clock.sleep(restMs, stopped.signal);
      await clock.sleep(next, AbortSignal.any([poked.signal, stopped.signal]));
    }
  }

  function noteFailure(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (message === failure) return;
    failure = message;
    if (error instanceof PortolanError && error.code !== 'internal') log.warn({ task: name, code: error.code }, message);
    else log.error({ task: name, err: error }, message);
  }

  const running = loop();
  return {
    poke: () => poked.abort(),
    stop: async () => {
      stopped.abort();
      await running;
    },
  };
}
