import { openMemoryCredentials, openMemoryStore } from '@portolan/store/memory';
import Fastify from 'fastify';
import { createClient } from 'graphql-ws';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { type Clock, listenOn, systemClock } from '../src/index.js';
import { declareNeeds } from '../src/plugins/auth.js';
import { BOOTSTRAP, bootstrap, operationsOf, pathOf } from './secure-plane.js';
import { eventually, type Json, startTestPlane, type TestPlane } from './test-plane.js';

// People and programs: roles, clusters, and what is told to whom it is refused.

type Headers = Record<string, string>;
const roles = ['viewer', 'operator', 'admin'] as const;

let plane: TestPlane;
beforeEach(async () => {
  plane = await startTestPlane({ token: BOOTSTRAP });
  for (const name of ['lab', 'secret']) await plane.send('POST', '/v1/clusters', { name }, bootstrap);
  await plane.send('PUT', '/v1/clusters/lab/manifest', { nodes: [{ name: 'node1', address: '192.0.2.1' }] }, bootstrap);
});

async function tokenOf(body: object, from: TestPlane = plane): Promise<{ readonly id: string; readonly headers: Headers }> {
  const made = await from.send('POST', '/v1/tokens', body, bootstrap);
  expect(made.status).toBe(201);
  return { id: String(made.body.id), headers: { authorization: `Bearer ${made.body.token}` } };
}

async function refusals(): Promise<readonly Json[]> {
  const { body } = await plane.send('GET', '/v1/refusals', undefined, bootstrap);
  return body.items as unknown as readonly Json[];
}

/** What tells nothing of the request itself. */
function told({ status, body }: { readonly status: number; readonly body: unknown }): unknown {
  return { status, body };
}

describe('every operation', () => {
  it('is open to those roles alone that it names, in those clusters alone that a token is for', async () => {
    const rank = { viewer: 1, operator: 2, admin: 3 } as const;
    const operations = operationsOf(plane).filter(({ needs }) => needs !== 'nothing');
    expect(operations.length).toBeGreaterThan(45);
    expect(new Set(operations.map(({ needs }) => needs))).toEqual(new Set([...roles, 'agent']));
    const wide = await Promise.all(roles.map((role) => tokenOf({ name: `wide-${role}`, role })));
    const narrow = await Promise.all(roles.map((role) => tokenOf({ name: `narrow-${role}`, role, clusters: ['lab', 'later'] })));
    // Nothing that is allowed may take away what the next operation is about.
    const harmless = { 'if-match': '"999999"' };
    const attempt = async (
      operation: (typeof operations)[number],
      cluster: string,
      headers: Headers,
    ): Promise<{ readonly status: number; readonly body: unknown }> => {
      const sent = operation.method === 'GET' ? {} : { payload: {} };
      const answer = await plane.app.inject({
        method: operation.method,
        url: pathOf(operation, cluster, 'node1'),
        headers: { ...harmless, ...headers },
        ...sent,
      });
      return { status: answer.statusCode, body: answer.body === '' ? null : answer.json() };
    };

    for (const operation of operations) {
      const isOfCluster = operation.template.includes('{cluster}');
      const label = `${operation.method} ${operation.template}`;
      for (const [i, role] of roles.entries()) {
        const isAllowed = operation.needs !== 'agent' && rank[role] >= rank[operation.needs as (typeof roles)[number]];
        const byWide = await attempt(operation, 'lab', wide[i]?.headers ?? {});
        expect(`${label} by ${role}: ${isAllowed === (byWide.status !== 403) ? 'as it should be' : byWide.status}`).toBe(
          `${label} by ${role}: as it should be`,
        );
        expect(byWide.status).not.toBe(401);
        const scoped = narrow[i]?.headers ?? {};
        const inside = await attempt(operation, 'lab', scoped);
        const isInScope = isOfCluster || operation.needs === 'viewer';
        expect(`${label} by scoped ${role}: ${inside.status === 403}`).toBe(`${label} by scoped ${role}: ${!(isAllowed && isInScope)}`);
        if (!isOfCluster) continue;
        const [outside, absent] = [await attempt(operation, 'secret', scoped), await attempt(operation, 'nowhere', scoped)];
        expect(outside.status).toBe(403);
        expect(told(outside)).toEqual(told(absent));
      }
      const anonymous = await attempt(operation, 'lab', {});
      expect([label, anonymous.status]).toEqual([label, 401]);
      expect(told(anonymous)).toEqual(told(await attempt(operation, 'nowhere', {})));
    }
    expect((await plane.store.listClusters()).map(({ name }) => name).sort()).toEqual(['lab', 'secret']);
  });
});

it('a route without a declaration does not start', () => {
  const app = Fastify();
  app.addHook('onRoute', declareNeeds);
  expect(() => app.get('/v1/open', async () => 'open')).toThrow(/GET \/v1\/open does not declare/);
  expect(() => app.get('/v1/closed', { config: { needs: 'admin' } }, async () => 'closed')).not.toThrow();
});

