import { createHash } from 'node:crypto';
import { bjdtManifest } from '@portolan/testkit';
import { getIntrospectionQuery } from 'graphql';
import { createClient } from 'graphql-ws';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { LONGEST_KEPT } from '../src/graphql/persisted-queries.js';
import { listenOn } from '../src/index.js';
import { eventually, startTestPlane, type TestPlane } from './test-plane.js';

let plane: TestPlane;
beforeEach(async () => {
  plane = await startTestPlane();
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
});

const ask = (body: object) => plane.send('POST', '/graphql', body);
const tooComplex = {
  status: 400,
  body: { data: null, errors: [{ extensions: { code: 'query-too-complex', status: 400, fix: expect.stringContaining('limit') } }] },
};
/** Lists within lists. */
const nested = (levels: number): string => `${'endpoints { service { '.repeat(levels)} name ${'} } '.repeat(levels)}`;
/** One operation of so many lists of `limit` objects. */
const wide = (limit: string, lists: number): string =>
  Array.from({ length: lists }, (_, i) => `a${i}: jobs(limit: ${limit}) { plan { from to waiting } node status }`).join(' ');

describe('how much a query may ask for', () => {
  it('is bounded by how lists multiply, and by depth', async () => {
    expect((await ask({ query: `{ cluster(name: "lab") { services { ${nested(2)} } } }` })).body.errors).toBeUndefined();
    expect(await ask({ query: `{ cluster(name: "lab") { services { ${nested(4)} } } }` })).toMatchObject(tooComplex);
    const deep = `{ cluster(name: "lab") { node(name: "x") { jobs(limit: 1) { ${'... { '.repeat(14)} id ${'} '.repeat(14)} } } } }`;
    expect(await ask({ query: deep })).toMatchObject({ ...tooComplex, body: { errors: [{ message: expect.stringContaining('depth') }] } });
  });

  it('counts a list by its limit, and each operation by itself', async () => {
    expect((await ask({ query: `{ cluster(name: "lab") { ${wide('1000', 7)} } }` })).body.errors).toBeUndefined();
    expect(await ask({ query: `{ cluster(name: "lab") { ${wide('1000', 9)} } }` })).toMatchObject(tooComplex);
    expect((await ask({ query: `{ cluster(name: "lab") { ${wide('1', 9)} } }` })).body.errors).toBeUndefined();
    const two = `query One { cluster(name: "lab") { ${wide('1000', 7)} } } query Two { cluster(name: "lab") { ${wide('1000', 7)} } }`;
    expect((await ask({ query: two, operationName: 'Two' })).body.errors).toBeUndefined();
  });

  it('counts fragments where they are used, and ends at one that contains itself', async () => {
    const fragment = `fragment f on Cluster { ${wide('1000', 5)} }`;
    expect((await ask({ query: `{ cluster(name: "lab") { ...f } } ${fragment}` })).body.errors).toBeUndefined();
    expect(await ask({ query: `{ cluster(name: "lab") { ...f } other: cluster(name: "lab") { ... on Cluster { ...f } } } ${fragment}` })).toMatchObject(
      tooComplex,
    );
    const endless =
      '{ cluster(name: "lab") { ...f } } fragment f on Cluster { services { nodes { networks { ...g } } } ...f } fragment g on Network { services { name } }';
    expect((await ask({ query: endless })).body).toMatchObject({ errors: [{ extensions: { code: 'invalid-document' } }] });
  });

  it('counts a limit that is a variable by its value, each time', async () => {
    const query = `query ($n: Int) { cluster(name: "lab") { ${wide('$n', 7)} } }`;
    for (let again = 0; again < 3; again++) {
      expect((await ask({ query, variables: { n: 1000 } })).body.errors).toBeUndefined();
      expect(await ask({ query, variables: { n: 2000 } })).toMatchObject(tooComplex);
      expect((await ask({ query })).body.errors).toBeUndefined();
    }
    const search = new URLSearchParams({ query, variables: JSON.stringify({ n: 2000 }) });
    expect(await plane.send('GET', `/graphql?${search}`)).toMatchObject(tooComplex);
  });

  it('is a list of nothing by a limit of nothing or less, and of what there is by a large one', async () => {
    await plane.send('PUT', '/v1/clusters/lab/manifest', bjdtManifest);
    const lists = ['nodes', 'networks', 'services', 'endpoints', 'jobs', 'revisions', 'wishes: revisions', 'reach'];
    const selected = (list: string): string => (list === 'jobs' ? 'id' : list.endsWith('revisions') ? 'revision' : list === 'reach' ? 'to' : 'name');
    const asked = (limit: number): string =>
      lists.map((list) => `${list}(limit: ${limit}${list.startsWith('wishes') ? ', wishes: true' : ''}) { ${selected(list)} }`).join(' ');
    const query = (limit: number): string =>
      `{ clusters(limit: ${limit}) { name } cluster(name: "lab") { ${asked(limit)} drift(limit: ${limit}) { items { key } } one: nodes { jobs(limit: ${limit}) { id } driftEvents(limit: ${limit}) { key } } } }`;
    // Too much at once.
    expect(await ask({ query: query(10_000) })).toMatchObject(tooComplex);
    await eventually(async () => {
      const { data } = (await ask({ query: query(500) })).body;
      for (const list of lists) expect([list, data?.cluster?.[list.split(':')[0] ?? '']]).toEqual([list, expect.arrayContaining([expect.anything()])]);
    });
    for (const limit of [0, -3]) {
      const { data, errors } = (await ask({ query: query(limit) })).body;
      expect(errors).toBeUndefined();
      expect(data).toMatchObject({ clusters: [], cluster: { ...Object.fromEntries(lists.map((list) => [list.split(':')[0], []])), drift: { items: [] } } });
      expect(data?.cluster?.one).toEqual(Array.from({ length: 3 }, () => ({ jobs: [], driftEvents: [] })));
    }
  });

  it('lets all of introspection through that tools ask for, but not many times that', async () => {
    const introspection = getIntrospectionQuery({ schemaDescription: true, specifiedByUrl: true, directiveIsRepeatable: true, inputValueDeprecation: true });
    expect((await ask({ query: introspection })).body).toMatchObject({ data: { __schema: { types: expect.any(Array) } } });
    const aliases = Array.from({ length: 300 }, (_, i) => `a${i}: fields { type { fields { name } } }`).join(' ');
    expect(await ask({ query: `{ __schema { types { ${aliases} } } }` })).toMatchObject(tooComplex);
    // Types of types of types are refused by GraphQL itself.
    const nested = 'fields { type { fields { type { fields { name } } } } }';
    expect((await ask({ query: `{ __schema { types { ${nested} } } }` })).body).toMatchObject({ errors: [{ extensions: { code: 'invalid-document' } }] });
  });

  it('and what a subscription asks for, is judged before it begins', async () => {
    const [url = ''] = await listenOn(plane.app, [{ host: '127.0.0.1', port: 0 }]);
    const client = createClient({ url: `${url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0 });
    onTestFinished(async () => void (await client.dispose()));
    const failed: unknown[] = [];
    const refused = (query: string) => client.subscribe({ query }, { next: () => undefined, error: (error) => failed.push(error), complete: () => undefined });
    refused('subscription { moved(cluster: "lab") { count nothing } }');
    await eventually(() => expect(JSON.stringify(failed)).toContain('nothing'));
    refused('subscription { jobMoved(cluster: "lab", limit: 100000) { id } }');
    await eventually(() => expect(JSON.stringify(failed)).toContain('asks for 200001 fields'));
  });
});

describe('persisted queries', () => {
  const hashOf = (query: string): string => createHash('sha256').update(query).digest('hex');
  const extensions = (sha256Hash: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash } } });
  const query = 'query ($name: String!) { cluster(name: $name) { name } }';
  const variables = { name: 'lab' };

  it('are asked for by their hash once they were sent with it', async () => {
    expect(await ask({ variables, ...extensions(hashOf(query)) })).toMatchObject({
      status: 404,
      body: { errors: [{ message: 'PersistedQueryNotFound', extensions: { code: 'not-found', fix: expect.stringContaining('query itself') } }] },
    });
    const answer = { status: 200, body: { data: { cluster: { name: 'lab' } } } };
    expect(await ask({ query, variables, ...extensions(hashOf(query)) })).toMatchObject(answer);
    for (let again = 0; again < 3; again++) expect(await ask({ variables, ...extensions(hashOf(query)) })).toMatchObject(answer);
    const search = new URLSearchParams({ variables: JSON.stringify(variables), extensions: JSON.stringify(extensions(hashOf(query)).extensions) });
    expect(await plane.send('GET', `/graphql?${search}`)).toMatchObject(answer);
    expect((await ask({ variables: { name: 'other' }, ...extensions(hashOf(query)) })).body).toMatchObject({ errors: [{ extensions: { code: 'not-found' } }] });
  });

  it('are not kept under another hash, nor when they are refused or long', async () => {
    expect(await ask({ query, variables, ...extensions(hashOf('{ clusters { name } }')) })).toMatchObject({
      status: 400,
      body: { errors: [{ extensions: { code: 'invalid-document', fix: expect.stringContaining('SHA-256') } }] },
    });
    const refused = '{ clusters { nme } }';
    await ask({ query: refused, ...extensions(hashOf(refused)) });
    const long = `{ clusters { name } } #${'x'.repeat(LONGEST_KEPT)}`;
    expect((await ask({ query: long, ...extensions(hashOf(long)) })).status).toBe(200);
    for (const text of ['{ clusters { name } }', refused, long]) expect((await ask({ ...extensions(hashOf(text)) })).status).toBe(404);
  });

  it('of which the request is not one are refused', async () => {
    for (const persistedQuery of [{ version: 2, sha256Hash: 'x' }, { version: 1 }, 'x']) {
      expect(await ask({ extensions: { persistedQuery } })).toMatchObject({ status: 400, body: { errors: [{ extensions: { code: 'invalid-document' } }] } });
    }
    expect((await ask({})).status).toBe(400);
  });
});
