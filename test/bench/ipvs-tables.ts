import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startIn } from '@portolan/harness';
import type { Lab } from '@portolan/lab';

const root = fileURLToPath(new URL('../..', import.meta.url));
const EVERY_MS = 5;
const LONGEST_MS = 60_000;

export interface WatchedTables {
  /** Milliseconds from the beginning of `happens` until the table of every node has, or no longer has, a real server of that address with a weight above 0. */
  until(address: string, state: 'gone' | 'there', happens: () => Promise<unknown>): Promise<number>;
  stop(): Promise<void>;
}

/** Reads the table in its own namespace again and again and tells each change, with the time of day. It starts no process, which would cost a guest more than what is measured. */
const program = `const fs = require('node:fs'); let last = '';
const look = () => { const text = fs.readFileSync('/proc/net/ip_vs', 'latin1').split('\\n').filter((l) => l.trim().startsWith('->') && !l.includes('Remote'))
  .map((l) => l.trim().split(/\\s+/)).filter((f) => f[3] !== '0').map((f) => f[1].slice(0, 8)).sort().join(' ');
  if (text !== last) { last = text; process.stdout.write(Date.now() + ' ' + text + '\\n'); } };
setInterval(look, ${EVERY_MS}); look();`;

/** Watches IPVS in a namespace of every node. */
export async function watchedTables(lab: Lab, space: string): Promise<WatchedTables> {
  const folder = join(root, '.portolan', `tables-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'watch.cjs');
  writeFileSync(file, program);
  const watchers = await Promise.all(
    [...lab.hosts.keys()].map(async (node) => {
      const logFile = join(folder, `${node}.log`);
      writeFileSync(logFile, '');
      const started = await startIn(lab.machineOf(node), `/run/portolan-lab/${node}/netns/${space}`, [process.execPath, file], { logFile });
      return { node, logFile, started };
    }),
  );
  const lines = (logFile: string): readonly string[] =>
    readFileSync(logFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  for (const { logFile } of watchers) while (lines(logFile).length === 0) await sleep(20);

  /** When the table came to that state, undefined while it is not in it. */
  function cameAt(logFile: string, hex: string, state: 'gone' | 'there'): number | undefined {
    const seen = lines(logFile).map((line) => ({ at: Number(line.slice(0, line.indexOf(' '))), isThere: line.split(' ').slice(1).includes(hex) }));
    if (seen.at(-1)?.isThere !== (state === 'there')) return undefined;
    const before = seen.findLastIndex(({ isThere }) => isThere !== (state === 'there'));
    return seen[before + 1]?.at;
  }

  return {
    async until(address, state, happens) {
      const hex = address
        .split('.')
        .map((byte) => Number(byte).toString(16).padStart(2, '0').toUpperCase())
        .join('');
      const start = Date.now();
      await happens();
      for (;;) {
        const times = watchers.map(({ logFile }) => cameAt(logFile, hex, state));
        if (times.every((at) => at !== undefined)) return Math.max(0, ...times.map((at) => (at ?? 0) - start));
        if (Date.now() - start > LONGEST_MS)
          throw new Error(
            `${address} is not ${state} after ${LONGEST_MS} ms: ${watchers.map(({ node, logFile }) => `${node} ${lines(logFile).at(-1)}`).join('; ')}`,
          );
        await sleep(10);
      }
    },
    async stop() {
      await Promise.all(watchers.map(({ started }) => started.kill('SIGKILL')));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
