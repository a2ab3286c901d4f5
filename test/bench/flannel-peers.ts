import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { computeNodeState } from '@portolan/compute';
import { runProcess } from '@portolan/harness';
import { type Kernel, openLinuxKernel, requestOf, spawnExec, writtenBy } from '@portolan/kernel';
import type { Flannel, FlannelLease, Node, Snapshot } from '@portolan/model';
import type { NodeState } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { type Batch, renderPlan } from '@portolan/render';
import { emptySnapshot, flannelDefaults, nodeDefaults, seededIds } from '@portolan/testkit';
import { type Comparison, comparison, median, milliseconds } from './bench.js';

const ROUNDS = 3;
/** Of each backend: objects of a peer, and what of its lease is changed. */
const backends = [
  { type: 'vxlan', objects: 3, change: { vtepMac: '0a:ff:ff:ff:ff:ff' } },
  { type: 'host-gw', objects: 1, change: { publicAddress: '172.16.255.254' } },
] as const;
type Type = (typeof backends)[number]['type'];

const [nodeId = '', clusterId = ''] = [seededIds(1)(), seededIds(2)()];
const own: Node = { ...nodeDefaults, id: nodeId, name: 'node', address: '172.16.0.1', underlayMtu: 1500, underlayLink: 'eth1', onLink: ['172.16.0.0/16'] };

function leaseOf(type: Type, index: number, publicAddress: string, owner: string | null): FlannelLease {
  const base = `10.${index >> 8}.${index & 255}.0`;
  const hex = index.toString(16).padStart(4, '0');
  return {
    key: `${base}-24`,
    subnet: `${base}/24`,
    publicAddress,
    backendType: type,
    vni: type === 'vxlan' ? 1 : null,
    vtepMac: type === 'vxlan' ? `0a:00:00:00:${hex.slice(0, 2)}:${hex.slice(2)}` : null,
    nodeId: owner,
    reserved: false,
    fault: null,
  };
}

/** What a node of a cluster with so many flanneld beside it should hold; of the first of them `change` holds. */
function stateWith(type: Type, peers: number, change: Partial<FlannelLease> = {}): NodeState {
  const flannel: Flannel = { ...flannelDefaults, network: '10.0.0.0/8', backend: { type } };
  const first = 256;
  const foreign = Array.from({ length: peers }, (_, i) => {
    const lease = leaseOf(type, first + 1 + i, `172.16.${(i + 256) >> 8}.${(i + 256) & 255}`, null);
    return i === 0 ? { ...lease, ...change } : lease;
  });
  const leases = [leaseOf(type, first, own.address, nodeId), ...foreign];
  const empty = emptySnapshot('bench');
  const snapshot: Snapshot = {
    ...empty,
    cluster: { ...empty.cluster, id: clusterId },
    nodes: new Map([[nodeId, own]]),
    flannel,
    flannelLeases: new Map(leases.map((lease) => [lease.key, lease])),
  };
  return computeNodeState(snapshot, nodeId);
}

/** A network namespace of its own with the interface of the underlay, for as long as `work` takes. */
async function inHost<T>(work: (netns: string) => Promise<T>): Promise<T> {
  const name = `plbench-${process.pid}`;
  const lines = ['link set lo up', 'link add eth1 type veth peer name eth1p', 'link set eth1p up', 'addr add 172.16.0.1/16 dev eth1', 'link set eth1 up'];
  await ran(['ip', 'netns', 'add', name]);
  try {
    await ran(['ip', '-n', name, '-batch', '-'], `${lines.join('\n')}\n`);
    return await work(`/run/netns/${name}`);
  } finally {
    await runProcess(['ip', 'netns', 'delete', name]);
  }
}

async function ran(argv: readonly [string, ...string[]], input = ''): Promise<void> {
  const { exitCode, stderr, command } = await runProcess(argv, input);
  if (exitCode !== 0) throw new Error(`${command}: ${stderr}`);
}

interface Brought {
  readonly steps: number;
  readonly processes: number;
  readonly ms: number;
}

interface Host {
  readonly kernel: Kernel;
  readonly processes: () => number;
  readonly netns: string;
  readonly folder: string;
}

