import { arch, cpus, release } from 'node:os';
import type { Bench } from './bench.js';

/** The benches by name, each loaded only when it is asked for. */
const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  api: async () => (await import('./api.js')).api,
  apply: async () => (await import('./apply.js')).apply,
  audit: async () => (await import('./audit.js')).audit,
  compute: async () => (await import('./compute.js')).compute,
  converge: async () => (await import('./converge.js')).converge,
  dns: async () => (await import('./dns.js')).dns,
  flannel: async () => (await import('./flannel.js')).flannel,
  graphql: async () => (await import('./graphql.js')).graphql,
};

const usage = `usage: npm run bench -- ${Object.keys(benches).join('|')} [--only PART]`;
const [name = '', flag, only] = process.argv.slice(2);
const load = benches[name];
if (load === undefined || (flag !== undefined && (flag !== '--only' || only === undefined))) {
  console.error(usage);
  process.exit(2);
}
const bench = await load();
const comparisons = await bench((progress) => console.error(progress), only);
console.log(
  JSON.stringify(
    { bench: name, machine: { cpus: cpus().length, model: cpus()[0]?.model, kernel: release(), arch: arch(), node: process.version }, comparisons },
    null,
    2,
  ),
);
process.exit(0);
