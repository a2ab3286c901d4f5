// npm run lab [-- ARGUMENTS]: makes the clone ready, then starts the lab.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const program = join(root, 'apps/lab/dist/main.js');
const args = process.argv.slice(2);

// Whoever only takes a lab down, or asks for help, waits for no installation.
const startsNothing = args.some((argument) => ['--down', '--help', '-h'].includes(argument));
if (!startsNothing || !existsSync(program)) {
  const { status } = spawnSync(process.execPath, [join(root, 'tools/bootstrap.mjs')], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const lab = spawn(process.execPath, [program, ...args], { stdio: 'inherit' });
// Ctrl-C reaches the lab by itself too; it takes a second signal for the same wish.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => lab.kill(signal));
lab.once('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
lab.once('exit', (code, signal) => process.exit(code ?? (signal === null ? 0 : 1)));
