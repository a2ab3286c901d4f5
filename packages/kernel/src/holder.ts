import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { portolanError } from '@portolan/model';
import { isAlive, isKnownProcess, startTimeOf } from './processes.js';

/**
 * Makes this process the only one that works with a run directory; two would undo each other's namespaces. One that
 * was killed holds nothing. Fails with `in-use`. The answer gives the directory back.
 */
export async function holdRunDirectory(runDirectory: string): Promise<() => Promise<void>> {
  const path = join(runDirectory, 'holder.json');
  await mkdir(runDirectory, { recursive: true, mode: 0o755 });
  const holder: unknown = await readFile(path, 'utf8')
    .then((text) => JSON.parse(text) as unknown)
    .catch(() => undefined);
  if (isKnownProcess(holder) && holder.pid !== process.pid && (await isAlive(holder))) {
    throw portolanError('in-use', '', `process ${holder.pid} works with ${runDirectory} already`, {
      fix: 'Stop that agent first, or set another PORTOLAN_RUN_DIR.',
    });
  }
  await writeFile(`${path}.${process.pid}`, JSON.stringify({ pid: process.pid, startTime: await startTimeOf(process.pid) }));
  await rename(`${path}.${process.pid}`, path);
  return () => rm(path, { force: true });
}
