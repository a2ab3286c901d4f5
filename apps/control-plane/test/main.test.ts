import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, type RunningServer, startEtcd, startPostgres, startRedis } from '@portolan/harness';
import { FLANNEL_PREFIX } from '@portolan/model';
import { openFlannelRegistry } from '@portolan/store/etcd';
import { bjdtManifest } from '@portolan/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SimulatedAgent } from './simulated-agent.js';
import { type Answer, eventually, type Json } from './test-plane.js';

// The process itself, on real servers that go away and come back.

let directory: string;
let servers: { postgres: RunningServer; redis: RunningServer; etcd: RunningServer };
let child: ChildProcess;
let url: string;
const output: string[] = [];

async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as Json, headers: Object.fromEntries(response.headers) };
}

beforeAll(async () => {
  // PostgreSQL runs under an account of its own, which must be able to reach its folder.
  directory = await mkdtemp('/tmp/portolan-control-plane-');
  await chmod(directory, 0o711);
  const options = (name: string) => ({ directory: join(directory, name), durable: false });
  const [postgres, redis, etcd] = await Promise.all([startPostgres(options('postgres')), startRedis(options('redis')), startEtcd(options('etcd'))]);
  servers = { postgres, redis, etcd };
});

afterAll(async () => {
  if (child?.exitCode === null) child.kill('SIGKILL');
  await Promise.all(Object.values(servers ?? {}).map((server) => server.stop()));
  await rm(directory, { recursive: true, force: true });
});

it('starts without its database, serves when it comes, outlives each store, and stops in order', async () => {
  await servers.postgres.kill('SIGKILL');
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', main], {
    env: {
      ...process.env,
      PORTOLAN_LISTEN: `127.0.0.1:${port}`,
      DATABASE_URL: servers.postgres.url,
      REDIS_URL: servers.redis.url,
      ETCD_ENDPOINTS: servers.etcd.url,
      PORTOLAN_TOKEN: '',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => output.push(chunk.toString()));

  // The process reads its sources first, which takes its time on a machine with other work.
  await eventually(async () => expect((await send('GET', '/healthz')).status).toBe(200), 60_000);
  expect(await send('GET', '/readyz')).toMatchObject({
    status: 503,
    body: { ready: false, stores: { postgres: { ready: false }, redis: { ready: true }, etcd: { ready: true } } },
  });
  expect(await send('GET', '/v1/clusters')).toMatchObject({ status: 503, body: { code: 'store-unavailable' } });
  await servers.postgres.restart();
  await eventually(async () => expect((await send('GET', '/readyz')).status).toBe(200), 20_000);

  expect((await send('POST', '/v1/clusters', { name: 'lab' })).status).toBe(201);
  const agents = ['node1', 'node2', 'node3'].map((node) => new SimulatedAgent({ send }, 'lab', node));
  const converge = async (revision: number): Promise<void> => {
    await eventually(async () => {
      for (const agent of agents) await agent.sync();
      expect((await send('GET', `/v1/clusters/lab/wait?revision=${revision}&timeout=0.1`)).status).toBe(200);
    }, 15_000);
  };
  expect((await send('PUT', '/v1/clusters/lab/manifest', bjdtManifest)).body).toMatchObject({ revision: 1, changed: true });
  await converge(1);

  await keepsFlannel(agents);

  await servers.redis.kill('SIGKILL');
  servers.etcd.pause();
  const without = await send('DELETE', '/v1/clusters/lab/endpoints/bjdt_bjdt-dzwl.3');
  expect(without.status).toBe(204);
  await converge(Number(without.headers['portolan-revision']));
  const unready = await send('GET', '/readyz');
  expect(unready.body.stores).toMatchObject({
    postgres: { ready: true },
    redis: { ready: false, reason: expect.any(String) },
    etcd: { ready: false, reason: expect.any(String) },
  });
  await servers.redis.restart();
  servers.etcd.resume();

  await servers.postgres.kill('SIGKILL');
  expect(await send('POST', '/v1/clusters/lab/services', { name: 'late' })).toMatchObject({ status: 503, body: { code: 'store-unavailable' } });
  await servers.postgres.restart();
  await eventually(async () => expect((await send('GET', '/readyz')).status).toBe(200), 20_000);
  const after = await send('POST', '/v1/clusters/lab/services', { name: 'late' });
  expect(after.status).toBe(201);
  await converge(Number(after.headers['portolan-revision']));
  await eventually(async () => expect(await (await fetch(`${url}/metrics`)).text()).toContain('portolan_outbox_messages 0'), 15_000);

  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  expect(code).toBe(0);
  const lines = output
    .join('')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { level: number; msg: string });
  expect(lines.filter(({ level }) => level >= 50)).toEqual([]);
  expect(lines.length).toBeLessThan(90);
}, 180_000);

