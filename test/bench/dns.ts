import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { objectKey } from '@portolan/node-state';
import { type Bench, comparison, median } from './bench.js';
import type { LoadFigures, LoadRequest } from './dns-load.js';

const SERVICES = 1_000;
const ENDPOINTS = 10;
const PORT = 11_053;
const ROUNDS = 3;
const SECONDS = 1.5;
/** Questions that are open at once, in all namespaces together. */
const OPEN = 64;

const here = fileURLToPath(new URL('.', import.meta.url));

/** Names of one network as compute makes them: of services, of their tasks, of endpoints. */
function records(): readonly { readonly name: string; readonly addresses: readonly string[]; readonly reverse?: true }[] {
  return Array.from({ length: SERVICES }, (_, i) => {
    const endpoints = Array.from({ length: ENDPOINTS }, (_, j) => `10.${64 + (i >> 8)}.${i & 255}.${j + 1}`);
    return [
      { name: `service-${i}`, addresses: [`10.1.${i >> 8}.${i & 255}`] },
      { name: `tasks.service-${i}`, addresses: endpoints },
      ...endpoints.map((address, j) => ({ name: `service-${i}-${j}`, addresses: [address], reverse: true as const })),
    ];
  }).flat();
}

/** `dns` lines for our server, with a client in each namespace. */
function linesFor(clients: readonly string[]): string {
  const names = records().map((record) => ({ space: 'host' as const, body: { kind: 'dns-name' as const, network: 'app', ...record } }));
  const askers = clients.map((id) => ({
    space: `endpoint:${id}` as const,
    body: { kind: 'dns-client' as const, port: PORT, networks: ['app'], forwards: false },
  }));
  return [...names, ...askers].map(({ space, body }) => `set ${objectKey(space, body)} ${JSON.stringify(body)}\n`).join('');
}

