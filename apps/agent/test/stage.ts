import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FakeKernel, type KernelEvent, openFakeKernel } from '@portolan/kernel';
import { type KernelObject, kernelObject, type NodeState, nodeState, nothingToWatch, type Watch } from '@portolan/node-state';
import type { Report, SyncHint } from '@portolan/protocol';
import { createMemoryCoordination, createMemoryQueue } from '@portolan/store/memory';
import { createAgent } from '../src/agent.js';
import { systemClock } from '../src/clock.js';
import { httpControlPlane } from '../src/control-plane.js';
import { ledgerFile } from '../src/ledger.js';
import { type AgentMetrics, agentMetrics } from '../src/metrics.js';
import type { Agent, AgentPorts } from '../src/ports.js';
import type { Sight } from '../src/watch/watch.js';
import { type FakeControlPlane, startControlPlane } from './fake-control-plane.js';

export const CLUSTER = 'lab';
export const NODE = 'node1';

/** A node with one overlay and these endpoints attached to it. */
export function stateWith(...endpoints: readonly string[]): NodeState {
  const origin = { computedBy: 'overlay' } as const;
  const objects: KernelObject[] = [
    kernelObject('own:1-net', { kind: 'namespace' }, origin),
    kernelObject('own:1-net', { kind: 'bridge', name: 'br0', mtu: 1450 }, origin),
    ...endpoints.flatMap((id, i): KernelObject[] => {
      const mac = `02:42:0a:00:00:0${i + 1}`;
      const space = `endpoint:${id}` as const;
      return [
        kernelObject('own:1-net', { kind: 'veth', name: `veth${id}`, master: 'br0', mtu: 1450, peer: { space, name: 'ov1', mac } }, origin),
        kernelObject(space, { kind: 'address', link: 'ov1', address: `10.0.0.${i + 2}`, prefixLength: 24 }, origin),
      ];
    }),
  ];
  return nodeState({
    cluster: CLUSTER,
    node: NODE,
    address: '192.0.2.1',
    endpoints: Object.fromEntries(endpoints.map((id) => [id, { name: id, attachment: { netns: `/run/netns/${id}` } }])),
    watch: nothingToWatch,
    objects,
  });
}

/** The same state, with that to watch. */
export function watching(state: NodeState, watch: Partial<Watch>): NodeState {
  const { hash: _hash, ...rest } = state;
  return nodeState({ ...rest, watch: { ...rest.watch, ...watch } });
}

/** The same state, with one more route in the namespaces of these endpoints. */
export function withRoutes(state: NodeState, ...endpoints: readonly string[]): NodeState {
  const { hash: _hash, ...rest } = state;
  const routes = endpoints.map((id) =>
    kernelObject(`endpoint:${id}`, { kind: 'route', destination: '10.1.0.0/24', via: '10.0.0.1', link: 'ov1' }, { computedBy: 'endpoint' }),
  );
  return nodeState({ ...rest, objects: [...rest.objects, ...routes] });
}

export async function until(condition: () => boolean, what: string, milliseconds = 5_000): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A fake kernel, a control plane over HTTP, a queue and a coordination, and agents among them. */
export interface Stage {
  readonly plane: FakeControlPlane;
  readonly kernel: FakeKernel;
  readonly queue: ReturnType<typeof createMemoryQueue>;
  readonly coordination: ReturnType<typeof createMemoryCoordination>;
  readonly ledgerPath: string;
  readonly logged: string[];
  /** The same lines, with their fields. */
  readonly entries: { readonly fields: object; readonly message: string }[];
  /** Tells agents of a change of the kernel. */
  tell(event: KernelEvent): void;
  /** What agents see besides the kernel. No connection can be opened unless a test says how. */
  readonly sight: { -readonly [K in keyof Sight]: Sight[K] };
  /** States by which names were served before the first run. */
  readonly restored: string[][];
  readonly metrics: AgentMetrics;
  /** Offers a state to agents and tells the fake kernel of it. */
  offer(generation: number, state: NodeState): void;
  publish(generation: number, more?: Pick<SyncHint, 'nodeId' | 'delta'>): Promise<void>;
  /** A new agent on the same ledger and kernel, or on another. */
  agent(
    times?: { readonly resync?: number; readonly presence?: number; readonly quickPresence?: number; readonly traffic?: number },
    others?: Partial<Pick<AgentPorts, 'kernel' | 'kernelEvents'>>,
  ): Agent;
  lastReport(): Report;
  dispose(): Promise<void>;
}

export async function openStage(): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-agent-'));
  const plane = await startControlPlane(CLUSTER, NODE);
  const kernel = openFakeKernel();
  const queue = createMemoryQueue(20);
  const coordination = createMemoryCoordination();
  const agents: Agent[] = [];
  const logged: string[] = [];
  const entries: { readonly fields: object; readonly message: string }[] = [];
  const log = (level: string) => (fields: object, message: string) => {
    logged.push(`${level} ${message}`);
    entries.push({ fields, message });
  };
  const listeners = new Set<(event: KernelEvent) => void>();
  const ledgerPath = join(folder, 'state', 'ledger.json');
  const metrics = agentMetrics();
  const restored: string[][] = [];
  const sight: Stage['sight'] = {
    dial: () => {
      throw new Error('no sockets in this test');
    },
    establishedConnections: () => 0,
    underlay: () => ({ link: 'eth0', mtu: 1500, onLink: ['192.0.2.0/24'] }),
    relay: async () => undefined,
    serverCounters: () => [],
  };
  let jobs = 0;
  return {
    sight,
    restored,
    metrics,
    plane,
    kernel,
    queue,
    coordination,
    ledgerPath,
    logged,
    entries,
    tell: (event) => {
      for (const listener of listeners) listener(event);
    },
    offer: (generation, state) => {
      plane.offer(generation, state);
      kernel.intend(state);
    },
    publish: async (generation, more = {}) => {
      jobs += 1;
      await queue.publish([{ id: String(jobs), cluster: CLUSTER, node: NODE, hint: { jobId: `job${jobs}`, generation, revision: generation, ...more } }]);
    },
    agent: (times = {}, others = {}) => {
      const agent = createAgent(
        {
          cluster: CLUSTER,
          node: NODE,
          version: '0.0.0-test',
          resync: 60_000,
          presence: 60_000,
          quickPresence: 60_000,
          retryFirst: 20,
          retryLast: 100,
          revisionDelay: 5,
          ...times,
        },
        {
          kernel,
          names: {
            restore: async (objects, found) => {
              restored.push([
                ...objects.filter(({ body }) => body.kind === 'dns-name').map(({ key }) => key),
                ...Object.keys(found),
                String(plane.requests.state),
              ]);
            },
          },
          sight,
          kernelEvents: ({ onEvent }) => {
            listeners.add(onEvent);
            return { close: () => void listeners.delete(onEvent) };
          },
          controlPlane: httpControlPlane({ url: plane.url, cluster: CLUSTER, node: NODE, timeout: 1_000 }),
          ledger: ledgerFile(ledgerPath, () => logged.push('error damaged ledger')),
          hints: queue.source(CLUSTER, NODE),
          coordination,
          clock: systemClock,
          log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
          metrics,
          ...others,
        },
      );
      agents.push(agent);
      return agent;
    },
    lastReport: () => {
      const report = plane.reports.at(-1);
      if (report === undefined) throw new Error('no report yet');
      return report;
    },
    dispose: async () => {
      await Promise.all(agents.map((agent) => agent.stop()));
      await plane.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