describe('a token', () => {
  it('is shown once, kept as a hash, and listed without it', async () => {
    const credentials = openMemoryCredentials();
    plane = await startTestPlane({ token: BOOTSTRAP, credentials });
    const { body, headers } = await plane.send('POST', '/v1/tokens', { name: 'ada', role: 'viewer', clusters: ['lab'] }, bootstrap);
    expect(body.token).toMatch(/^ptl\.[A-Za-z0-9_-]{12}\.[A-Za-z0-9_-]{43}$/);
    expect(headers['cache-control']).toBe('no-store');
    const secret = String(body.token).split('.')[2];
    const listed = await plane.send('GET', '/v1/tokens', undefined, bootstrap);
    expect(listed.body.items).toMatchObject([
      { id: body.id, name: 'ada', role: 'viewer', clusters: ['lab'], createdBy: 'rest', expiresAt: null, revokedAt: null },
    ]);
    expect(JSON.stringify([listed.body, await credentials.apiTokens()])).not.toContain(secret);
    expect(await plane.send('POST', '/v1/tokens', { name: 'ada', role: 'admin' }, bootstrap)).toMatchObject({ status: 409, body: { code: 'duplicate-name' } });
  });

  it('names who acted, and from where', async () => {
    const { headers } = await tokenOf({ name: 'ada', role: 'operator' });
    await plane.send('POST', '/v1/clusters/lab/services', { name: 'web' }, headers);
    await plane.send('POST', '/graphql', { query: 'mutation { deleteService(cluster: "lab", name: "web") { revision } }' }, headers);
    const [later, earlier] = await plane.store.revisions('lab', { limit: 2 });
    expect(later).toMatchObject({ actor: 'graphql:ada', from: '127.0.0.1' });
    expect(earlier).toMatchObject({ actor: 'rest:ada', from: '127.0.0.1' });
  });

  it('is refused alike whether it is unknown, over, revoked or none at all; the audit knows more', async () => {
    const revoked = await tokenOf({ name: 'revoked', role: 'admin' });
    await plane.send('DELETE', `/v1/tokens/${revoked.id}`, undefined, bootstrap);
    const known = await tokenOf({ name: 'known', role: 'admin' });
    const wrong = [
      revoked.headers.authorization,
      // The id of one that is good, with another secret.
      `${known.headers.authorization?.slice(0, -43)}${'A'.repeat(43)}`,
      `Bearer ptl.${'x'.repeat(12)}.${'A'.repeat(43)}`,
      'Bearer ptl.x',
      'Basic YWRtaW46',
      `Bearer ${BOOTSTRAP} `.repeat(2),
    ];
    const answers = [];
    for (const authorization of wrong) answers.push(told(await plane.send('GET', '/v1/clusters', undefined, { authorization: String(authorization) })));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 401, body: { code: 'unauthorized', detail: 'the token is not valid' } });
    await eventually(async () => expect((await refusals()).map(({ reason }) => reason).slice(-6)).toContain('revoked-token'));
    expect((await refusals())[0]).toMatchObject({ from: '127.0.0.1', actor: null, method: 'GET', path: '/v1/clusters' });
  });

  it('ends with its time, and within two seconds of being revoked in another process', async () => {
    let passed = 0;
    const clock: Clock = { ...systemClock, now: () => new Date(Date.now() + passed), monotonic: () => performance.now() + passed };
    const [store, credentials] = [openMemoryStore(), openMemoryCredentials()];
    const shared = { store, credentials, token: BOOTSTRAP, clock };
    const [here, there] = [await startTestPlane(shared), await startTestPlane(shared)];
    const brief = await tokenOf({ name: 'brief', role: 'viewer', ttl: 60 }, here);
    const { id, headers } = await tokenOf({ name: 'ada', role: 'viewer' }, here);
    const status = async (of: TestPlane, by: Headers): Promise<number> => (await of.send('GET', '/v1/clusters', undefined, by)).status;
    expect([await status(here, headers), await status(there, headers), await status(there, brief.headers)]).toEqual([200, 200, 200]);
    await here.send('DELETE', `/v1/tokens/${id}`, undefined, bootstrap);
    expect(await status(here, headers)).toBe(401);
    passed += 2001;
    expect(await status(there, headers)).toBe(401);
    passed += 60_000;
    expect(await status(there, brief.headers)).toBe(401);
  });

  it('of a scope sees its clusters and no other ones', async () => {
    const { headers } = await tokenOf({ name: 'ada', role: 'admin', clusters: ['lab'] });
    expect((await plane.send('GET', '/v1/clusters', undefined, headers)).body.items).toMatchObject([{ name: 'lab' }]);
    const query = async (text: string): Promise<Json> => (await plane.send('POST', '/graphql', { query: text }, headers)).body;
    expect(await query('{ clusters { name } }')).toMatchObject({ data: { clusters: [{ name: 'lab' }] } });
    const [secret, nowhere] = [await query('{ cluster(name: "secret") { name } }'), await query('{ cluster(name: "nowhere") { name } }')];
    expect(secret).toMatchObject({ data: { cluster: null }, errors: [{ extensions: { code: 'forbidden' } }] });
    expect(secret).toEqual(nowhere);
    for (const text of ['createCluster(name: "lab2") { name }', 'deleteCluster(name: "secret")', 'deleteNode(cluster: "secret", name: "node1") { revision }']) {
      expect(await query(`mutation { ${text} }`)).toMatchObject({ errors: [{ extensions: { code: 'forbidden', status: 403 } }] });
    }
    expect(await query('mutation { patchCluster(name: "lab", settings: {}) { revision } }')).not.toHaveProperty('errors.0');
  });
});

