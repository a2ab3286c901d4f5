import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Agent, type AgentPorts, agentMetrics, createAgent, httpControlPlane, type LedgerFile, ledgerFile, systemClock } from '@portolan/agent';
import { freePort, startProcess, startServers } from '@portolan/harness';
import { type FakeKernel, openFakeKernel } from '@portolan/kernel';
import { programs } from '@portolan/lab';
import { openCoordination } from '@portolan/store/etcd';
import { openHintSource } from '@portolan/store/queue';
import { pino } from 'pino';
import { type Comparison, comparison, median, milliseconds, percentiles } from './bench.js';
import { partsOfChanges } from './converge-parts.js';
import { processorTime } from './cpu-time.js';

interface Dated {
  readonly createdAt: string;
}

function timeOf(row: Dated | undefined): number {
  return Date.parse(row?.createdAt ?? '');
}

const CLUSTER = 'fleet';
const CHANGES = 60;

function megabytesOf(pid: number): number {
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);
}

/** One service with an endpoint on each node, so that every change of a weight concerns every node. */
function manifestOf(nodes: number): object {
  return {
    nodes: Array.from({ length: nodes }, (_, i) => ({ name: `n${i}`, address: `172.16.${100 + (i >> 8)}.${i & 255}` })),
    networks: [
      { name: 'ingress', ingress: true, subnet: '10.255.0.0/16' },
      { name: 'net', subnet: '10.1.0.0/16' },
    ],
    services: [{ name: 'web', networks: [{ network: 'net' }], ports: [{ published: 8000, target: 80 }] }],
    endpoints: Array.from({ length: nodes }, (_, i) => ({ name: `web.${i}`, service: 'web', node: `n${i}`, attachment: { netns: `/run/netns/web.${i}` } })),
  };
}

/** Containers that are in memory answer nobody. */
const sight: AgentPorts['sight'] = {
  dial: () => {
    throw new Error('the containers of this fleet are in memory');
  },
  establishedConnections: () => 0,
  underlay: () => ({ link: 'eth1', mtu: 1500, onLink: ['172.16.0.0/16'] }),
  relay: async () => undefined,
  serverCounters: () => [],
};

