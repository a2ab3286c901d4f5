import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { portolanError } from '@portolan/model';
import { agentPaths, joinPaths, joinTokenOf, joinTokenParts, PROTOCOL_VERSION } from '@portolan/protocol';
import { createMemoryAccess } from '@portolan/store/memory';
import { describe, expect, it } from 'vitest';
import { type Clock, openAuthority, systemClock } from '../src/index.js';
import { bootstrap, type Host, newRequest, operationsOf, pathOf, type SecurePlane, startSecurePlane, temporaryDirectory } from './secure-plane.js';
import { SimulatedAgent } from './simulated-agent.js';
import { eventually } from './test-plane.js';

// Hosts that become nodes, and what the agent of one can do to another: nothing.

const refusedJoin = { status: 403, body: { code: 'join-refused', detail: 'this host may not join' } };

async function joined(plane: SecurePlane, name: string, address: string): Promise<Host> {
  const answer = await plane.join(name, address, await plane.joinToken());
  expect(answer.status).toBe(201);
  return answer.host;
}

/** The same request with another signature. */
function forged(csr: string): string {
  const der = Buffer.from(csr.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  der.writeUInt8(der.readUInt8(der.length - 1) ^ 1, der.length - 1);
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}

function stateOf(node: string): string {
  return agentPaths.state('lab', node);
}

describe('to join', () => {
  it('makes the node and its credentials, once for each use of a token', async () => {
    const plane = await startSecurePlane();
    const token = await plane.joinToken({ role: 'manager', uses: 2 });
    const answer = await plane.join('node1', '192.0.2.1', token);
    expect(answer).toMatchObject({ status: 201, body: { cluster: 'lab', node: 'node1', authority: expect.stringContaining('BEGIN CERTIFICATE') } });
    expect(answer.headers['cache-control']).toBe('no-store');
    expect((await plane.send('GET', '/v1/clusters/lab/nodes/node1', undefined, bootstrap)).body).toMatchObject({ role: 'manager', address: '192.0.2.1' });
    expect((await plane.store.revisions('lab', { limit: 1 }))[0]).toMatchObject({
      actor: expect.stringMatching(/^join:/),
      from: '127.0.0.1',
      summary: 'join node node1',
    });
    expect([...plane.access.users.values()]).toMatchObject([{ cluster: 'lab', node: 'node1', nodeId: answer.host.credentials.nodeId }]);
    const agent = new SimulatedAgent(
      { send: (method, path, body, headers) => plane.secure(method, path, body, { ...headers, ...answer.host }) },
      'lab',
      'node1',
    );
    await eventually(async () => {
      await agent.sync();
      expect((await plane.send('GET', '/v1/clusters/lab/wait?timeout=0', undefined, bootstrap)).status).toBe(200);
    });

    expect((await plane.join('node2', '192.0.2.2', token)).status).toBe(201);
    expect(await plane.join('node3', '192.0.2.3', token)).toMatchObject(refusedJoin);
    const { body } = await plane.send('GET', '/v1/clusters/lab/join-tokens', undefined, bootstrap);
    expect(body.items).toMatchObject([{ role: 'manager', usesLeft: 0 }]);
    expect(JSON.stringify(body)).not.toContain(joinTokenParts(token)?.secret);
  });

  it('is refused alike for whatever reason, and needs TLS', async () => {
    let passed = 0;
    const plane = await startSecurePlane({ clock: { ...systemClock, now: () => new Date(Date.now() + passed) } });
    await joined(plane, 'node1', '192.0.2.1');
    const token = await plane.joinToken({ uses: 100 });
    const parts = joinTokenParts(token);
    if (parts === undefined) throw new Error('the token is none');
    const revoked = await plane.joinToken();
    await plane.send('DELETE', `/v1/clusters/lab/join-tokens/${joinTokenParts(revoked)?.id}`, undefined, bootstrap);
    const wrong = [joinTokenOf({ ...parts, secret: 'A'.repeat(43) }), joinTokenOf({ ...parts, id: 'none' }), 'nonsense', revoked];
    for (const each of wrong) expect(await plane.join('node2', '192.0.2.2', each)).toMatchObject(refusedJoin);
    // Node 1 has an agent; and nobody takes the name of a node with another address.
    expect(await plane.join('node1', '192.0.2.1', token)).toMatchObject(refusedJoin);
    expect(await plane.join('node1', '192.0.2.9', token)).toMatchObject(refusedJoin);
    const { csr } = await newRequest();
    const body = { protocol: PROTOCOL_VERSION, token, name: 'node2', address: '192.0.2.2', request: csr };
    expect(await plane.send('POST', joinPaths.join, body)).toMatchObject(refusedJoin);
    expect(await plane.secure('POST', joinPaths.join, { ...body, request: forged(csr) })).toMatchObject({ status: 400 });
    expect(await plane.secure('POST', joinPaths.join, { ...body, protocol: 99 })).toMatchObject({ status: 426 });
    expect(await plane.secure('POST', joinPaths.join, { ...body, address: '192.0.2.1' })).toMatchObject({ status: 409, body: { code: 'address-taken' } });
    expect((await plane.send('GET', '/v1/clusters/lab/join-tokens', undefined, bootstrap)).body.items?.[1]).toMatchObject({ usesLeft: 100 });
    passed = 3_600_001;
    expect(await plane.join('node2', '192.0.2.2', token)).toMatchObject(refusedJoin);
    expect([...(await plane.store.snapshot('lab')).nodes.values()].map(({ name }) => name)).toEqual(['node1']);
    await eventually(async () => {
      const reasons = (await plane.credentials.refusals(100)).map(({ reason }) => reason);
      expect(reasons.filter((reason) => reason.startsWith('join'))).toEqual([
        'join-token',
        'join-without-tls',
        'join-node',
        'join-node',
        ...wrong.map(() => 'join-token'),
      ]);
    });
  });

  it('is limited for each address', async () => {
    const plane = await startSecurePlane();
    const answers = [];
    for (let i = 0; i < 31; i += 1) answers.push(await plane.secure('POST', joinPaths.join, {}));
    expect(answers.slice(0, 30).map(({ status }) => status)).toEqual(Array.from({ length: 30 }, () => 400));
    expect(answers[30]).toMatchObject(refusedJoin);
  });

  it('leaves nothing and takes no use when it fails halfway', async () => {
    let fails = true;
    const access = createMemoryAccess();
    const plane = await startSecurePlane({
      access: {
        ...access,
        grant: async (node, noted) => {
          if (fails) throw portolanError('store-unavailable', '', 'Redis cannot be reached');
          return access.grant(node, noted);
        },
      },
    });
    const token = await plane.joinToken();
    expect((await plane.join('node1', '192.0.2.1', token)).status).toBe(503);
    expect((await plane.store.snapshot('lab')).nodes.size).toBe(0);
    fails = false;
    expect((await plane.join('node1', '192.0.2.1', token)).status).toBe(201);
  });

  it('lets one in of those that become one node at once', async () => {
    const plane = await startSecurePlane();
    const token = await plane.joinToken({ uses: 10 });
    const answers = await Promise.all(Array.from({ length: 4 }, () => plane.join('node1', '192.0.2.1', token)));
    const [winner, ...others] = [...answers].sort((a, b) => a.status - b.status);
    expect(winner?.status).toBe(201);
    for (const other of others) expect(other).toMatchObject(refusedJoin);
    const [valid, second] = await plane.credentials.validNodeCredentials(new Date().toISOString());
    expect(second).toBeUndefined();
    await eventually(() => expect([...plane.access.users.values()]).toMatchObject([{ nodeId: valid?.nodeId, credential: valid?.id }]));
    await eventually(async () => expect((await plane.secure('GET', stateOf('node1'), undefined, winner?.host)).status).toBe(200));
    expect((await plane.credentials.joinTokens(String((await plane.store.snapshot('lab')).cluster.id)))[0]?.usesLeft).toBe(9);
  });

  it('makes a host the node that waits for it', async () => {
    const plane = await startSecurePlane();
    await plane.send('PUT', '/v1/clusters/lab/manifest', { nodes: [{ name: 'node1', address: '192.0.2.1', role: 'worker' }] }, bootstrap);
    const [known] = (await plane.store.snapshot('lab')).nodes.keys();
    expect(await plane.join('node1', '192.0.2.1', await plane.joinToken({ role: 'manager' }))).toMatchObject(refusedJoin);
    expect((await joined(plane, 'node1', '192.0.2.1')).credentials.nodeId).toBe(known);
  });
});

describe('the agent of a node', () => {
  it('can do what is its own, and nothing of another node or of people', async () => {
    const plane = await startSecurePlane();
    const [one, two] = [await joined(plane, 'node1', '192.0.2.1'), await joined(plane, 'node2', '192.0.2.2')];
    for (const [node, host] of [
      ['node1', one],
      ['node2', two],
    ] as const) {
      await eventually(async () => expect((await plane.secure('GET', stateOf(node), undefined, host)).status).toBe(200));
    }
    const report = new SimulatedAgent(plane, 'lab', 'node2');
    const { body: state } = await plane.secure('GET', stateOf('node2'), undefined, two);
    const seen = async () => ({
      snapshots: await Promise.all(['lab', 'secret'].map((name) => plane.store.snapshot(name))),
      observed: await plane.store.observed(two.credentials.nodeId),
      credentials: await plane.credentials.nodeCredentials(two.credentials.nodeId),
      tokens: await plane.credentials.apiTokens(),
    });
    const before = await seen();
    const allowed: string[] = [];
    for (const operation of operationsOf(plane).filter(({ needs }) => needs !== 'nothing')) {
      for (const [cluster, node] of [
        ['lab', 'node1'],
        ['lab', 'node2'],
        ['secret', 'node1'],
        ['nowhere', 'node1'],
      ] as const) {
        const body = operation.template.endsWith('reports') ? report.report(state as never, 1) : {};
        const answer = await plane.secure(operation.method, pathOf(operation, cluster, node), operation.method === 'GET' ? undefined : body, one);
        if (answer.status !== 403) allowed.push(`${operation.method} ${pathOf(operation, cluster, node)} ${answer.status}`);
        else expect(answer.body).toMatchObject({ code: 'forbidden', detail: 'this caller may not do that' });
      }
    }
    expect(allowed.sort()).toEqual([
      'GET /v1/agents/lab/node1/state 200',
      // What it sent is judged, then.
      'POST /v1/agents/lab/node1/credentials 400',
      'POST /v1/agents/lab/node1/reports 200',
      'POST /v1/agents/lab/node1/traffic 400',
    ]);
    for (const query of ['{ clusters { name } }', '{ __typename }', 'mutation { deleteNode(cluster: "lab", name: "node2") { revision } }']) {
      expect((await plane.secure('POST', '/graphql', { query }, one)).status).toBe(403);
    }
    expect((await plane.secure('GET', '/v1/nothing', undefined, one)).status).toBe(403);
    expect(await seen()).toEqual(before);
  });

  it('renews its certificate from half of its time on, and has the old one until its end', async () => {
    let passed = 0;
    const clock: Clock = { ...systemClock, now: () => new Date(Date.now() + passed), monotonic: () => performance.now() + passed };
    const plane = await startSecurePlane({ clock });
    const old = await joined(plane, 'node1', '192.0.2.1');
    const day = 86_400_000;
    const renew = async (as: Host, node = 'node1') => {
      const { key, csr } = await newRequest();
      const answer = await plane.secure('POST', joinPaths.renew('lab', node), { protocol: PROTOCOL_VERSION, request: csr }, as);
      return { ...answer, host: { key, credentials: answer.body as never } satisfies Host };
    };
    const status = async (as: Host): Promise<number> => (await plane.secure('GET', stateOf('node1'), undefined, as)).status;
    expect((await renew(old)).status).toBe(403);
    await eventually(async () => expect(await status(old)).toBe(200));
    passed = 4 * day;
    const lost = await renew(old);
    expect(lost.status).toBe(201);
    // Its answer was lost, so it is asked again: the one that was lost is worth nothing then.
    passed += 60_000;
    const renewed = await renew(old);
    expect(renewed.status).toBe(201);
    expect([await status(old), await status(lost.host), await status(renewed.host)]).toEqual([200, 401, 200]);
    expect([...plane.access.users.values()].map(({ credential }) => credential)).toEqual([
      (await plane.credentials.nodeCredentials(old.credentials.nodeId))[0]?.id,
    ]);
    passed = 7 * day + 1000;
    expect([await status(old), await status(renewed.host)]).toEqual([401, 200]);
    passed = 12 * day;
    expect(await status(renewed.host)).toBe(401);
    expect((await plane.send('POST', joinPaths.renew('lab', 'node1'), { protocol: PROTOCOL_VERSION, request: 'x' }, bootstrap)).status).toBe(403);
  });

  it('is cut off when it is revoked, when its node is deleted, and when another host has the name', async () => {
    const plane = await startSecurePlane();
    const [one, two] = [await joined(plane, 'node1', '192.0.2.1'), await joined(plane, 'node2', '192.0.2.2')];
    const status = async (node: string, as: Host): Promise<number> => (await plane.secure('GET', stateOf(node), undefined, as)).status;
    await eventually(async () => expect([await status('node1', one), await status('node2', two)]).toEqual([200, 200]));
    expect((await plane.send('GET', '/v1/clusters/lab/nodes/node1/credentials', undefined, bootstrap)).body.items).toMatchObject([{ revokedAt: null }]);
    expect((await plane.send('POST', '/v1/clusters/lab/nodes/node1/revoke', undefined, bootstrap)).body).toEqual({ revoked: 1 });
    expect(await status('node1', one)).toBe(401);
    expect([...plane.access.users.keys()]).toEqual([two.credentials.nodeId]);
    // The host may become its node again, with a new token.
    const again = await joined(plane, 'node1', '192.0.2.1');
    expect([await status('node1', one), await status('node1', again)]).toEqual([401, 200]);

    await plane.send('DELETE', '/v1/clusters/lab/nodes/node2', undefined, bootstrap);
    // Its certificate is refused at once for the node, and soon for itself.
    expect([401, 403]).toContain(await status('node2', two));
    const heir = await joined(plane, 'node2', '192.0.2.2');
    await eventually(async () => expect([...plane.access.users.keys()].sort()).toEqual([again, heir].map(({ credentials }) => credentials.nodeId).sort()));
    expect((await plane.credentials.nodeCredentials(two.credentials.nodeId))[0]?.revokedAt).not.toBeNull();
    await eventually(async () => expect([await status('node2', two), await status('node2', heir)]).toEqual([401, 200]));
  });

  it('is known by a certificate of this authority for clients, and by nothing like it', async () => {
    const plane = await startSecurePlane();
    const host = await joined(plane, 'node1', '192.0.2.1');
    const directory = temporaryDirectory();
    const other = await openAuthority(directory, new Date());
    const stranger = await startSecurePlane({ directory });
    const elsewhere = await joined(stranger, 'node1', '192.0.2.1');
    const server = await other.serverIdentity(['localhost'], new Date());
    const asServer = { key: server.key, credentials: { ...host.credentials, certificate: server.certificate } };
    const unknown = await plane.secure('GET', stateOf('node1'), undefined, elsewhere);
    expect(unknown).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    expect((await stranger.secure('GET', stateOf('node1'), undefined, asServer)).body).toEqual(unknown.body);
    expect((await plane.secure('GET', stateOf('node1'))).status).toBe(401);
    // Over TLS nobody is let in without credentials, even where the plain listener asks nobody.
    const open = await startSecurePlane({ token: '' });
    expect((await open.secure('GET', '/v1/clusters')).status).toBe(401);
  });
});

describe('the authority', () => {
  it('is made once, for its owner alone, and is the same for all that start at once', async () => {
    const directory = join(temporaryDirectory(), 'tls');
    const all = await Promise.all(Array.from({ length: 5 }, () => openAuthority(directory, new Date())));
    expect(new Set(all.map(({ fingerprint }) => fingerprint)).size).toBe(1);
    const [first, second] = [await all[0]?.serverIdentity(['a.example'], new Date()), await all[1]?.serverIdentity(['a.example'], new Date())];
    expect(second).toEqual(first);
    expect(await all[0]?.serverIdentity(['a.example', '192.0.2.7'], new Date())).not.toEqual(first);
    expect(await all[0]?.serverIdentity(['a.example'], new Date(Date.now() + 61 * 86_400_000))).not.toEqual(second);
    expect(readdirSync(directory).sort()).toEqual(['authority.pem', 'server.pem']);
    for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    expect((await openAuthority(directory, new Date())).accessSecret).toEqual(all[0]?.accessSecret);
  });

  it('is what a join token pins, and what the server is verified by', async () => {
    const plane = await startSecurePlane();
    const { status, body } = await plane.secure('GET', joinPaths.authority);
    expect([status, String(body)]).toEqual([200, expect.stringContaining('-----BEGIN CERTIFICATE-----')]);
    const { createHash, X509Certificate } = await import('node:crypto');
    const fingerprint = createHash('sha256')
      .update(new X509Certificate(String(body)).raw)
      .digest('base64url');
    expect(joinTokenParts(await plane.joinToken())?.fingerprint).toBe(fingerprint);
  });
});
