// npm run simulate -- --seeds N, or --seed S: runs the simulation from the sources.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const argv = ['--conditions=source', '--import', 'tsx', 'test/simulation/main.ts', ...process.argv.slice(2)];
process.exit(spawnSync(process.execPath, argv, { cwd: root, stdio: 'inherit' }).status ?? 1);
