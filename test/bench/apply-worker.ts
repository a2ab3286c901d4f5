/** Runs on a machine with IPVS: brings a node from nothing to many services, by our code and by the bare tools. Prints one line of JSON. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { computeNodeState } from '@portolan/compute';
import { type Kernel, openLinuxKernel, spawnExec, writtenBy } from '@portolan/kernel';
import type { Snapshot } from '@portolan/model';
import { type NodeState, nodeState, sysctlNamesOf } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { type Batch, renderPlan } from '@portolan/render';
import { largeSnapshot } from '@portolan/testkit';

export interface ApplyFigures {
  /** In the kernel: names are not. */
  readonly objects: number;
  readonly oursMs: number;
  readonly oursProcesses: number;
  /** Of `oursMs`: observing nothing, planning and rendering, applying, reading back. */
  readonly oursParts: Readonly<Record<'observe' | 'plan' | 'apply' | 'readBack', number>>;
  readonly bareMs: number;
  readonly bareProcesses: number;
  /** Ours and theirs of each round, in ms. */
  readonly allMs: string;
  readonly secondApplySteps: number;
  readonly secondApplyProcesses: number;
  /** A weight that changes, written and read back. */
  readonly oneChangeProcesses: number;
  /** One process a line, with few services. */
  readonly single?: { readonly objects: number; readonly ms: number; readonly processes: number };
}

const [services = 100, rounds = 1, singleServices = 0] = process.argv.slice(2).map(Number);

function largeState(count: number, change: (snapshot: Snapshot) => Snapshot = (same) => same): NodeState {
  const snapshot = change(largeSnapshot({ nodes: 4, networks: 1, services: count, endpointsPerService: 10, publishedServices: 0 }));
  const [nodeId = ''] = snapshot.nodes.keys();
  return inTheKernel(computeNodeState(snapshot, nodeId));
}

/** The node's state without names, which are in no kernel, and without what needs containers: the namespaces of its endpoints are absent here. */
function inTheKernel(state: NodeState): NodeState {
  const objects = state.objects.filter(
    ({ space, body }) => !body.kind.startsWith('dns-') && !space.startsWith('endpoint:') && !(body.kind === 'veth' && body.peer.space.startsWith('endpoint:')),
  );
  return nodeState({ ...state, endpoints: {}, objects });
}

function withFirstWeight(snapshot: Snapshot, weight: number): Snapshot {
  const [first] = snapshot.endpoints.values();
  if (first === undefined) throw new Error('no endpoint');
  return { ...snapshot, endpoints: new Map(snapshot.endpoints).set(first.id, { ...first, weight }) };
}

function open(directory: string): { kernel: Kernel; processes: () => number } {
  rmSync(directory, { recursive: true, force: true });
  const exec = spawnExec();
  return { kernel: openLinuxKernel({ runDirectory: directory, exec }), processes: () => exec.started };
}

/** As an agent does it: observe, plan, apply, read back what was written. With `known`, what was observed last is not observed again. */
async function brought(kernel: Kernel, state: NodeState, known: boolean): Promise<{ readonly steps: number; readonly parts: ApplyFigures['oursParts'] }> {
  const request = { endpoints: {}, sysctls: sysctlNamesOf(state) };
  const times = [performance.now()];
  const before = await kernel.observe(known ? { ...request, written: new Map() } : request);
  times.push(performance.now());
  const plan = diffNodeState(before, state);
  const batches = renderPlan(plan, state, kernel.layout);
  times.push(performance.now());
  for (const { exitCode, command, stderr } of await kernel.apply(batches)) if (exitCode !== 0) throw new Error(`${command}: ${stderr}`);
  times.push(performance.now());
  const after = plan.steps.length === 0 ? before : await kernel.observe({ ...request, written: writtenBy(plan.steps) });
  const [missing] = diffNodeState(after, state).steps;
  if (missing !== undefined) throw new Error(`not reached: ${JSON.stringify(missing)}`);
  times.push(performance.now());
  const [observe = 0, planned = 0, apply = 0, readBack = 0] = times.slice(1).map((time, i) => Math.round(time - (times[i] ?? 0)));
  return { steps: plan.steps.length, parts: { observe, plan: planned, apply, readBack } };
}

interface Script {
  readonly text: string;
  readonly processes: number;
}

/** What each tool is started as, once for a file, or once for a line of it. */
function commandsOf(iptables: string): Readonly<Record<string, { readonly whole: string; readonly line: string }>> {
  return {
    ip: { whole: 'ip -batch', line: 'ip' },
    bridge: { whole: 'bridge -batch', line: 'bridge' },
    sysctl: { whole: 'sysctl -q -p', line: 'sysctl -q -w' },
    ipvsadm: { whole: 'ipvsadm -R <', line: 'ipvsadm' },
    'iptables-restore': { whole: `${iptables} --noflush <`, line: iptables.replace('-restore', '') },
  };
}

