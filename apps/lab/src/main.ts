import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PortolanError, portolanError } from '@portolan/model';
import { leftovers, takeDown } from './down.js';
import { type Lab, type LabOptions, startLab } from './lab.js';
import { type ProvedTable, proveLab } from './proof.js';
import { renderNextSteps, renderProof } from './report.js';

const usage = `npm run lab -- [OPTIONS]

  --hosts N         as many hosts; the manifest's nodes unless given, further ones join without endpoints
  --manifest FILE   apply this instead of examples/bjdt.yaml
  --once            stop again after the proof
  --down            stop a running lab, or remove what a killed one left
  --help

Environment: DATABASE_URL, REDIS_URL, ETCD_ENDPOINTS name servers to use instead of private ones;
PORTOLAN_LAB_MACHINE=native|uml overrides the choice between this kernel and a User-Mode Linux guest.
`;

const directory = fileURLToPath(new URL('../../../.portolan', import.meta.url));

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        hosts: { type: 'string' },
        manifest: { type: 'string' },
        once: { type: 'boolean', default: false },
        down: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (cause) {
    throw portolanError('unknown-field', '', (cause as Error).message, { cause, fix: 'See npm run lab -- --help.' });
  }
}

function requireRoot(): void {
  if (process.getuid?.() !== 0) {
    throw portolanError('unauthorized', '', 'the lab makes network namespaces and devices, and needs root for that', {
      fix: 'Run it as root: sudo npm run lab',
    });
  }
}

function serversInUse(): LabOptions['use'] {
  const { DATABASE_URL, REDIS_URL, ETCD_ENDPOINTS } = process.env;
  return {
    ...(DATABASE_URL && { databaseUrl: DATABASE_URL }),
    ...(REDIS_URL && { redisUrl: REDIS_URL }),
    ...(ETCD_ENDPOINTS && { etcdEndpoints: ETCD_ENDPOINTS.split(',') }),
  };
}

/** Aborted by the signals that end a program; the handlers stay, so that a second Ctrl-C does not cut the orderly stop short. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => controller.abort(name));
  return controller.signal;
}

async function down(): Promise<number> {
  const removed = await takeDown(directory);
  for (const what of removed) console.log(`removed ${what}`);
  const left = await leftovers(directory, undefined);
  for (const what of left) console.error(`still there: ${what}`);
  console.log(removed.length === 0 ? 'No lab was running, and nothing of one is left.' : left.length === 0 ? 'Nothing of the lab is left.' : '');
  return left.length === 0 ? 0 : 1;
}

async function untilStopped(lab: Lab, stop: AbortSignal): Promise<number> {
  const stopped = new Promise<undefined>((resolve) => {
    if (stop.aborted) resolve(undefined);
    else stop.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  // A server of this process would keep it alive, but a native lab behind external servers has none.
  const awake = setInterval(() => {}, 60_000);
  const reason = await Promise.race([stopped, lab.lost]);
  clearInterval(awake);
  if (reason === undefined) return 0;
  console.error(`\n${reason}`);
  return 1;
}

function printProof(tables: readonly ProvedTable[]): boolean {
  for (const table of tables) console.log(`\n${renderProof(table)}`);
  const faults = tables.flatMap(({ rows }) => rows).filter(({ fault }) => fault !== undefined).length;
  if (tables.length === 0) console.log('\nThe manifest publishes nothing over TCP, so there is nothing to prove.');
  else console.log(faults === 0 ? '\nProved: every request was answered, and shared as it should be.' : `\nNOT proved: ${faults} series failed.`);
  return faults === 0;
}

async function up(values: ReturnType<typeof readArguments>): Promise<number> {
  const start = performance.now();
  const stop = stopSignal();
  let lab: Lab;
  try {
    lab = await startLab({
      directory,
      ...(values.manifest !== undefined && { manifestPath: values.manifest }),
      ...(values.hosts !== undefined && { hosts: Number(values.hosts) }),
      use: serversInUse() ?? {},
      log: (line, milliseconds) => console.log(`  ${milliseconds === undefined ? '' : seconds(milliseconds).padStart(7)}  ${line}`),
      signal: stop,
    });
  } catch (error) {
    if (!stop.aborted) throw error;
    console.log('Stopped before it was up; nothing is left.');
    return 130;
  }
  try {
    console.log(
      `\nOn ${lab.kind === 'native' ? "this machine's kernel" : 'User-Mode Linux, as this kernel has no ip_vs'}; commit to applied on every node: ${Math.round(lab.appliedWithin)} ms`,
    );
    const proved = printProof(await proveLab(lab));
    console.log(`\nUp after ${seconds(performance.now() - start)}. Logs: ${relative(process.cwd(), `${directory}/logs`)}`);
    if (!proved || values.once) return proved ? 0 : 1;
    console.log(`\n${renderNextSteps(lab)}\n\nCtrl-C stops everything.`);
    return await untilStopped(lab, stop);
  } finally {
    console.log('Stopping …');
    await lab.stop();
    console.log('Stopped; nothing but data and logs in .portolan is left.');
  }
}

async function main(): Promise<number> {
  const values = readArguments();
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  requireRoot();
  return values.down ? down() : up(values);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof PortolanError)) throw error;
  for (const { path, message, fix } of error.problems) console.error(`error: ${path === '' ? '' : `${path}: `}${message}\n  fix: ${fix}`);
  process.exitCode = 1;
}
