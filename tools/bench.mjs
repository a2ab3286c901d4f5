// npm run bench -- NAME: builds what is not built, then measures the built code, not the sources.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = (argv, stdio) => {
  const { status } = spawnSync(process.execPath, argv, { cwd: root, stdio });
  if (status !== 0) process.exit(status ?? 1);
};
// Standard output is the bench's JSON alone.
run(['tools/bootstrap.mjs', '--test'], ['ignore', 2, 'inherit']);
run(['--import', 'tsx', 'test/bench/main.ts', ...process.argv.slice(2)], 'inherit');