/** A script of a shell that makes the namespaces and runs `run` for the other batches. Its files are written beforehand. */
function scriptOf(batches: readonly Batch[], kernel: Kernel, run: (batch: Batch, prefix: string, file: string) => readonly string[], folder: string): Script {
  mkdirSync(folder, { recursive: true });
  const lines = batches.flatMap((batch, i) => {
    const { space, tool, text } = batch;
    if (tool === 'netns') {
      return text.split('\n').flatMap((line) => {
        if (!line.startsWith('add ')) return [];
        const path = kernel.layout.pathOf(`own:${line.slice(4)}`);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, '');
        return [`unshare --net=${path} true`];
      });
    }
    const file = join(folder, String(i));
    writeFileSync(file, text);
    return run(batch, space === 'host' ? '' : `nsenter --net=${kernel.layout.pathOf(space)} -- `, file);
  });
  return { text: `set -e\n${lines.join('\n')}\n`, processes: lines.length };
}

/** Milliseconds that a shell takes for the script. */
function timeOf({ text }: Script, folder: string): number {
  const file = join(folder, 'script');
  writeFileSync(file, text);
  const start = performance.now();
  const ran = spawnSync('sh', [file], { maxBuffer: 1 << 28 });
  const ms = performance.now() - start;
  if (ran.status !== 0) throw new Error(`the bare tools failed: ${String(ran.stderr)}`);
  return ms;
}

/** Each line of a batch as the arguments of one process. A table of rules is appended to line by line. */
function singleLines(batch: Batch, prefix: string, command: string): string[] {
  let table = '';
  return batch.text.split('\n').flatMap((line) => {
    if (line === '' || line === 'COMMIT') return [];
    if (batch.tool !== 'iptables-restore') return [`${prefix}${command} ${batch.tool === 'sysctl' ? line.replace(' = ', '=') : line}`];
    if (line.startsWith('*')) {
      table = line.slice(1);
      return [];
    }
    return [line.startsWith(':') ? `${prefix}${command} -t ${table} -N ${line.slice(1).split(' ')[0]}` : `${prefix}${command} -w -t ${table} ${line}`];
  });
}

interface Run {
  readonly ms: number;
  readonly processes: number;
}

function median<T extends Run>(runs: readonly T[]): T {
  const middle = [...runs].sort((one, other) => one.ms - other.ms)[Math.floor(runs.length / 2)];
  if (middle === undefined) throw new Error('no runs');
  return middle;
}

const desired = largeState(services);
const changedState = largeState(services, (snapshot) => withFirstWeight(snapshot, 7));

async function ourRun(): Promise<Run & Pick<ApplyFigures, 'oursParts' | 'secondApplySteps' | 'secondApplyProcesses' | 'oneChangeProcesses'>> {
  const { kernel, processes } = open('/run/portolan-bench-ours');
  await kernel.probe({ balances: true });
  const counts = [processes()];
  const start = performance.now();
  const { parts } = await brought(kernel, desired, false);
  const ms = performance.now() - start;
  counts.push(processes());
  const { steps } = await brought(kernel, desired, false);
  counts.push(processes());
  const change = await brought(kernel, changedState, true);
  if (change.steps !== 1) throw new Error(`a weight took ${change.steps} steps`);
  counts.push(processes());
  await kernel.purge({});
  const [first = 0, second = 0, third = 0] = counts.slice(1).map((count, i) => count - (counts[i] ?? 0));
  return { ms, processes: first, oursParts: parts, secondApplySteps: steps, secondApplyProcesses: second, oneChangeProcesses: third };
}

const facts = await open('/run/portolan-bench-ours').kernel.probe({ balances: true });
const commands = commandsOf(facts['iptables-restore'] ?? 'iptables-restore');

async function bareRun(state: NodeState, single: boolean): Promise<Run> {
  const { kernel } = open('/run/portolan-bench-bare');
  const batches = renderPlan(diffNodeState(await kernel.observe({ endpoints: {}, sysctls: sysctlNamesOf(state) }), state), state, kernel.layout);
  const folder = '/run/portolan-bench-bare/text';
  const script = scriptOf(
    batches,
    kernel,
    (batch, prefix, file) => {
      const { whole = '', line = '' } = commands[batch.tool] ?? {};
      return single ? singleLines(batch, prefix, line) : [`${prefix}${whole} ${file}`];
    },
    folder,
  );
  const ms = timeOf(script, folder);
  await kernel.purge({});
  return { ms, processes: script.processes };
}

// In turn, as the machine changes its speed.
const ours: Awaited<ReturnType<typeof ourRun>>[] = [];
const bare: Run[] = [];
for (let round = 0; round < rounds; round++) {
  ours.push(await ourRun());
  bare.push(await bareRun(desired, false));
}
const few = singleServices === 0 ? undefined : largeState(singleServices);
const { ms: oursMs, processes: oursProcesses, ...detail } = median(ours);
const { ms: bareMs, processes: bareProcesses } = median(bare);
const figures: ApplyFigures = {
  objects: desired.objects.length,
  oursMs,
  oursProcesses,
  ...detail,
  bareMs,
  bareProcesses,
  allMs: ours.map(({ ms }, i) => `${Math.round(ms)}/${Math.round(bare[i]?.ms ?? 0)}`).join(' '),
  ...(few === undefined ? {} : { single: { objects: few.objects.length, ...(await bareRun(few, true)) } }),
};
console.log(JSON.stringify(figures));