function sent(body: unknown): Pick<RequestInit, 'headers' | 'body'> {
  return body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/** A kernel in memory that makes what the accepted state says: the ledger is written before anything is applied. */
function intending(kernel: FakeKernel, file: LedgerFile, onAccepted: () => void): LedgerFile {
  let accepted: string | undefined;
  return {
    read: () => file.read(),
    write: async (ledger) => {
      if (ledger.desired !== undefined) kernel.intend(ledger.desired.state);
      await file.write(ledger);
      if (ledger.desired?.state.hash !== accepted) onAccepted();
      accepted = ledger.desired?.state.hash;
    },
  };
}

/** A real control plane with real servers, and so many agents of which only the kernels are in memory, all in this process. */
export async function fleetConverges(count: number, directory: string, report: (progress: string) => void): Promise<Comparison> {
  const servers = await startServers({ directory: join(directory, 'servers'), durable: false });
  const { databaseUrl, redisUrl, etcdEndpoints, own } = servers;
  const url = `http://127.0.0.1:${await freePort()}`;
  const env = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    ETCD_ENDPOINTS: etcdEndpoints.join(','),
    PORTOLAN_LISTEN: new URL(url).host,
    PORTOLAN_TOKEN: '',
    LOG_LEVEL: 'warn',
  };
  const controlPlane = await startProcess([process.execPath, programs.controlPlane], { logFile: join(directory, 'control-plane.log'), env });
  const agents: Agent[] = [];
  try {
    while (!(await fetch(`${url}/readyz`).catch(() => undefined))?.ok) await sleep(50);
    const call = async (path: string, method: string, body?: unknown): Promise<unknown> => {
      const answer = await fetch(`${url}/v1/clusters${path}`, { method, ...sent(body) });
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
      return answer.json();
    };
    await call('', 'POST', { name: CLUSTER });
    await call(`/${CLUSTER}/manifest`, 'PUT', manifestOf(count));
    const log = pino({ level: 'error' });
    const metrics = agentMetrics();
    const parts = partsOfChanges();
    const before = megabytesOf(process.pid);
    for (let i = 0; i < count; i++) {
      const [node, kernel] = [`n${i}`, openFakeKernel()];
      const state = join(directory, node);
      const real = httpControlPlane({ url, cluster: CLUSTER, node });
      const hints = openHintSource({ redisUrl, cluster: CLUSTER, node });
      mkdirSync(state, { recursive: true });
      agents.push(
        createAgent(
          { cluster: CLUSTER, node, version: '0.0.0' },
          {
            kernel,
            sight,
            controlPlane: {
              fetchState: real.fetchState,
              sendTraffic: real.sendTraffic,
              sendReport: async (told) => {
                parts.note('reported');
                const answer = await real.sendReport(told);
                parts.note('answered');
                return answer;
              },
            },
            ledger: intending(
              kernel,
              ledgerFile(join(state, 'ledger.json'), (error) => {
                throw error;
              }),
              () => parts.note('accepted'),
            ),
            hints: {
              start: (take) =>
                hints.start((hint) => {
                  parts.note('hint');
                  return take(hint);
                }),
              close: hints.close,
            },
            coordination: openCoordination({ endpoints: etcdEndpoints }),
            clock: systemClock,
            log,
            metrics,
          },
        ),
      );
    }
    await Promise.all(agents.map((agent) => agent.start()));
    const first = await milliseconds(() => call(`/${CLUSTER}/manifest?wait=applied&timeout=120`, 'PUT', manifestOf(count)));
    report(`${count} agents have the manifest after ${Math.round(first)} ms`);
    const pids = { controlPlane: controlPlane.pid, postgres: own.postgres?.pid, redis: own.redis?.pid, etcd: own.etcd?.pid, agents: process.pid };
    const used = (): readonly number[] => Object.values(pids).map((pid) => (pid === undefined ? 0 : processorTime(pid)));
    const times: number[] = [];
    const usedBefore = used();
    for (let change = 0; change < CHANGES; change++) {
      parts.begin();
      times.push(await milliseconds(() => call(`/${CLUSTER}/endpoints/web.${change % count}?wait=applied`, 'PATCH', { weight: change + 2 })));
      const answeredAt = Date.now();
      const [revision] = ((await call(`/${CLUSTER}/revisions?limit=1`, 'GET')) as { items: readonly Dated[] }).items;
      const jobs = ((await call(`/${CLUSTER}/jobs?limit=${count}`, 'GET')) as { items: readonly Dated[] }).items;
      parts.end({ committedAt: timeOf(revision), savedAt: jobs.map(timeOf), answeredAt });
      await sleep(50);
    }
    const usedAfter = used();
    const states = (await metrics.registry.getSingleMetric('portolan_agent_states_total')?.get())?.values ?? [];
    const taken = Object.fromEntries(states.map(({ labels, value }) => [`states by ${labels.by}, of all agents, since their start`, value]));
    const processor = Object.fromEntries(
      Object.keys(pids).map((name, i) => [`processor ms a change, ${name}`, Math.round(((usedAfter[i] ?? 0) - (usedBefore[i] ?? 0)) / times.length)]),
    );
    const commits: number[] = [];
    for (let change = 0; change < CHANGES; change++) {
      commits.push(await milliseconds(() => call(`/${CLUSTER}/endpoints/web.${change % count}`, 'PATCH', { labels: { change: `${change}` } })));
    }
    return comparison({
      case: `one weight on ${count} agents in one process, with PostgreSQL, Redis and etcd`,
      unit: 'ms',
      ours: median(times),
      baseline: median(commits),
      against: 'the commit alone, of a change that concerns no kernel',
      detail: {
        ...percentiles(times),
        changes: times.length,
        agentMiB: Math.round((megabytesOf(process.pid) - before) / count),
        controlPlaneMiB: megabytesOf(controlPlane.pid),
        wholeManifestMs: Math.round(first),
        ...taken,
        ...processor,
        ...Object.fromEntries(Object.entries(parts.medians()).map(([moment, at]) => [`ms until ${moment}`, at])),
      },
    });
  } finally {
    await Promise.allSettled(agents.map((agent) => agent.stop()));
    await controlPlane.kill('SIGTERM');
    await controlPlane.exited;
    await servers.stop();
  }
}
