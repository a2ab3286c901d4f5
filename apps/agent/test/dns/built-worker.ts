import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import type { WorkerSettings } from '../../src/dns/messages.js';

/** The thread's program as one file in `folder`, so that a test that starts one does not compile. */
export async function builtWorker(folder: string): Promise<(settings: WorkerSettings) => Worker> {
  const outfile = join(folder, 'dns-worker.mjs');
  // The native library is found beside its scripts only, and those of the kernel room are meant.
  const koffi = createRequire(new URL('../../../../packages/kernel/package.json', import.meta.url)).resolve('koffi');
  await build({
    entryPoints: [fileURLToPath(new URL('../../src/dns/dns-worker.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['source'],
    alias: { koffi },
    external: [koffi],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  return (settings) => new Worker(outfile, { workerData: settings });
}
