import { Worker } from 'node:worker_threads';
import type { WorkerSettings } from './messages.js';

/** Starts the thread of the name server. In the sources, as tests run them, it is TypeScript, which a worker does not read by itself. */
export function startDnsWorker(settings: WorkerSettings): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./dns-worker.js', import.meta.url), { workerData: settings });
  const source = new URL('./dns-worker.ts', import.meta.url).href;
  const code = `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(source)}); })`;
  return new Worker(code, { eval: true, workerData: settings, execArgv: ['--conditions=source'] });
}
