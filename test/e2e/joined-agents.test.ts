import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildControlPlane, type ControlPlane, listenOn, openAuthority, randomId, systemClock } from '@portolan/control-plane';
import { type RunningServer, startEtcd, startRedis } from '@portolan/harness';
import { openFakeKernel } from '@portolan/kernel';
import { etcdKeys, nodeQueueName } from '@portolan/protocol';
import type { NodeAccess } from '@portolan/store';
import { openNodeAccess } from '@portolan/store/access';
import { openCoordination } from '@portolan/store/etcd';
import { openMemoryCredentials, openMemoryStore } from '@portolan/store/memory';
import { openHintQueue } from '@portolan/store/queue';
import { Etcd3 } from 'etcd3';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAgent } from '../../apps/agent/src/agent.js';
import { systemClock as agentClock } from '../../apps/agent/src/clock.js';
import { type Connections, joinedConnections } from '../../apps/agent/src/credentials/connections.js';
import { credentialsOf } from '../../apps/agent/src/credentials/credentials-of.js';
import { type CredentialsFile, credentialsFile } from '../../apps/agent/src/credentials/held.js';
import { renewedCredentials } from '../../apps/agent/src/credentials/join.js';
import { secureLine } from '../../apps/agent/src/credentials/secure-line.js';
import { ledgerFile } from '../../apps/agent/src/ledger.js';
import { agentMetrics } from '../../apps/agent/src/metrics.js';
import type { Agent } from '../../apps/agent/src/ports.js';
import { until } from '../until.js';

/**
 * Two hosts join a control plane over TLS, with users of a real Redis and a real etcd, and are held to their own by all three; one renews its
 * credentials while it works, one is revoked. The kernels are fakes.
 */
const BOOTSTRAP = 'of-the-test';
const ETCD_ROOT = { user: 'root', password: 'of-the-test-too' };
const silent = pino({ level: 'silent' });

interface Host {
  readonly name: string;
  readonly file: CredentialsFile;
  readonly connections: Connections;
  readonly agent: Agent;
  readonly told: string[];
  stop(): Promise<void>;
}

let folder: string;
let redis: RunningServer;
let etcd: RunningServer;
let access: NodeAccess;
let plane: ControlPlane;
let url: string;
let closers: (() => Promise<unknown>)[];
/** Milliseconds that the clock of the control plane is ahead: certificates are renewed in the second half of their time. */
let ahead = 0;
const hosts: Record<string, Host> = {};

async function call(method: 'GET' | 'POST', path: string, body?: object): Promise<Record<string, unknown>> {
  const response = await plane.app.inject({
    method,
    url: path,
    headers: { authorization: `Bearer ${BOOTSTRAP}` },
    ...(body === undefined ? {} : { payload: body }),
  });
  if (response.statusCode >= 400) throw new Error(`${method} ${path}: ${response.body}`);
  return JSON.parse(response.body) as Record<string, unknown>;
}

async function host(name: string, address: string, token: string): Promise<Host> {
  const told: string[] = [];
  const note = (_fields: object, message: string): void => void told.push(message);
  const log = { debug: () => undefined, info: note, warn: note, error: note };
  const file = credentialsFile(join(folder, name, 'credentials.json'));
  const held = await credentialsOf({ token, file: undefined, server: url, name, address }, file, log, Date.now);
  if (held === undefined) throw new Error(`${name} did not join`);
  const connections = joinedConnections({ held, file, clock: agentClock, log });
  const kernel = openFakeKernel();
  const onDisk = ledgerFile(join(folder, name, 'ledger.json'), () => undefined);
  const agent = createAgent(
    {
      cluster: held.cluster,
      node: held.node,
      version: '0.0.0-test',
      resync: 60_000,
      presence: 60_000,
      quickPresence: 60_000,
      retryFirst: 200,
      retryLast: 1_000,
    },
    {
      kernel,
      sight: {
        dial: () => {
          throw new Error('nobody is dialled here');
        },
        establishedConnections: () => 0,
        underlay: () => ({ link: 'eth0', mtu: 1500, onLink: [] }),
        relay: async () => undefined,
        serverCounters: () => [],
      },
      controlPlane: connections.controlPlane,
      ledger: {
        read: onDisk.read,
        // The fake carries out steps towards a state that it was told of.
        write: async (ledger) => {
          if (ledger.desired !== undefined) kernel.intend(ledger.desired.state);
          await onDisk.write(ledger);
        },
      },
      hints: connections.hints,
      coordination: connections.coordination,
      clock: agentClock,
      log,
      metrics: agentMetrics(),
    },
  );
  await agent.start();
  return {
    name,
    file,
    connections,
    agent,
    told,
    stop: async () => {
      await agent.stop();
      await connections.close();
    },
  };
}

