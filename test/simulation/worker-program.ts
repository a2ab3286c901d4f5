import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The program of a worker thread as one file, made of the sources as they are: a loader that translates each file costs every thread seconds, and
 * what it adds to functions and traces slows all of it down.
 */
export async function workerProgram(): Promise<string> {
  const folder = join(root, '.portolan', 'simulation');
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, `worker-${process.pid}.mjs`);
  await build({
    entryPoints: [fileURLToPath(new URL('./worker.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['source'],
    plugins: [
      {
        name: 'packages of others stay outside',
        setup: ({ onResolve }) => {
          onResolve({ filter: /^[^./]/ }, ({ path }) => (path.startsWith('@portolan/') ? undefined : { path, external: true }));
        },
      },
    ],
    logLevel: 'warning',
  });
  return outfile;
}
