import { parentPort, workerData } from 'node:worker_threads';
import { leftTheSimulation, watchTheRealWorld } from './real-world.js';
import { simulate } from './simulate.js';

/** Of one seed, for the thread that counts. */
export interface SeedResult extends Awaited<ReturnType<typeof simulate>> {
  /** Milliseconds that this thread computed. */
  readonly busy: number;
}

interface Share {
  readonly seeds: readonly number[];
  readonly steps: number | undefined;
}

const { seeds, steps }: Share = workerData;
const realNow = performance.now.bind(performance);
watchTheRealWorld();
// Signals that abort make an error each, of which nobody reads the trace; a replay has them.
Error.stackTraceLimit = 0;

for (const seed of seeds) {
  const begun = realNow();
  leftTheSimulation();
  const result = await simulate({ seed, steps });
  const left = leftTheSimulation();
  const failure =
    left.length === 0
      ? result.failure
      : { invariant: 'nothing waits for the real world', message: `seed ${seed} used ${[...new Set(left)].join(', ')}`, trace: result.failure?.trace ?? [] };
  parentPort?.postMessage({ ...result, failure, busy: realNow() - begun } satisfies SeedResult);
}
