import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningServer, startEtcd, startRedis } from '@portolan/harness';
import { etcdKeys, joinPaths, nodeQueueName } from '@portolan/protocol';
import { openHintQueue } from '@portolan/store/queue';
import { Etcd3 } from 'etcd3';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Connections, joinedConnections } from '../../src/credentials/connections.js';
import { credentialsOf } from '../../src/credentials/credentials-of.js';
import { type CredentialsFile, credentialsFile } from '../../src/credentials/held.js';
import { fakeClock } from '../fake-clock.js';
import { until } from '../stage.js';
import { type TestAuthority, testAuthority } from './authority.js';
import { CLUSTER, NODE, type ScriptedServer, scriptedServer } from './scripted-server.js';

// A node's own users of a real Redis and a real etcd, over a scripted control plane with TLS.

/** What a worker of BullMQ needs. */
const COMMANDS =
  '-@all +info +client|setname +evalsha +eval +hmget +exists +zrangebyscore +set +zrem +hget +get +bzpopmin +xtrim +rpoplpush +lpush +smembers +zpopmin +hexists +xadd +lrange +del +incr +hset +zrange +sadd +hmset +zadd +pexpire +hincrby +lrem +rpush +hgetall +srem +zscore +scard +hdel +zcard +zrevrangebyscore +pttl +zrevrange +zremrangebyrank +llen';

let folder: string;
let redisServer: RunningServer;
let etcdServer: RunningServer;
let redis: Redis;
let etcd: Etcd3;
let authority: TestAuthority;
let server: ScriptedServer;
let connections: Connections | undefined;
let file: CredentialsFile;
let logged: string[];
const note = (_fields: object, message: string): void => void logged.push(message);
const log = { debug: note, info: note, warn: note, error: note };

async function setRedisUser(password: string): Promise<void> {
  await redis.call('ACL', 'SETUSER', NODE, 'reset', 'on', `>${password}`, `~bull:${nodeQueueName(CLUSTER, NODE)}:*`, ...COMMANDS.split(' '));
}

