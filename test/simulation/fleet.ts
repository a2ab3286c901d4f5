import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { SeedResult } from './worker.js';
import { workerProgram } from './worker-program.js';

export interface Campaign {
  readonly first: number;
  readonly seeds: number;
  readonly steps?: number | undefined;
  /** As each ends. */
  readonly onResult?: (result: SeedResult) => void;
}

export interface CampaignSummary {
  readonly seeds: number;
  /** Changes and faults. */
  readonly steps: number;
  readonly events: number;
  readonly simulatedHours: number;
  /** Of real time. */
  readonly seconds: number;
  readonly eventsPerSecond: number;
  readonly failures: readonly SeedResult[];
}

/** Simulates many seeds, on every processor; each thread has every n-th. */
export async function campaign({ first, seeds, steps, onResult }: Campaign): Promise<CampaignSummary> {
  const program = await workerProgram();
  const begun = performance.now();
  const threads = Math.min(availableParallelism(), seeds);
  const sum = { steps: 0, events: 0, milliseconds: 0, done: 0 };
  const failures: SeedResult[] = [];
  const all = Array.from({ length: seeds }, (_, i) => first + i);
  await Promise.all(
    Array.from({ length: threads }, (_, thread) => {
      const workerData = { seeds: all.filter((_seed, i) => i % threads === thread), steps };
      const worker = new Worker(program, { workerData });
      return new Promise<void>((resolve, reject) => {
        worker.on('message', (result: SeedResult) => {
          sum.done += 1;
          sum.steps += result.steps;
          sum.events += result.events;
          sum.milliseconds += result.milliseconds;
          if (result.failure !== undefined) failures.push(result);
          onResult?.(result);
        });
        worker.on('error', reject);
        worker.on('exit', () => resolve());
      });
    }),
  );
  rmSync(program, { force: true });
  const seconds = (performance.now() - begun) / 1000;
  return {
    seeds: sum.done,
    steps: sum.steps,
    events: sum.events,
    simulatedHours: sum.milliseconds / 3_600_000,
    seconds,
    eventsPerSecond: Math.round(sum.events / seconds),
    failures: failures.toSorted((a, b) => a.seed - b.seed),
  };
}

/** A failing seed, for people. */
export function failureText({ seed, steps, faults, failure }: SeedResult): string {
  if (failure === undefined) return `seed ${seed} holds`;
  const lines = [
    `seed ${seed} breaks "${failure.invariant}"`,
    failure.message,
    `${steps} steps; faults: ${faults.join(', ')}`,
    ...failure.trace.map((line) => `  ${line}`),
  ];
  return [...lines, `replay it: npm run simulate -- --seed ${seed} --steps ${steps}`].join('\n');
}