/** The registry in a real etcd: leases of ours and of a foreign node, an etcd that does not answer, and one that lost everything. */
async function keepsFlannel(agents: readonly SimulatedAgent[]): Promise<void> {
  const path = '/v1/clusters/lab/flannel';
  const registry = openFlannelRegistry({ endpoints: [servers.etcd.url] });
  const entries = async () => (await registry.read(FLANNEL_PREFIX)).subnets;
  const synced = async (): Promise<Json> => {
    for (const agent of agents) await agent.sync();
    return (await send('GET', `${path}/status`)).body;
  };
  try {
    for (const agent of agents) agent.host = { underlayLink: 'eth1', onLink: ['172.16.130.0/24'] };
    expect((await send('PUT', path, { network: '10.244.0.0/16', backend: { type: 'vxlan' } })).status).toBe(200);
    const held = { secondsLeft: expect.any(Number), foreign: false, kernel: { inSync: true, device: 'flannel.1' } };
    await eventually(async () => expect(await synced()).toMatchObject({ phase: 'active', etcd: true, leases: [held, held, held] }), 15_000);
    const ours = await entries();
    expect([...ours.values()].map(({ leaseId }) => leaseId)).not.toContain(null);

    const value = '{"PublicIP":"172.16.130.150","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"9a:00:00:00:00:01"}}';
    expect(await registry.write(FLANNEL_PREFIX, { key: '10.244.200.0-24', value, reserved: false }, null)).toBe(true);
    const foreign = { key: '10.244.200.0-24', foreign: true, publicAddress: '172.16.130.150', vtepMac: '9a:00:00:00:00:01' };
    await eventually(async () => expect((await synced()).leases).toContainEqual(expect.objectContaining(foreign)));

    servers.etcd.pause();
    await eventually(async () => expect(await synced()).toMatchObject({ etcd: false, leases: [{}, {}, {}, { secondsLeft: null }] }), 20_000);
    servers.etcd.resume();
    await eventually(async () => expect(await synced()).toMatchObject({ etcd: true }), 20_000);

    for (const entry of (await entries()).values()) await registry.remove(FLANNEL_PREFIX, entry);
    await eventually(async () => {
      const again = await entries();
      expect([...again.values()].map(({ key, value: text }) => ({ key, text }))).toEqual([...ours.values()].map(({ key, value: text }) => ({ key, text })));
    }, 15_000);
    await eventually(async () => expect((await synced()).leases).toHaveLength(3));
    expect((await send('DELETE', path)).status).toBe(204);
    await eventually(async () => expect((await registry.read(FLANNEL_PREFIX)).config).toBeNull(), 15_000);
    expect([...(await entries()).keys()]).toEqual([]);
    await eventually(async () => expect((await send('GET', path)).status).toBe(404));
  } finally {
    await registry.close();
  }
}

it('names a wrong value in its environment, and ends', async () => {
  const wrong = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', fileURLToPath(new URL('../src/main.ts', import.meta.url))], {
    env: { ...process.env, PORTOLAN_LISTEN: 'nowhere' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const errors: string[] = [];
  wrong.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
  const [code] = (await once(wrong, 'close')) as [number | null];
  expect(code).toBe(1);
  expect(errors.join('')).toBe('PORTOLAN_LISTEN=nowhere is not valid: write it as 127.0.0.1:7080, or several separated by commas\n');
});