/** As an agent does it: observe, plan, apply, read back what was written. With `known`, what was observed last is not observed again. */
async function brought({ kernel, processes }: Host, state: NodeState, known: boolean): Promise<Brought> {
  const before = processes();
  let steps = 0;
  const ms = await milliseconds(async () => {
    const request = requestOf(state);
    const there = await kernel.observe(known ? { ...request, written: new Map() } : request);
    const plan = diffNodeState(there, state);
    steps = plan.steps.length;
    for (const { exitCode, command, stderr } of await kernel.apply(renderPlan(plan, state, kernel.layout))) {
      if (exitCode !== 0) throw new Error(`${command}: ${stderr}`);
    }
    const after = steps === 0 ? there : await kernel.observe({ ...request, written: writtenBy(plan.steps) });
    const [missing] = diffNodeState(after, state).steps;
    if (missing !== undefined) throw new Error(`not reached: ${JSON.stringify(missing)}`);
  });
  return { steps, processes: processes() - before, ms };
}

/** The lines by which we would get from what is there to the state. */
async function linesTo({ kernel }: Host, state: NodeState): Promise<readonly Batch[]> {
  return renderPlan(diffNodeState(await kernel.observe(requestOf(state)), state), state, kernel.layout);
}

/** Milliseconds that a shell with ip -batch and bridge -batch takes for the lines. */
async function bareTime({ netns, folder }: Host, batches: readonly Batch[]): Promise<number> {
  mkdirSync(folder, { recursive: true });
  const commands = batches.map(({ tool, text, space }, i) => {
    if (space !== 'host' || (tool !== 'ip' && tool !== 'bridge')) throw new Error(`${tool} in ${space} is no part of programming peers`);
    const file = join(folder, String(i));
    writeFileSync(file, text);
    return `${tool} -batch ${file}\n`;
  });
  return milliseconds(() => ran(['nsenter', `--net=${netns}`, 'sh', '-e'], commands.join('')));
}

/** Peers that our kernel room programs in a second, observation, plan and read-back included, beside the bare tools with the same lines. */
export async function peersProgrammed(peers: number, report: (progress: string) => void, folder: string): Promise<readonly Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const { type, objects, change } of backends) {
    const [none, all, changed] = [stateWith(type, 0), stateWith(type, peers), stateWith(type, peers, change)];
    const ours: Brought[] = [];
    const bare: number[] = [];
    const changes: Brought[] = [];
    const again: Brought[] = [];
    const bareChanges: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      report(`${peers} peers by ${type}, round ${round + 1} of ${ROUNDS}`);
      for (const side of ['ours', 'bare'] as const) {
        await inHost(async (netns) => {
          const exec = spawnExec();
          const kernel = openLinuxKernel({ runDirectory: join(folder, 'run'), fileRoot: join(folder, 'files'), exec, host: netns });
          const host: Host = { kernel, processes: () => exec.started, netns, folder: join(folder, 'lines') };
          await kernel.probe({ balances: false });
          await brought(host, none, false);
          if (side === 'ours') {
            ours.push(await brought(host, all, false));
            again.push(await brought(host, all, false));
            changes.push(await brought(host, changed, true));
          } else {
            bare.push(await bareTime(host, await linesTo(host, all)));
            bareChanges.push(await bareTime(host, await linesTo(host, changed)));
          }
          await kernel.purge({});
          rmSync(folder, { recursive: true, force: true });
        });
      }
    }
    const [oursMs, bareMs] = [median(ours.map(({ ms }) => ms)), median(bare)];
    const [first, second, one] = [ours[0], again[0], changes[0]];
    comparisons.push(
      comparison({
        case: `${peers} peers by ${type}, ${objects} ${objects === 1 ? 'object' : 'objects'} each`,
        unit: 'peers/s',
        ours: (peers / oursMs) * 1000,
        baseline: (peers / bareMs) * 1000,
        against: 'a shell that gives the same lines to ip -batch and bridge -batch, without observation, plan and read-back',
        detail: {
          oursMs: Math.round(oursMs),
          bareMs: Math.round(bareMs),
          steps: first?.steps ?? 0,
          processes: first?.processes ?? 0,
          secondApplySteps: second?.steps ?? 0,
          secondApplyMs: Math.round(median(again.map(({ ms }) => ms))),
        },
      }),
      comparison({
        case: `a change of one of ${peers} peers by ${type}`,
        unit: 'ms',
        ours: median(changes.map(({ ms }) => ms)),
        baseline: median(bareChanges),
        against: 'a shell that gives the same lines to ip -batch and bridge -batch',
        detail: { steps: one?.steps ?? 0, processes: one?.processes ?? 0 },
      }),
    );
  }
  return comparisons;
}