describe('GraphQL', () => {
  it('lets a viewer read, an operator change, an admin make clusters', async () => {
    const asked = [
      '{ clusters { name } }',
      'mutation { createService(cluster: "lab", spec: { name: "NAME" }) { name } }',
      'mutation { createCluster(name: "NAME") { name } }',
    ];
    const outcome = [];
    for (const role of roles) {
      const { headers } = await tokenOf({ name: role, role });
      for (const text of asked) {
        const { body } = await plane.send('POST', '/graphql', { query: text.replace('NAME', `of-${role}`) }, headers);
        outcome.push(body.errors === undefined ? 'done' : String(body.errors[0]?.extensions?.code));
      }
    }
    expect(outcome).toEqual(['done', 'forbidden', 'forbidden', 'done', 'done', 'forbidden', 'done', 'done', 'done']);
    await eventually(async () =>
      expect((await refusals()).filter(({ reason, path }) => String(reason) === 'role' && String(path) === '/graphql')).toHaveLength(3),
    );
  });

  it('ends a subscription with its token, and begins none outside of its clusters', async () => {
    const [url = ''] = await listenOn(plane.app, [{ host: '127.0.0.1', port: 0 }]);
    const { id, headers } = await tokenOf({ name: 'ada', role: 'viewer', clusters: ['lab'] });
    const client = createClient({ url: `${url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0, connectionParams: headers });
    onTestFinished(async () => client.dispose());
    const subscribe = (cluster: string): { received: Json[]; failed: unknown[] } => {
      const seen = { received: [] as Json[], failed: [] as unknown[] };
      client.subscribe(
        { query: `subscription { revision(cluster: "${cluster}") { intentRevision } }` },
        { next: (value) => seen.received.push(value as unknown as Json), error: (error) => seen.failed.push(error), complete: () => seen.failed.push('ended') },
      );
      return seen;
    };
    const [lab, secret] = [subscribe('lab'), subscribe('secret')];
    await eventually(() => expect([lab.received.length > 0, secret.failed.length]).toEqual([true, 1]));
    expect(JSON.stringify(secret)).not.toContain('intentRevision":');
    await plane.send('DELETE', `/v1/tokens/${id}`, undefined, bootstrap);
    await plane.send('POST', '/v1/clusters/lab/services', { name: 'web' }, bootstrap);
    await eventually(() => expect(lab.failed.length).toBeGreaterThan(0));
    const [before] = lab.received;
    expect(new Set(lab.received.map((value) => JSON.stringify(value)))).toEqual(new Set([JSON.stringify(before)]));
  });
});

describe('a refusal', () => {
  it('is counted, and kept without what its caller could hide in it', async () => {
    await plane.send('GET', '/v1/%1b%5b31mclusters?token=secret', undefined, { authorization: 'Bearer x' });
    await plane.app.inject({ method: 'GET', url: `/v1/${'x'.repeat(150)}\u001b[31m${'y'.repeat(300)}`, headers: { authorization: 'Bearer x' } });
    await eventually(async () => expect(await refusals()).toHaveLength(2));
    for (const { path } of await refusals()) expect(String(path)).toMatch(/^[\x21-\x7e]{1,200}$/);
    expect(JSON.stringify(await refusals())).not.toContain('token=');
    const metrics = async (headers: Headers) => plane.app.inject({ url: '/metrics', headers });
    expect((await metrics(bootstrap)).body).toContain('portolan_refusals_total{reason="unknown-token"} 2');
    // They name clusters.
    expect((await metrics({})).statusCode).toBe(401);
    expect((await metrics((await tokenOf({ name: 'ada', role: 'viewer', clusters: ['lab'] })).headers)).statusCode).toBe(403);
    expect((await metrics((await tokenOf({ name: 'bob', role: 'viewer' })).headers)).statusCode).toBe(200);
  });
});

it('a control plane without a token asks nobody, and a token that is shown is judged all the same', async () => {
  const open = await startTestPlane();
  expect((await open.send('POST', '/v1/clusters', { name: 'lab' })).status).toBe(201);
  expect((await open.send('GET', '/v1/clusters', undefined, { authorization: 'Bearer ptl.x' })).status).toBe(401);
});
