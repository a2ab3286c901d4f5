import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningServer, startEtcd, startRedis } from '@portolan/harness';
import { etcdKeys, nodeQueueName } from '@portolan/protocol';
import { Etcd3 } from 'etcd3';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openNodeAccess } from '../src/access/index.js';
import type { GrantedNode, NodeAccess, NodeGrant } from '../src/credentials.js';
import { openCoordination } from '../src/etcd/index.js';
import { openHintQueue, openHintSource } from '../src/queue/index.js';

// What the users of one node can do to another one's: nothing. On a real Redis, and a real etcd that asks everybody who he is.

const root = { user: 'root', password: 'root-password' };
const own: GrantedNode = { cluster: 'lab', node: 'node1', nodeId: 'a'.repeat(25), credential: '01' };
/** Its queue would be `own`'s if a name's dots meant what those between names mean. */
const other: GrantedNode = { cluster: 'lab', node: 'node1.b', nodeId: 'b'.repeat(25), credential: '02' };

let directory: string;
let redis: RunningServer;
let etcd: RunningServer;
let admin: Redis;
let etcdRoot: Etcd3;
let access: NodeAccess;
let ends: (() => unknown)[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'portolan-access-'));
  [redis, etcd] = await Promise.all([
    startRedis({ directory: join(directory, 'redis'), durable: false }),
    startEtcd({ directory: join(directory, 'etcd'), durable: false }),
  ]);
  const open = new Etcd3({ hosts: etcd.url });
  await open.user('root').create(root.password);
  await open.role('root').create();
  await open.user('root').addRole('root');
  await open.auth.authEnable();
  open.close();
  etcdRoot = new Etcd3({ hosts: etcd.url, auth: { username: root.user, password: root.password } });
  admin = new Redis(redis.url, { maxRetriesPerRequest: null });
  // It is killed in one of the tests.
  admin.on('error', () => undefined);
  access = openAccess();
});
afterEach(async () => {
  await Promise.all(ends.map((end) => end()));
  ends = [];
});
afterAll(async () => {
  await access?.close();
  admin?.disconnect();
  etcdRoot?.close();
  await Promise.all([redis?.stop(), etcd?.stop()]);
  rmSync(directory, { recursive: true, force: true });
});

function openAccess(): NodeAccess {
  return openNodeAccess({ redisUrl: redis.url, etcdEndpoints: [etcd.url], etcdUser: root, secret: new Uint8Array(32).fill(7) });
}

/** A connection by what the node was told, which does not come back by itself. */
async function redisAs(grant: NodeGrant): Promise<Redis> {
  const client = new Redis(grant.redisUrl ?? '', { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  let said: Error | undefined;
  client.on('error', (error) => {
    said = error;
  });
  ends.push(() => client.disconnect());
  await client.connect().catch((error: unknown) => {
    throw said ?? error;
  });
  return client;
}

function etcdAs({ etcd: told }: NodeGrant): Etcd3 {
  const client = new Etcd3({ hosts: etcd.url, auth: { username: told?.user ?? '', password: told?.password ?? '' } });
  ends.push(() => client.close());
  return client;
}

async function failureOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    (answer) => `no failure: ${JSON.stringify(answer)}`,
    (error: unknown) => String(error),
  );
}

/** What etcd says to a watch of a key before it ends it; its client would only begin anew. */
async function watchFailure(client: Etcd3, key: string): Promise<string> {
  const stream = await client.watchClient.watch();
  try {
    return await new Promise((resolve, reject) => {
      stream.on('error', reject);
      stream.on('data', ({ canceled, cancel_reason }) => resolve(canceled ? cancel_reason : 'it is watched'));
      stream.write({ create_request: { key: Buffer.from(key) } });
    });
  } finally {
    stream.end();
  }
}

/** Everything in the queue of a node, as Redis would move it elsewhere. */
async function queueDump(node: GrantedNode): Promise<Record<string, string | undefined>> {
  const keys = (await admin.keys(`bull:${nodeQueueName(node.cluster, node.node)}:*`)).sort();
  return Object.fromEntries(await Promise.all(keys.map(async (key) => [key, (await admin.dumpBuffer(key))?.toString('hex')])));
}

/** Every command of Redis in forms in which Redis itself says that `key` is one of its keys. */
async function commandsOn(key: string, own: string): Promise<readonly (readonly [string, ...string[]])[]> {
  const names = (await admin.call('COMMAND', 'LIST')) as readonly string[];
  const shapes = [
    [key],
    [key, '0'],
    [key, '0', '1'],
    [own, key],
    ['1', key],
    ['x', '1', key],
    [key, own, '0'],
    [own, own, key],
    ['0', '1', key],
    ['STREAMS', key, '0'],
  ];
  const calls = names.flatMap((name) => shapes.map((args) => [name, ...args] as [string, ...string[]]));
  const asked = admin.pipeline();
  for (const args of calls) asked.call('COMMAND', 'GETKEYS', ...args);
  const answers = (await asked.exec()) ?? [];
  return calls.filter((_, i) => {
    const [failure, keys] = answers[i] ?? [];
    return failure === null && Array.isArray(keys) && keys.includes(key);
  });
}

