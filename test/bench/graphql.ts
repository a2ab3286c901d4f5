import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { wholeHash } from '@portolan/node-state';
import { agentPaths, type DesiredState, noSignals, PROTOCOL_VERSION, type Report } from '@portolan/protocol';
import { largeManifest } from '@portolan/testkit';
import { type Plane, startPlane } from '../plane.js';
import { until } from '../until.js';
import { type Bench, comparison, median, milliseconds } from './bench.js';
import type { LoadFigures, LoadRequest } from './graphql-load.js';

const SIZE = { nodes: 100, networks: 10, services: 500, endpointsPerService: 3, publishedServices: 100 };
const RATE = 300;
const SECONDS = 10;
/** Single queries of each kind; their median counts. */
const SINGLES = 9;
/** Milliseconds between two reports of a node, as of agents with nothing to do that look at their kernels every ten seconds. */
const REPORT_EVERY = 10_000;
/** Milliseconds between two commits, where the cluster changes under the load. */
const COMMIT_EVERY = 1000;

const topology = `query Topology($name: String!) {
  cluster(name: $name) {
    name
    revision
    status { intentRevision computedRevision appliedRevision }
    nodes { id name role availability address condition status { alive generation computedRevision appliedRevision lastReportAt lastStatus failures } }
    networks { id name ingress vni subnet gateway }
    services {
      id name scheduler endpointMode
      networks { network { name } vip mark }
      ports { published target protocol mode }
      endpoints { id name weight presence health traffic node { name } addresses { network { name } address } }
    }
  }
}`;

/** The document with a remark that makes it another text, so that nothing made for it before can serve it. */
let remarks = 0;
function unseen(): string {
  return `${topology}\n# ${++remarks}`;
}

interface Load {
  figures(request: LoadRequest): Promise<LoadFigures>;
  stop(): void;
}

function startLoad(): Load {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('./graphql-load.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async figures(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error('the load has ended');
      return JSON.parse(value) as LoadFigures;
    },
    stop: () => child.stdin.end(),
  };
}

/** The same facts by REST: as few requests as it takes. */
async function byRest({ call }: Pick<Plane, 'call'>): Promise<void> {
  const all = async (path: string): Promise<void> => {
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = JSON.parse(await call(`/v1/clusters/bench/${path}?limit=1000${cursor === '' ? '' : `&cursor=${cursor}`}`)) as { nextCursor: string | null };
      cursor = page.nextCursor;
    }
  };
  await call('/v1/clusters/bench/status');
  for (const path of ['nodes', 'networks', 'services', 'endpoints']) await all(path);
}

/** Everything is there as it should be, says the node; the objects are left out, as they are all those of the state. */
function reportFor({ state, generation, revision }: DesiredState): Report {
  const now = new Date().toISOString();
  return {
    ...{ protocol: PROTOCOL_VERSION, agentVersion: 'bench', generation, revision, stateHash: state.hash, status: 'applied', startedAt: now, finishedAt: now },
    ...{ steps: [], commands: [], errors: [], waiting: [], signals: noSignals, facts: {} },
    endpoints: Object.fromEntries(Object.keys(state.endpoints).map((id) => [id, 'present'])),
    observed: { hash: wholeHash(state), foreign: [] },
  };
}

interface ReportingNode {
  /** Asks for the newest state, and says that it is there. */
  sync(): Promise<void>;
}

function reportingNode({ call }: Pick<Plane, 'call'>, node: string): ReportingNode {
  return {
    async sync() {
      const state = await call(agentPaths.state('bench', node)).catch((error: Error) => {
        // What others said has changed the cluster, and it is not computed yet: next time.
        if (error.message.includes(': 404 ')) return undefined;
        throw error;
      });
      if (state !== undefined) await call(agentPaths.reports('bench', node), 'POST', reportFor(JSON.parse(state) as DesiredState));
    },
  };
}

/** Every node reports, one after another, until it is stopped; resolves with how many reports there were. */
function reporting(nodes: readonly ReportingNode[]): { stop(): Promise<number> } {
  const stopped = new AbortController();
  let reports = 0;
  const pause = (milliseconds: number): Promise<void> => sleep(milliseconds, undefined, { signal: stopped.signal }).catch(() => undefined);
  const all = Promise.all(
    nodes.map(async (node, i) => {
      await pause((i * REPORT_EVERY) / nodes.length);
      while (!stopped.signal.aborted) {
        await node.sync();
        reports += 1;
        await pause(REPORT_EVERY);
      }
    }),
  );
  return {
    async stop() {
      stopped.abort();
      await all;
      return reports;
    },
  };
}