async function aliveNodes(): Promise<readonly string[]> {
  const client = new Etcd3({ hosts: etcd.url, auth: { username: ETCD_ROOT.user, password: ETCD_ROOT.password } });
  try {
    return (await client.getAll().prefix(etcdKeys.alivePrefix('lab')).keys()).map((key) => key.split('/').at(-1) ?? '');
  } finally {
    client.close();
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-joined-'));
  [redis, etcd] = await Promise.all([
    startRedis({ directory: join(folder, 'redis'), durable: false }),
    startEtcd({ directory: join(folder, 'etcd'), durable: false }),
  ]);
  const open = new Etcd3({ hosts: etcd.url });
  await open.role('root').create();
  await open.user(ETCD_ROOT.user).create(ETCD_ROOT.password);
  await open.user(ETCD_ROOT.user).addRole('root');
  await open.auth.authEnable();
  open.close();

  const authority = await openAuthority(join(folder, 'tls'), new Date());
  access = openNodeAccess({
    redisUrl: redis.url,
    publicRedisUrl: redis.url,
    etcdEndpoints: [etcd.url],
    publicEtcdEndpoints: [etcd.url],
    etcdUser: ETCD_ROOT,
    secret: authority.accessSecret,
  });
  const queue = openHintQueue({ redisUrl: redis.url });
  const coordination = openCoordination({ endpoints: [etcd.url], user: ETCD_ROOT });
  plane = await buildControlPlane({
    store: openMemoryStore(),
    credentials: openMemoryCredentials(),
    queue,
    coordination,
    access,
    authority,
    clock: { ...systemClock, now: () => new Date(Date.now() + ahead) },
    newId: randomId,
    log: silent,
    token: BOOTSTRAP,
  });
  const addresses = [{ host: '127.0.0.1', port: 0 }];
  [, url = ''] = await listenOn(plane.app, addresses, { addresses, authority, names: [], now: systemClock.now });
  await plane.start();
  closers = [() => plane.stop(), () => queue.close(), () => coordination.close(), () => access.close()];
  await call('POST', '/v1/clusters', { name: 'lab' });
});
afterAll(async () => {
  await Promise.allSettled(Object.values(hosts).map((each) => each.stop()));
  for (const close of closers) await close();
  await Promise.all([redis.stop(), etcd.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

describe('hosts that join', () => {
  it('become nodes, alive, with their states applied, by hints of their own queues', async () => {
    const { token } = await call('POST', '/v1/clusters/lab/join-tokens', { uses: 2 });
    hosts.one = await host('one', '192.0.2.1', String(token));
    hosts.two = await host('two', '192.0.2.2', String(token));
    expect(await call('GET', '/v1/clusters/lab/wait?timeout=20')).toMatchObject({});
    await until('both alive', 20, async () => (await aliveNodes()).length === 2);
    const before = hosts.one.agent.status().generation;
    await call('POST', '/v1/clusters/lab/networks?wait=applied&timeout=20', { name: 'front', attachable: true });
    await call('POST', '/v1/clusters/lab/endpoints?wait=applied&timeout=20', {
      name: 'a',
      node: 'one',
      networks: ['front'],
      attachment: { netns: '/run/netns/a' },
    });
    expect(hosts.one.agent.status().generation).toBeGreaterThan(before);
    expect(hosts.one.connections.access()).toMatchObject({ state: 'granted' });
  }, 60_000);

  it('reach nothing of each other', async () => {
    const [one, two] = [await hosts.one?.file.read(), await hosts.two?.file.read()];
    if (one?.redisUrl == null || one.etcd === null || two === undefined) throw new Error('credentials are missing');
    const line = secureLine(one);
    const answer = await line.exchange(`${url}/v1/agents/lab/two/state`, { method: 'GET', headers: {}, signal: AbortSignal.timeout(5_000) });
    line.close();
    expect(answer.status).toBeGreaterThanOrEqual(400);
    const own = new Redis(one.redisUrl, { retryStrategy: () => null });
    await expect(own.hgetall(`bull:${nodeQueueName('lab', 'two')}:meta`)).rejects.toThrow('NOPERM');
    await expect(own.hgetall(`bull:${nodeQueueName('lab', 'one')}:meta`)).resolves.toBeDefined();
    own.disconnect();
    const client = new Etcd3({ hosts: [...one.etcd.endpoints], auth: { username: one.etcd.user, password: one.etcd.password } });
    await expect(client.put(etcdKeys.alive('lab', 'two')).value('x').exec()).rejects.toThrow('permission denied');
    client.close();
  }, 30_000);

  it('get new credentials by those that they have, and go on with either until the old ones end', async () => {
    const file = hosts.one?.file;
    const held = await file?.read();
    if (held === undefined || file === undefined) throw new Error('no credentials');
    ahead = 4 * 86_400_000;
    const line = secureLine(held);
    const renewed = await renewedCredentials(held, line.exchange);
    line.close();
    expect(renewed.certificate).not.toBe(held.certificate);
    expect(renewed.privateKey).not.toBe(held.privateKey);
    await hosts.one?.stop();
    // More than one certificate in ten seconds nobody gets.
    ahead += 20_000;
    // As an agent that was killed between the answer and its file: it has the old certificate, and passwords that are no longer those of its users.
    expect(JSON.parse(readFileSync(file.path, 'utf8'))).toMatchObject({ certificate: held.certificate });
    hosts.one = await host('one', '192.0.2.1', String((await call('POST', '/v1/clusters/lab/join-tokens', {})).token));
    expect(hosts.one.told[0]).toContain('has joined already');
    await until('credentials are renewed', 45, async () => hosts.one?.told.includes('the credentials were renewed') === true);
    await until('both alive', 20, async () => (await aliveNodes()).length === 2);
    expect((await file.read())?.certificate).not.toBe(held.certificate);
  }, 90_000);

  it('and are revoked are cut off within seconds, everywhere, and keep what they have', async () => {
    const { one, two } = hosts;
    const held = await two?.file.read();
    if (one === undefined || two === undefined || held?.redisUrl == null || held.etcd === null) throw new Error('credentials are missing');
    const before = two.agent.status().generation;
    const began = performance.now();
    expect(await call('POST', '/v1/clusters/lab/nodes/two/revoke')).toMatchObject({ revoked: 1 });
    await two.agent.sync();
    expect(two.connections.access()).toMatchObject({ state: 'refused', fix: expect.stringContaining('--join') });
    const own = new Redis(held.redisUrl, { retryStrategy: () => null, lazyConnect: true });
    own.on('error', () => undefined);
    await expect(own.connect().then(() => own.hgetall(`bull:${nodeQueueName('lab', 'two')}:meta`))).rejects.toThrow();
    own.disconnect();
    const client = new Etcd3({ hosts: [...held.etcd.endpoints], auth: { username: held.etcd.user, password: held.etcd.password } });
    await expect(client.get(etcdKeys.revision('lab')).exec()).rejects.toThrow();
    client.close();
    // The lease of its liveness key may live on for as long as it was given.
    await until('only one alive', 10, async () => (await aliveNodes()).join() === 'one');
    expect(performance.now() - began).toBeLessThan(15_000);

    await call('POST', '/v1/clusters/lab/networks', { name: 'back', attachable: true });
    await two.agent.sync();
    expect(two.agent.status()).toMatchObject({ generation: before, status: 'applied' });
    expect(two.told.filter((line) => line.includes('refuses the credentials of this node'))).toHaveLength(1);
    expect(await one.agent.sync()).toBe(true);

    // With another token it is a node again.
    await two.stop();
    hosts.two = await host('two', '192.0.2.2', String((await call('POST', '/v1/clusters/lab/join-tokens', {})).token));
    expect(hosts.two.told[0]).toContain('joins again');
    await until('both alive', 20, async () => (await aliveNodes()).length === 2);
  }, 60_000);
});