function withKey([name, ...args]: readonly [string, ...string[]], key: string): [string, ...string[]] {
  return [name, ...args.map((arg) => (arg === 'KEY' ? key : arg))];
}

async function publish(...nodes: readonly GrantedNode[]): Promise<void> {
  const queue = openHintQueue({ redisUrl: redis.url });
  await queue.publish(nodes.map(({ cluster, node }, i) => ({ id: String(i), cluster, node, hint: { jobId: 'j', generation: 1, revision: 1 } })));
  await queue.close();
}

describe('Redis', () => {
  it('gives a node its hints', async () => {
    const { redisUrl } = await access.grant(own);
    await publish(own);
    const source = openHintSource({ redisUrl: redisUrl ?? '', cluster: own.cluster, node: own.node });
    const taken = await new Promise((resolve) => source.start(async (hint) => resolve(hint.generation)));
    await source.close();
    expect(taken).toBe(1);
  });

  it('refuses every command on the keys of another node, directly and in scripts', async () => {
    const grant = await access.grant(own);
    await access.grant(other);
    await publish(own, other);
    const before = await queueDump(other);
    expect(Object.keys(before).length).toBeGreaterThan(3);
    const client = await redisAs(grant);
    const mine = `bull:${nodeQueueName(own.cluster, own.node)}:meta`;
    const tried = await commandsOn('KEY', mine);
    expect(tried.length).toBeGreaterThan(200);
    for (const key of Object.keys(before)) {
      const calls = client.pipeline();
      for (const args of tried) calls.call(...withKey(args, key));
      const failures = (await calls.exec())?.map(([failure]) => failure?.message ?? 'no failure') ?? [];
      const others = tried.map((args, i) => `${args.join(' ')}: ${failures[i]}`).filter((line) => !line.includes('NOPERM'));
      expect(others).toEqual([]);
      for (const [command, ...args] of [['get'], ['hgetall'], ['lrange', 0, -1], ['zrange', 0, -1], ['del'], ['set', 'x'], ['hset', 'a', 'x'], ['exists']]) {
        const script = (name: string): string => `return redis.call(${[`'${command}'`, name, ...args.map((arg) => `'${arg}'`)].join(', ')})`;
        expect(await failureOf(client.eval(script('KEYS[1]'), 1, key))).toMatch(/NOPERM/);
        expect(await failureOf(client.eval(script('ARGV[1]'), 0, key))).toMatch(/can't access at least one of the keys/);
      }
    }
    expect(await failureOf(client.call('CLIENT', 'LIST'))).toContain('NOPERM');
    expect(await failureOf(client.call('ACL', 'LIST'))).toContain('NOPERM');
    expect(await failureOf(client.call('CONFIG', 'GET', '*'))).toContain('NOPERM');
    expect(await failureOf(client.call('AUTH', 'default', ''))).toContain('WRONGPASS');
    expect(await queueDump(other)).toEqual(before);
    expect(await client.hget(mine, 'version')).toContain('bullmq');
  });

  it('has one password for a node, that of its newest credential, and connections outlive the change', async () => {
    const before = await access.grant(own);
    const held = await redisAs(before);
    const after = await access.grant({ ...own, credential: '03' });
    expect(after.redisUrl).not.toBe(before.redisUrl);
    expect(await failureOf(redisAs(before))).toContain('WRONGPASS');
    await redisAs(after);
    expect(await held.exists(`bull:${nodeQueueName('lab', 'node1')}:meta`)).toBe(1);
  });

  it('cuts off a node that is revoked, whatever it waits for', async () => {
    const grant = await access.grant(own);
    const client = await redisAs(grant);
    const waiting = failureOf(client.bzpopmin(`bull:${nodeQueueName('lab', 'node1')}:nothing`, 60));
    const start = performance.now();
    await access.revoke(own.nodeId);
    await waiting;
    expect(performance.now() - start).toBeLessThan(2000);
    expect(await failureOf(redisAs(grant))).toContain('WRONGPASS');
  });

  it('has its users again after a restart, and none that should not be', async () => {
    const grant = await access.grant(own);
    await access.grant(other);
    await redis.kill('SIGKILL');
    await redis.restart();
    await admin.ping();
    expect(await failureOf(redisAs(grant))).toContain('WRONGPASS');
    await admin.call('ACL', 'SETUSER', `portolan.node.${'c'.repeat(25)}`, 'on', 'nopass');
    await admin.call('ACL', 'SETUSER', 'somebody', 'on', 'nopass');
    await access.reconcile(async () => [own]);
    await redisAs(grant);
    expect(await admin.call('ACL', 'USERS')).toEqual(['default', `portolan.node.${own.nodeId}`, 'somebody']);
    await admin.call('ACL', 'DELUSER', 'somebody');
  });
});

describe('etcd', () => {
  it('shows a node the revision of its cluster, and keeps its liveness key', async () => {
    const { etcd: told } = await access.grant(own);
    await etcdRoot.put(etcdKeys.revision('lab')).value('7');
    const coordination = openCoordination({ endpoints: told?.endpoints ?? [], user: told ?? undefined });
    ends.push(() => coordination.close());
    expect(await new Promise((resolve) => void coordination.watchRevision('lab', resolve))).toBe(7);
    await coordination.keepAlive('lab', 'node1', { version: '1', startedAt: '2026-01-01T00:00:00.000Z', pid: 1 });
    expect(await etcdRoot.get(etcdKeys.alive('lab', 'node1'))).toContain('startedAt');
  });

  it('refuses everything else', async () => {
    const client = etcdAs(await access.grant(own));
    const lease = etcdRoot.lease(60);
    const keys = [
      etcdKeys.alive('lab', 'node2'),
      etcdKeys.alive('lab', 'node10'),
      etcdKeys.revision('lab2'),
      etcdKeys.alivePrefix('lab'),
      '/coreos.com/network/config',
      'x',
    ];
    for (const key of keys) await lease.put(key).value('theirs');
    await etcdRoot.put(etcdKeys.revision('lab')).value('7');
    const leaseId = await lease.grant();
    const attempts: Record<string, () => Promise<unknown>> = {
      revision: () => client.put(etcdKeys.revision('lab')).value('9').exec(),
      everything: () => client.getAll().exec(),
      cluster: () => client.getAll().prefix('/portolan/v1/lab/').exec(),
      alive: () => client.getAll().prefix(etcdKeys.alivePrefix('lab')).exec(),
      'delete all': () => client.delete().all().exec(),
      transaction: () => client.if('x', 'Mod', '!=', 0).then(client.put('x').value('mine')).commit(),
      'transaction that only compares': () =>
        client
          .if('x', 'Value', '==', 'theirs')
          .then(client.get(etcdKeys.revision('lab')))
          .commit(),
      'lease of others': () => client.leaseClient.leaseRevoke({ ID: leaseId }),
      users: () => client.getUsers(),
      roles: () => client.getRoles(),
      'own role': () => client.role(`portolan.node.${own.nodeId}`).grant({ permission: 'Readwrite', key: 'x' }),
      password: () => client.user(`portolan.node.${other.nodeId}`).setPassword('mine'),
      'no users': () => client.auth.authDisable(),
    };
    for (const key of keys) {
      attempts[`get ${key}`] = () => client.get(key).exec();
      attempts[`put ${key}`] = () => client.put(key).value('mine').exec();
      attempts[`delete ${key}`] = () => client.delete().key(key).exec();
    }
    for (const [what, attempt] of Object.entries(attempts)) expect(`${what}: ${await failureOf(attempt())}`).toMatch(/permission denied/i);
    for (const key of keys) expect(await watchFailure(client, key)).toMatch(/permission denied/);
    for (const key of keys) expect(await etcdRoot.get(key)).toBe('theirs');
    expect(await etcdRoot.get(etcdKeys.revision('lab'))).toBe('7');
    await lease.revoke();
  });

  it('knows a revoked node no longer, and takes its liveness away', async () => {
    const grant = await access.grant(own);
    const client = etcdAs(grant);
    await client.put(etcdKeys.alive('lab', 'node1')).value('here');
    await access.revoke(own.nodeId);
    expect(await etcdRoot.get(etcdKeys.alive('lab', 'node1'))).toBeNull();
    expect(await failureOf(client.put(etcdKeys.alive('lab', 'node1')).value('again').exec())).toMatch(/auth|user|token/i);
    expect(await failureOf(etcdAs(grant).get(etcdKeys.revision('lab')).exec())).toMatch(/auth/i);
  });

  it('has a password anew with each credential, and users again that were lost', async () => {
    const before = await access.grant(own);
    const after = await access.grant({ ...own, credential: '04' });
    expect(await failureOf(etcdAs(before).get(etcdKeys.revision('lab')).exec())).toMatch(/auth/i);
    expect(await failureOf(etcdAs(after).get(etcdKeys.revision('lab')).exec())).toContain('no failure');
    await etcdRoot.user(`portolan.node.${own.nodeId}`).delete();
    // As another control plane does that has the same secret and has made nobody's users yet.
    const second = openAccess();
    await second.reconcile(async () => [{ ...own, credential: '04' }]);
    await second.close();
    expect(await failureOf(etcdAs(after).get(etcdKeys.revision('lab')).exec())).toContain('no failure');
    await access.reconcile(async () => []);
    expect((await etcdRoot.getUsers()).map(({ name }) => name)).toEqual(['root']);
    expect((await etcdRoot.getRoles()).map(({ name }) => name)).toEqual(['root']);
  });
});
