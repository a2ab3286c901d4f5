/** Runs on a machine with IPVS: brings a namespace of its own from nothing to many services, by our code and by the bare tools. Prints one line of JSON. */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { computeNodeState } from '@portolan/compute';
import { type Kernel, openLinuxKernel, spawnExec } from '@portolan/kernel';
import { type NodeState, nodeState } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { type Batch, renderPlan } from '@portolan/render';
import { largeSnapshot } from '@portolan/testkit';

export interface ApplyFigures {
  readonly objects: number;
  readonly oursMs: number;
  readonly oursProcesses: number;
  readonly bareMs: number;
  readonly bareProcesses: number;
  readonly secondApplySteps: number;
  readonly secondApplyProcesses: number;
  readonly oneChangeProcesses: number;
}

const services = Number(process.argv[2] ?? 100);
const snapshot = largeSnapshot({ nodes: 2, networks: 1, services, endpointsPerService: 10, publishedServices: 0 });
const [nodeId = ''] = snapshot.nodes.keys();

/** The node's state without what needs containers: the namespaces of its endpoints are absent here. */
function withoutEndpoints(state: NodeState): NodeState {
  const objects = state.objects.filter(
    ({ space, body }) => !space.startsWith('endpoint:') && !(body.kind === 'veth' && body.peer.space.startsWith('endpoint:')),
  );
  return nodeState(state.cluster, state.node, {}, objects);
}

function open(directory: string): { kernel: Kernel; processes: () => number } {
  rmSync(directory, { recursive: true, force: true });
  const exec = spawnExec();
  return { kernel: openLinuxKernel({ runDirectory: directory, exec }), processes: () => exec.started };
}

const desired = withoutEndpoints(computeNodeState(snapshot, nodeId));
const nothing = nodeState(desired.cluster, desired.node, {}, []);

async function applied(kernel: Kernel, state: NodeState): Promise<number> {
  const plan = diffNodeState(await kernel.observe({}), state);
  for (const { exitCode, command, stderr } of await kernel.apply(renderPlan(plan, state, kernel.layout))) {
    if (exitCode !== 0) throw new Error(`${command}: ${stderr}`);
  }
  return plan.steps.length;
}

/** The same text to the same tools, and nothing else: no observation, no plan, no read-back. */
function runBare(batches: readonly Batch[], kernel: Kernel, restore: readonly string[]): number {
  let processes = 0;
  const run = (argv: readonly string[], input: string): void => {
    processes += 1;
    const [program = '', ...args] = argv;
    const ran = spawnSync(program, args, { input, maxBuffer: 1 << 28 });
    if (ran.status !== 0) throw new Error(`${argv.join(' ')}: ${String(ran.stderr)}`);
  };
  const tools = {
    ip: ['ip', '-batch', '-'],
    bridge: ['bridge', '-batch', '-'],
    sysctl: ['sysctl', '-p', '-'],
    ipvsadm: ['ipvsadm', '-R'],
    'iptables-restore': [...restore, '--noflush'],
  };
  for (const { space, tool, text } of batches) {
    if (tool === 'netns') {
      for (const name of text.split('\n').flatMap((line) => (line.startsWith('add ') ? [line.slice(4)] : []))) {
        const path = kernel.layout.pathOf(`own:${name}`);
        run(['sh', '-c', `mkdir -p "$(dirname ${path})" && touch ${path} && unshare --net=${path} true`], '');
      }
    } else {
      run(space === 'host' ? tools[tool] : ['nsenter', `--net=${kernel.layout.pathOf(space)}`, '--', ...tools[tool]], text);
    }
  }
  return processes;
}

const ours = open('/run/portolan-bench-ours');
const facts = await ours.kernel.probe();
const beforeOurs = ours.processes();
const start = performance.now();
await applied(ours.kernel, desired);
const reached = await ours.kernel.observe({});
const oursMs = performance.now() - start;
const oursProcesses = ours.processes() - beforeOurs;
const missing = diffNodeState(reached, desired).steps;
if (missing.length > 0) throw new Error(`not reached: ${JSON.stringify(missing[0])}`);

const beforeSecond = ours.processes();
const secondApplySteps = await applied(ours.kernel, desired);
const secondApplyProcesses = ours.processes() - beforeSecond;

const [endpoint] = snapshot.endpoints.values();
if (endpoint === undefined) throw new Error('no endpoint');
const changed = withoutEndpoints(
  computeNodeState({ ...snapshot, endpoints: new Map(snapshot.endpoints).set(endpoint.id, { ...endpoint, weight: 7 }) }, nodeId),
);
const change = renderPlan(diffNodeState(reached, changed), changed, ours.kernel.layout);
const beforeChange = ours.processes();
await ours.kernel.apply(change);
const oneChangeProcesses = ours.processes() - beforeChange;
await ours.kernel.purge({});

const bare = open('/run/portolan-bench-bare');
await bare.kernel.probe();
const batches = renderPlan(diffNodeState(await bare.kernel.observe({}), desired), desired, bare.kernel.layout);
const bareStart = performance.now();
const bareProcesses = runBare(batches, bare.kernel, (facts['iptables-restore'] ?? 'iptables-restore').split(' '));
const bareMs = performance.now() - bareStart;
await applied(bare.kernel, nothing);
await bare.kernel.purge({});

const figures: ApplyFigures = {
  objects: desired.objects.length,
  oursMs,
  oursProcesses,
  bareMs,
  bareProcesses,
  secondApplySteps,
  secondApplyProcesses,
  oneChangeProcesses,
};
console.log(JSON.stringify(figures));
