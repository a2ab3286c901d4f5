import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, type RunningServer, startEtcd, startPostgres, startRedis } from '@portolan/harness';
import { agentPaths, joinPaths, PROTOCOL_VERSION } from '@portolan/protocol';
import { openCoordination } from '@portolan/store/etcd';
import { openHintSource } from '@portolan/store/queue';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BOOTSTRAP, bootstrap, type Host, newRequest, type Secure, secureCaller } from './secure-plane.js';
import { SimulatedAgent } from './simulated-agent.js';
import { eventually, type Json } from './test-plane.js';

// The process itself, on real servers that ask everybody who he is, and an agent's three ways to it.

const etcdRoot = { name: 'root', password: 'root-password' };
let directory: string;
let servers: { postgres: RunningServer; redis: RunningServer; etcd: RunningServer };
let child: ChildProcess;
const output: string[] = [];

/** By etcd's gateway for JSON. */
async function etcdCall(path: string, body: object): Promise<void> {
  const answer = await fetch(`${servers.etcd.url}/v3/auth/${path}`, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`etcd answered ${path} with ${await answer.text()}`);
}

beforeAll(async () => {
  directory = await mkdtemp('/tmp/portolan-credentials-');
  await chmod(directory, 0o711);
  const options = (name: string) => ({ directory: join(directory, name), durable: false });
  const [postgres, redis, etcd] = await Promise.all([startPostgres(options('postgres')), startRedis(options('redis')), startEtcd(options('etcd'))]);
  servers = { postgres, redis, etcd };
  await etcdCall('user/add', etcdRoot);
  await etcdCall('role/add', { name: 'root' });
  await etcdCall('user/grant', { user: 'root', role: 'root' });
  await etcdCall('enable', {});
});
afterAll(async () => {
  if (child?.exitCode === null) child.kill('SIGKILL');
  await Promise.all(Object.values(servers ?? {}).map((server) => server.stop()));
  await rm(directory, { recursive: true, force: true });
});

it('lets a host in, gives it its ways, and cuts it off on all of them within seconds', async () => {
  const port = await freePort();
  const tls = join(directory, 'tls');
  child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', fileURLToPath(new URL('../src/main.ts', import.meta.url))], {
    env: {
      ...process.env,
      ...{
        PORTOLAN_LISTEN: '',
        PORTOLAN_TLS_LISTEN: `127.0.0.1:${port}`,
        PORTOLAN_TLS_DIR: tls,
        PORTOLAN_TLS_NAMES: 'portolan.test',
        PORTOLAN_TOKEN: BOOTSTRAP,
      },
      ...{ DATABASE_URL: servers.postgres.url, REDIS_URL: servers.redis.url, ETCD_ENDPOINTS: servers.etcd.url },
      ...{ PORTOLAN_ETCD_USER: etcdRoot.name, PORTOLAN_ETCD_PASSWORD: etcdRoot.password, PORTOLAN_PUBLIC_URL: `https://localhost:${port}` },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => output.push(chunk.toString()));
  const started = async (): Promise<Secure> => secureCaller(`https://localhost:${port}`, await readFile(join(tls, 'authority.pem'), 'utf8'));
  await eventually(async () => expect((await (await started())('GET', '/readyz')).status).toBe(200), 60_000);
  const secure = await started();

  expect((await secure('POST', '/v1/clusters', { name: 'lab' }, bootstrap)).status).toBe(201);
  const { body: token } = await secure('POST', '/v1/clusters/lab/join-tokens', {}, bootstrap);
  expect(token.server).toBe(`https://localhost:${port}`);
  const { key, csr } = await newRequest();
  const joined = await secure('POST', joinPaths.join, { protocol: PROTOCOL_VERSION, token: token.token, name: 'node1', address: '192.0.2.1', request: csr });
  expect(joined.status).toBe(201);
  const host: Host = { key, credentials: joined.body as unknown as Host['credentials'] };
  const { redisUrl, etcd } = host.credentials;

  let denied: string[] = [];
  const source = openHintSource({ redisUrl: redisUrl ?? '', cluster: 'lab', node: 'node1', onDenied: () => denied.push('redis') });
  const coordination = openCoordination({ endpoints: etcd?.endpoints ?? [], user: etcd ?? undefined, onDenied: () => denied.push('etcd') });
  const generations: number[] = [];
  source.start(async ({ generation }) => void generations.push(generation));
  await coordination.keepAlive('lab', 'node1', { version: '1', startedAt: new Date().toISOString(), pid: 1 });
  const agent = new SimulatedAgent({ send: (method, path, body) => secure(method, path, body, host) }, 'lab', 'node1');
  const node = async (): Promise<Json> => (await secure('GET', '/v1/clusters/lab/nodes/node1', undefined, bootstrap)).body;
  try {
    await eventually(async () => {
      await agent.sync();
      expect(await node()).toMatchObject({ status: { alive: true, lastStatus: 'applied' } });
    }, 15_000);
    await eventually(() => expect(generations).toContain(1), 15_000);

    // Redis forgets its users; the agent is let in again without a word from anybody.
    await servers.redis.kill('SIGKILL');
    await servers.redis.restart();
    await secure('POST', '/v1/clusters/lab/nodes', { name: 'node2', address: '192.0.2.2' }, bootstrap);
    await secure('POST', '/v1/clusters/lab/networks', { name: 'net' }, bootstrap);
    await secure('POST', '/v1/clusters/lab/services', { name: 'web', networks: [{ network: 'net' }] }, bootstrap);
    await secure('POST', '/v1/clusters/lab/endpoints', { name: 'web.1', service: 'web', node: 'node1', attachment: { netns: '/run/netns/web' } }, bootstrap);
    await eventually(() => expect(generations.length).toBeGreaterThan(1), 30_000);

    denied = [];
    const start = performance.now();
    expect((await secure('POST', '/v1/clusters/lab/nodes/node1/revoke', undefined, bootstrap)).body).toEqual({ revoked: 1 });
    expect((await secure('GET', agentPaths.state('lab', 'node1'), undefined, host)).status).toBe(401);
    await eventually(() => expect(new Set(denied)).toEqual(new Set(['redis', 'etcd'])), 10_000);
    await eventually(async () => expect(await node()).toMatchObject({ status: { alive: false } }), 10_000);
    expect(performance.now() - start).toBeLessThan(10_000);
  } finally {
    await Promise.all([source.close(), coordination.close()]);
  }

  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  expect(code).toBe(0);
  const said = output.join('');
  const secrets = [String(token.token).split('.')[2], BOOTSTRAP, new URL(redisUrl ?? '').password, etcd?.password, etcdRoot.password];
  for (const secret of secrets) expect(said).not.toContain(secret);
  expect(said.split('\n').filter((line) => line.includes('"level":50'))).toEqual([]);
}, 180_000);
