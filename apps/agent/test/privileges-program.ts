import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { keepNeededPrivileges } from '@portolan/kernel/privileges';

// Gives up privileges as the agent does, and says what its threads and the processes that it starts have, one line of JSON each.

keepNeededPrivileges();
const { spawnExec } = await import('@portolan/kernel');
const worker = new Worker('setTimeout(() => undefined, 60_000)', { eval: true });
await new Promise((resolve) => worker.once('online', resolve));
// A thread that reads files.
await readFile('/proc/self/status');

const say = (what: string, status: string): void => void process.stdout.write(`${JSON.stringify({ what, status })}\n`);
for (const thread of readdirSync('/proc/self/task')) say('thread', readFileSync(`/proc/self/task/${thread}/status`, 'utf8'));
say('tool', (await spawnExec().run(['cat', '/proc/self/status'])).stdout);
say(
  'program',
  spawnSync(process.execPath, ['-e', "process.stdout.write(require('node:fs').readFileSync('/proc/self/status', 'utf8'))"], { encoding: 'utf8' }).stdout,
);
say('mark', String(process.env.PORTOLAN_PRIVILEGES_DROPPED));
process.exit(0);