function requireDnsmasq(report: (progress: string) => void): void {
  if (spawnSync('dnsmasq', ['--version']).status === 0) return;
  report('installing dnsmasq-base');
  execFileSync('apt-get', ['update', '-q'], { stdio: 'ignore' });
  execFileSync('apt-get', ['install', '-qy', '--no-install-recommends', 'dnsmasq-base'], {
    stdio: 'ignore',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

/** Processor time of a process with all its threads, in seconds (proc_pid_stat(5); a tick is 10 ms). */
function processorSeconds({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

interface Side {
  readonly namespaces: readonly string[];
  readonly processes: readonly ChildProcess[];
}

type Loader = (request: LoadRequest) => Promise<LoadFigures>;

interface Measured extends LoadFigures {
  /** Microseconds of processor time of the server for one answer. */
  readonly processorMicros: number;
}

/**
 * One node's name server under load from endpoints in namespaces of their own, beside dnsmasq on the same records: one process for each
 * namespace, because it cannot listen in several. Our server is one process for all.
 */
export const dns: Bench = async (report) => {
  requireDnsmasq(report);
  const folder = mkdtempSync(join(tmpdir(), 'dns-bench-'));
  const mounted: string[] = [];
  const children: ChildProcess[] = [];

  function namespace(name: string): string {
    const path = join(folder, name);
    writeFileSync(path, '');
    execFileSync('unshare', [`--net=${path}`, 'ip', 'link', 'set', 'lo', 'up']);
    mounted.push(path);
    return path;
  }

  async function started(argv: readonly [string, ...string[]], isReady: (output: string) => boolean): Promise<ChildProcess> {
    const [program, ...args] = argv;
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let output = '';
    await new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream?.on('data', (chunk: Buffer) => {
          output += chunk.toString();
          if (isReady(output)) resolve();
        });
      }
      child.once('exit', () => reject(new Error(`${program} ended: ${output}`)));
    });
    return child;
  }

  function program(file: string, ...args: readonly string[]): readonly [string, ...string[]] {
    return [process.execPath, ...process.execArgv, '--import', 'tsx', join(here, file), ...args];
  }

  async function ours(count: number): Promise<Side> {
    const clients = Array.from({ length: count }, (_, i) => `client${i}`);
    const namespaces = clients.map((id) => namespace(`ours-${count}-${id}`));
    const found = Object.fromEntries(clients.map((id, i) => [id, { path: namespaces[i], incarnation: id }]));
    const file = join(folder, `ours-${count}.json`);
    writeFileSync(file, JSON.stringify({ text: linesFor(clients), found }));
    return { namespaces, processes: [await started(program('dns-server.ts', file), (output) => output.includes('ready'))] };
  }

  async function dnsmasq(count: number): Promise<Side> {
    const hosts = join(folder, 'hosts');
    writeFileSync(
      hosts,
      records()
        .flatMap(({ name, addresses }) => addresses.map((address) => `${address} ${name}\n`))
        .join(''),
    );
    const namespaces = Array.from({ length: count }, (_, i) => namespace(`dnsmasq-${count}-${i}`));
    const options = [
      '--no-resolv',
      '--no-hosts',
      `--addn-hosts=${hosts}`,
      '--local-ttl=5',
      '--bind-interfaces',
      '--listen-address=127.0.0.11',
      `--port=${PORT}`,
    ];
    const processes = namespaces.map((path) =>
      started(
        ['nsenter', `--net=${path}`, 'dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--pid-file=', '--user=root', '--log-facility=-', ...options],
        (output) => output.includes(' names'),
      ),
    );
    return { namespaces, processes: await Promise.all(processes) };
  }

  async function load(loader: Loader, { namespaces, processes }: Side, names: readonly string[]): Promise<Measured> {
    const before = processes.map(processorSeconds);
    const figures = await loader({ seconds: SECONDS, open: OPEN / namespaces.length, port: PORT, namespaces, names });
    if (figures.wrong > 0) throw new Error(`${figures.wrong} wrong answers`);
    const spent = processes.reduce((sum, process, i) => sum + processorSeconds(process) - (before[i] ?? 0), 0);
    return { ...figures, processorMicros: (spent / figures.answers) * 1e6 };
  }

  function openLoader(): Loader {
    const [node, ...args] = program('dns-load.ts');
    const child = spawn(node, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return async (request) => {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error('the process that makes the load ended');
      return JSON.parse(value) as LoadFigures;
    };
  }

  const middle = (runs: readonly Measured[], of: (run: Measured) => number): number => median(runs.map(of));
  const rate = ({ answers, seconds }: Measured): number => answers / seconds;

  try {
    const vips = Array.from({ length: SERVICES }, (_, i) => `service-${i}`);
    const cases = [
      { count: 1, names: vips, what: 'names of services' },
      { count: 4, names: vips, what: 'names of services' },
      { count: 4, names: vips.map((name) => `tasks.${name}`), what: 'tasks.SERVICE, ten addresses each' },
    ];
    const comparisons = [];
    const loader = openLoader();
    const sides = new Map<number, { ours: Side; dnsmasq: Side }>();
    for (const { count, names, what } of cases) {
      const title = `${what}, ${count} ${count === 1 ? 'namespace' : 'namespaces'}`;
      report(title);
      const side = sides.get(count) ?? { ours: await ours(count), dnsmasq: await dnsmasq(count) };
      sides.set(count, side);
      const mine: Measured[] = [];
      const theirs: Measured[] = [];
      // The first run lets V8 compile and both fill their caches.
      for (const one of [side.ours, side.dnsmasq]) await load(loader, one, names);
      for (let round = 0; round < ROUNDS; round++) {
        mine.push(await load(loader, side.ours, names));
        theirs.push(await load(loader, side.dnsmasq, names));
      }
      const against = count === 1 ? 'dnsmasq' : `${count} processes dnsmasq, one in each namespace`;
      comparisons.push(
        comparison({
          case: `A by UDP, ${title}`,
          unit: 'queries/s',
          ours: middle(mine, rate),
          baseline: middle(theirs, rate),
          against,
          detail: Object.fromEntries(
            [
              { of: 'ours', runs: mine },
              { of: 'baseline', runs: theirs },
            ].flatMap(({ of, runs }) => [
              [`${of}P50Micros`, middle(runs, ({ p50Micros }) => p50Micros)],
              [`${of}ProcessorMicrosPerQuery`, Number(middle(runs, ({ processorMicros }) => processorMicros).toPrecision(3))],
              [`${of}Lost`, runs.reduce((sum, { lost }) => sum + lost, 0)],
            ]),
          ),
        }),
        comparison({
          case: `A by UDP, ${title}: p99 with ${OPEN} open`,
          unit: 'µs',
          ours: middle(mine, ({ p99Micros }) => p99Micros),
          baseline: middle(theirs, ({ p99Micros }) => p99Micros),
          against,
        }),
      );
    }
    return comparisons;
  } finally {
    for (const child of children) child.kill('SIGKILL');
    for (const path of mounted) spawnSync('umount', [path]);
    rmSync(folder, { recursive: true, force: true });
  }
};