/** User and password of the node from now on, everywhere. */
async function give(password: string): Promise<void> {
  await setRedisUser(password);
  await etcd
    .user(NODE)
    .setPassword(password)
    .catch(() => undefined);
  const { host } = new URL(redisServer.url);
  server.gives = { redisUrl: `redis://${NODE}:${password}@${host}`, etcd: { endpoints: [etcdServer.url], user: NODE, password } };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-connections-'));
  [redisServer, etcdServer, authority] = await Promise.all([
    startRedis({ directory: join(folder, 'redis'), durable: false }),
    startEtcd({ directory: join(folder, 'etcd'), durable: false }),
    testAuthority(),
  ]);
  redis = new Redis(redisServer.url);
  const unprotected = new Etcd3({ hosts: etcdServer.url });
  await unprotected.role('root').create();
  await unprotected.user('root').create('of-the-test');
  await unprotected.user('root').addRole('root');
  const role = unprotected.role('node');
  await role.create();
  await role.grant({ permission: 'Read', key: etcdKeys.revision(CLUSTER) });
  await role.grant({ permission: 'Readwrite', key: etcdKeys.alive(CLUSTER, NODE) });
  await unprotected.user(NODE).create('first');
  await unprotected.user(NODE).addRole('node');
  await unprotected.auth.authEnable();
  unprotected.close();
  etcd = new Etcd3({ hosts: etcdServer.url, auth: { username: 'root', password: 'of-the-test' } });
});
afterAll(async () => {
  redis.disconnect();
  etcd.close();
  await Promise.all([redisServer.stop(), etcdServer.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  server = await scriptedServer(authority);
  file = credentialsFile(join(folder, 'state', 'credentials.json'));
  logged = [];
  await give('first');
});
afterEach(async () => {
  await connections?.hints.close();
  await connections?.close();
  connections = undefined;
  await server.close();
  rmSync(join(folder, 'state'), { recursive: true, force: true });
});

async function joined(): Promise<ReturnType<typeof fakeClock>> {
  const clock = fakeClock();
  const settings = { token: server.token, file: undefined, server: server.url, name: NODE, address: '192.0.2.7' };
  const held = await credentialsOf(settings, file, log, Date.now);
  if (held === undefined) throw new Error('it did not join');
  connections = joinedConnections({ held, file, clock, log });
  return clock;
}

async function publish(jobId: string): Promise<void> {
  const queue = openHintQueue({ redisUrl: redisServer.url });
  await queue.publish([{ id: jobId, cluster: CLUSTER, node: NODE, hint: { jobId, generation: 1, revision: 1 } }]);
  await queue.close();
}

const isAlive = async (): Promise<boolean> => (await etcd.get(etcdKeys.alive(CLUSTER, NODE)).string()) !== null;

describe('a node that has joined', () => {
  it('asks over TLS 1.3 with its certificate, over one connection', async () => {
    await joined();
    const before = server.connections();
    for (let round = 0; round < 5; round += 1) expect(await connections?.controlPlane.fetchState('h')).toMatchObject({ kind: 'same' });
    expect(server.connections() - before).toBe(1);
    expect(new Set(server.asked.map(({ tls }) => tls))).toEqual(new Set(['TLSv1.3']));
    expect(server.asked.every(({ serial }) => serial !== '')).toBe(true);
    expect(connections?.access()).toMatchObject({ state: 'granted' });
  });

  it('goes over to new credentials while it works: certificate, queue, watch and liveness', async () => {
    // By the fake clock, 1,000 s after 1970.
    server.validity = { from: 0, until: 3_000_000 };
    const clock = await joined();
    const hints: string[] = [];
    const revisions: number[] = [];
    connections?.hints.start(async ({ jobId }) => void hints.push(jobId));
    await connections?.coordination.watchRevision(CLUSTER, (revision) => revisions.push(revision));
    await connections?.coordination.keepAlive(CLUSTER, NODE, { version: '1', startedAt: '2026-01-01T00:00:00Z', pid: 1 });
    await publish('before');
    await etcd.put(etcdKeys.revision(CLUSTER)).value('7');
    await until(() => hints.includes('before') && revisions.includes(7), 'hint and revision with the first credentials');
    const [first] = [(await file.read())?.certificate];

    await give('second');
    server.validity = { from: 1_000_000, until: 9_000_000_000 };
    await clock.pass(2_000_000);
    await until(() => logged.includes('the credentials were renewed'), 'a renewal');
    const renewed = await file.read();
    expect(renewed?.certificate).not.toBe(first);
    expect(renewed?.redisUrl).toContain('second');
    // Alive all the time, with the lease of the new user in the end.
    for (let look = 0; look < 20; look += 1) {
      expect(await isAlive()).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await publish('after');
    await etcd.put(etcdKeys.revision(CLUSTER)).value('8');
    await until(() => hints.includes('after') && revisions.includes(8), 'hint and revision with the second credentials');
    await connections?.controlPlane.fetchState('h');
    const serials = new Set(server.asked.map(({ serial }) => serial));
    expect(serials.size).toBe(2);
  });

  it('asks for new credentials where Redis does not know its password, and works on', async () => {
    server.validity = { from: 0, until: 3_000_000_000 };
    const clock = await joined();
    await give('third');
    // A connection that is there stays; the control plane cuts it as it revokes.
    await redis.call('CLIENT', 'KILL', 'USER', NODE);
    const hints: string[] = [];
    connections?.hints.start(async ({ jobId }) => void hints.push(jobId));
    await until(() => clock.timers.some((at) => at <= 1_000_000 + 5_000), 'a renewal that is due');
    await clock.pass(5_000);
    await until(() => server.renewals.length === 1, 'a renewal');
    await publish('third');
    await until(() => hints.includes('third'), 'a hint', 10_000);
  });

  it('that was revoked is told so, and stays as it is', async () => {
    await joined();
    await connections?.controlPlane.fetchState('h');
    server.mode = 'revoked';
    await expect(connections?.controlPlane.fetchState('h')).rejects.toMatchObject({ code: 'unauthorized' });
    expect(connections?.access()).toMatchObject({ state: 'refused', fix: expect.stringContaining('--join') });
    expect(logged.filter((line) => line.includes('refuses the credentials'))).toHaveLength(1);
    expect(server.asked.some(({ path }) => path === joinPaths.renew(CLUSTER, NODE))).toBe(false);
    server.mode = 'up';
    await connections?.controlPlane.fetchState('h');
    expect(connections?.access()).toMatchObject({ state: 'granted' });
  });
});
