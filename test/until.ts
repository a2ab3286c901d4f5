import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds until it holds, by asking every `pause` milliseconds. Fails, naming `what`, when that takes longer than `seconds`. */
export async function until(what: string, seconds: number, holds: () => Promise<boolean>, pause = 200): Promise<number> {
  const start = performance.now();
  while (!(await holds())) {
    if (performance.now() - start > seconds * 1000) throw new Error(`${what}: not within ${seconds} s`);
    await sleep(pause);
  }
  return performance.now() - start;
}
