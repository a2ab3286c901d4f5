import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Lab, startLab } from '@portolan/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../until.js';

/** Each of the three servers is killed under a lab with traffic. Nothing else is restarted. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const ENDPOINT = '/endpoints/bjdt_bjdt-dzwl.1';

let directory: string;
let lab: Lab;

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function call(path: string, method = 'GET', body?: unknown): Promise<Answer> {
  const answer = await fetch(`${lab.apiUrl}/v1/clusters/${lab.cluster}${path}`, {
    method,
    ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}

/** The whole way: commit, compute, hint, apply, report. */
async function applyWeight(weight: number): Promise<void> {
  expect(await call(`${ENDPOINT}?wait=applied&timeout=60`, 'PATCH', { weight })).toMatchObject({ status: 200, body: { weight } });
}

async function expectTraffic(): Promise<void> {
  for (const { address } of lab.hosts.values()) expect((await lab.request('machine', `http://${address}:8000/`, 30)).failures).toEqual([]);
}

function server(name: 'postgres' | 'redis' | 'etcd') {
  const found = lab.servers.own[name];
  if (found === undefined) throw new Error(`the lab has no ${name} of its own`);
  return found;
}

beforeAll(async () => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  directory = mkdtempSync(join(root, '.portolan/faults-'));
  lab = await startLab({ directory });
});

afterAll(async () => {
  await lab?.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('a lab outlives', () => {
  it('Redis: changes reach the nodes by the revision key, and by jobs again afterwards', async () => {
    await applyWeight(2);
    await server('redis').kill('SIGKILL');
    await expectTraffic();
    await applyWeight(3);
    await server('redis').restart();
    await applyWeight(4);
  });

  it('etcd: changes reach the nodes by jobs, nodes are neither up nor down, and are up again afterwards', async () => {
    const alive = async () => ((await call('/status')).body.nodes as { alive: boolean | null }[]).map((node) => node.alive);
    await until('all nodes are up', 20, async () => (await alive()).every((up) => up === true));
    await server('etcd').kill('SIGKILL');
    await expectTraffic();
    await applyWeight(5);
    await until('nobody knows', 20, async () => (await alive()).every((up) => up !== true));
    await server('etcd').restart();
    await until('all nodes are up', 30, async () => (await alive()).every((up) => up === true));
    await applyWeight(6);
  });

  it('PostgreSQL: requests are refused with the reason, packets are not, and what was committed is there', async () => {
    await server('postgres').kill('SIGKILL');
    for (const answer of [await call(ENDPOINT), await call(ENDPOINT, 'PATCH', { weight: 7 })]) {
      expect(answer).toMatchObject({ status: 503, body: { code: 'store-unavailable', detail: expect.stringContaining('PostgreSQL') as unknown } });
    }
    await expectTraffic();
    await server('postgres').restart();
    await until('requests are answered', 30, async () => (await call(ENDPOINT)).status === 200);
    expect((await call(ENDPOINT)).body).toMatchObject({ weight: 6 });
    await applyWeight(7);
    await expectTraffic();
  });
});