async function medianOf(each: () => Promise<unknown>, before: () => Promise<unknown> = async () => undefined): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < SINGLES; i++) {
    await before();
    times.push(await milliseconds(each));
  }
  return median(times);
}

/** The whole of a cluster by one query: at a steady rate, on real servers, and alone. */
export const graphql: Bench = async (report) => {
  const directory = mkdtempSync(join(tmpdir(), 'portolan-bench-'));
  const plane = await startPlane(directory);
  const load = startLoad();
  try {
    const { call, url } = plane;
    await call('/v1/clusters', 'POST', { name: 'bench' });
    report(`making a cluster of ${SIZE.nodes} nodes and ${SIZE.services} services x ${SIZE.endpointsPerService} endpoints`);
    await call('/v1/clusters/bench/manifest', 'PUT', largeManifest(SIZE));
    await until('it is computed', 60, async () => {
      const { computedRevision } = JSON.parse(await call('/v1/clusters/bench/status')) as { computedRevision: number };
      return computedRevision >= 1;
    });
    const ask = (query: string): Promise<string> => call('/graphql', 'POST', { query, variables: { name: 'bench' } });
    let weight = 1;
    const commit = (): Promise<string> => call('/v1/clusters/bench/endpoints/service1.1', 'PATCH', { weight: ++weight });
    const body = JSON.stringify({ query: topology, variables: { name: 'bench' } });
    const steady = (seconds: number): Promise<LoadFigures> => load.figures({ url: `${url}/graphql`, body, rate: RATE, seconds });

    report('alone');
    for (let i = 0; i < 3; i++) await ask(topology);
    const rest = await medianOf(() => byRest(plane));
    const strange = await medianOf(() => ask(unseen()), commit);
    const fresh = await medianOf(() => ask(topology), commit);

    report(`${RATE} a second`);
    await steady(2);
    const still = await steady(SECONDS);

    report(`${RATE} a second, a commit each ${COMMIT_EVERY} ms`);
    const stop = new AbortController();
    let commits = 0;
    const committing = (async () => {
      while (!stop.signal.aborted) {
        await commit();
        commits += 1;
        await sleep(COMMIT_EVERY, undefined, { signal: stop.signal }).catch(() => undefined);
      }
    })();
    const moving = await steady(SECONDS);
    stop.abort();
    await committing;

    report(`${RATE} a second, each node reports every ${REPORT_EVERY / 1000} s`);
    const nodes = (largeManifest(SIZE).nodes ?? []).map(({ name }) => reportingNode(plane, name));
    // What was said of endpoints changes states, and those what is said.
    await until('every node has applied everything', 120, async () => {
      const { intentRevision, computedRevision, appliedRevision } = JSON.parse(await call('/v1/clusters/bench/status')) as Readonly<Record<string, number>>;
      if (appliedRevision === intentRevision) return true;
      if (computedRevision === intentRevision) for (const node of nodes) await node.sync();
      return false;
    });
    const agents = reporting(nodes);
    const told = await steady(SECONDS);
    const reports = await agents.stop();

    const size = `${SIZE.nodes} nodes, ${SIZE.services} services x ${SIZE.endpointsPerService}`;
    const against = 'the same facts by REST, six requests one after another, with nobody else asking';
    return [
      comparison({ case: `topology of ${size}, p99 at ${RATE} a second`, unit: 'ms', ours: still.p99, baseline: rest, against, detail: { ...still } }),
      comparison({
        case: `the same while each node reports every ${REPORT_EVERY / 1000} s, p99`,
        unit: 'ms',
        ours: told.p99,
        baseline: rest,
        against,
        detail: { ...told, reports },
      }),
      comparison({
        case: `the same while the cluster changes each ${COMMIT_EVERY} ms, p99`,
        unit: 'ms',
        ours: moving.p99,
        baseline: rest,
        against,
        detail: { ...moving, commits },
      }),
      comparison({
        case: 'one such query alone, right after a commit',
        unit: 'ms',
        ours: fresh,
        baseline: strange,
        against: 'the same query in words never seen before: parsed, validated and executed without compilation',
      }),
    ];
  } finally {
    load.stop();
    await plane.stop();
    rmSync(directory, { recursive: true, force: true });
  }
};
