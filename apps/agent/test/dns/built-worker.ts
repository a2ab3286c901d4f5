import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { WorkerSettings } from '../../src/dns/messages.js';
import { built } from '../built.js';

/** The thread's program as one file in `folder`. */
export async function builtWorker(folder: string): Promise<(settings: WorkerSettings) => Worker> {
  const outfile = await built(new URL('../../src/dns/dns-worker.ts', import.meta.url), join(folder, 'dns-worker.mjs'));
  return (settings) => new Worker(outfile, { workerData: settings });
}
