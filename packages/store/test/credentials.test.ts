import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiToken, CredentialStore, JoinToken, NodeCredential, Refusal } from '../src/credentials.js';
import { KEPT_REFUSALS } from '../src/history.js';
import { openMemoryCredentials } from '../src/memory/index.js';
import { openPostgresCredentials, openPostgresStore } from '../src/postgres/index.js';
import { startDatabases, type TestDatabases } from './fixtures/database.js';

// What both twins promise.

const clusterId = 'c'.repeat(25);
const nodeId = 'n'.repeat(25);
const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();

const joinToken: JoinToken = {
  ...{ id: 'join', clusterId, role: 'worker', secretHash: 'a'.repeat(64), createdBy: 'rest', createdAt: at(0) },
  ...{ expiresAt: at(10), usesLeft: 2, revokedAt: null },
};
const apiToken: ApiToken = {
  ...{ id: 'api', name: 'ada', role: 'operator', clusters: ['lab'], secretHash: 'b'.repeat(64), createdBy: 'rest', createdAt: at(0) },
  ...{ expiresAt: null, revokedAt: null },
};
const credential = (id: string, issued: number, node = nodeId): NodeCredential => ({
  ...{ id, nodeId: node, clusterId, fingerprint: id.repeat(2), issuedAt: at(issued), expiresAt: at(issued + 10), revokedAt: null },
});
const refusal = (n: number): Refusal => ({ at: at(n % 60), from: '192.0.2.1', actor: null, method: 'GET', path: `/${n}`, reason: 'role' });

let databases: TestDatabases;
let postgres: CredentialStore;
beforeAll(async () => {
  databases = await startDatabases();
  const url = await databases.create('credentials');
  const store = openPostgresStore({ url, poolSize: 2 });
  await store.migrate();
  await store.close();
  await databases.query(url, `INSERT INTO clusters (id, name, settings, revision) VALUES ('${clusterId}', 'lab', '{}', 0)`);
  postgres = openPostgresCredentials({ url, poolSize: 8 });
});
afterAll(async () => {
  await postgres?.close();
  await databases?.stop();
});

describe.each([
  ['memory', (): CredentialStore => openMemoryCredentials()],
  ['postgres', (): CredentialStore => postgres],
])('%s', (_name, open) => {
  it('gives each use of a join token to one host, until it is over or revoked', async () => {
    const store = open();
    await store.addJoinToken(joinToken);
    expect(await store.joinToken('join')).toEqual(joinToken);
    expect(await store.spendJoinToken('join', 'wrong', at(1))).toBeNull();
    expect(await store.spendJoinToken('join', joinToken.secretHash, at(10))).toBeNull();
    const spent = await Promise.all(Array.from({ length: 8 }, () => store.spendJoinToken('join', joinToken.secretHash, at(1))));
    expect(spent.filter((token) => token !== null)).toHaveLength(2);
    expect(await store.joinToken('join')).toEqual({ ...joinToken, usesLeft: 0 });

    await store.addJoinToken({ ...joinToken, id: 'later', createdAt: at(1) });
    expect((await store.joinTokens(clusterId)).map(({ id }) => id)).toEqual(['later', 'join']);
    expect(await store.revokeJoinToken('x'.repeat(25), 'later', at(2))).toBe(false);
    expect(await store.revokeJoinToken(clusterId, 'later', at(2))).toBe(true);
    expect(await store.revokeJoinToken(clusterId, 'later', at(3))).toBe(false);
    expect(await store.spendJoinToken('later', joinToken.secretHash, at(1))).toBeNull();
    expect((await store.joinToken('later'))?.revokedAt).toBe(at(2));
    expect(await store.joinToken('none')).toBeNull();
  });

  it('knows which certificates of a node are valid, and revokes them', async () => {
    const store = open();
    for (const each of [credential('01', 0), credential('02', 5), credential('03', 7), credential('04', 5, 'm'.repeat(25))])
      await store.addNodeCredential(each);
    expect(await store.nodeCredential('02')).toEqual(credential('02', 5));
    expect(await store.nodeCredential('99')).toBeNull();
    expect((await store.nodeCredentials(nodeId)).map(({ id }) => id)).toEqual(['03', '02', '01']);
    expect((await store.validNodeCredentials(at(11))).map(({ id }) => id)).toEqual(['02', '04', '03']);
    expect(await store.revokeNodeCredentials(nodeId, at(11), '03')).toBe(1);
    expect((await store.validNodeCredentials(at(11))).map(({ id }) => id)).toEqual(['04', '03']);
    expect(await store.revokeNodeCredentials(nodeId, at(11))).toBe(1);
    expect((await store.nodeCredentials(nodeId)).map(({ revokedAt }) => revokedAt)).toEqual([at(11), at(11), null]);
  });

  it('has a name for one token of a person alone', async () => {
    const store = open();
    await store.addApiToken(apiToken);
    await store.addApiToken({ ...apiToken, id: 'all', name: 'Bob', clusters: null, expiresAt: at(9) });
    await expect(store.addApiToken({ ...apiToken, id: 'other' })).rejects.toMatchObject({ code: 'duplicate-name' });
    expect(await store.apiToken('api')).toEqual(apiToken);
    expect((await store.apiTokens()).map(({ id, clusters }) => ({ id, clusters }))).toEqual([
      { id: 'all', clusters: null },
      { id: 'api', clusters: ['lab'] },
    ]);
    expect(await store.revokeApiToken('api', at(1))).toBe(true);
    expect(await store.revokeApiToken('api', at(2))).toBe(false);
    expect(await store.apiToken('api')).toEqual({ ...apiToken, revokedAt: at(1) });
  });

  it('keeps the newest refusals', async () => {
    const store = open();
    const many = Array.from({ length: KEPT_REFUSALS + 5 }, (_, i) => refusal(i));
    await store.addRefusals(many.slice(0, 10));
    await store.addRefusals(many.slice(10));
    expect(await store.refusals(2)).toEqual([refusal(KEPT_REFUSALS + 4), refusal(KEPT_REFUSALS + 3)]);
    const kept = await store.refusals(KEPT_REFUSALS * 2);
    expect([kept.length, kept.at(-1)]).toEqual([KEPT_REFUSALS, refusal(5)]);
  });
});
