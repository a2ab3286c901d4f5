import { bjdtManifest } from '@portolan/testkit';
import { beforeEach, describe, expect, it } from 'vitest';
import { startTestPlane, type TestPlane } from './test-plane.js';

let plane: TestPlane;

beforeEach(async () => {
  plane = await startTestPlane();
  expect((await plane.send('POST', '/v1/clusters', { name: 'lab' })).status).toBe(201);
});

const specs = {
  nodes: { name: 'n1', address: '172.16.130.140' },
  networks: { name: 'overlay', subnet: '10.9.0.0/24' },
  services: { name: 'web', networks: [{ network: 'overlay' }] },
  endpoints: { name: 'web.1', service: 'web', node: 'n1', attachment: { netns: '/run/netns/web.1' } },
} as const;
const kinds = Object.keys(specs) as (keyof typeof specs)[];

async function createAll(): Promise<void> {
  for (const kind of kinds) expect((await plane.send('POST', `/v1/clusters/lab/${kind}`, specs[kind])).status).toBe(201);
}

describe('clusters', () => {
  it('are created with defaults, read, listed by pages and deleted', async () => {
    for (const name of ['a', 'b', 'c']) await plane.send('POST', '/v1/clusters', { name });
    const first = await plane.send('GET', '/v1/clusters?limit=2');
    expect(first.body.items).toMatchObject([{ name: 'a', revision: 0 }, { name: 'b' }]);
    expect(first.body.nextCursor).toBe('b');
    const second = await plane.send('GET', `/v1/clusters?limit=2&cursor=${first.body.nextCursor}`);
    expect(second.body).toMatchObject({ items: [{ name: 'c' }, { name: 'lab' }], nextCursor: null });
    expect((await plane.send('GET', '/v1/clusters?name=la')).body.items).toMatchObject([{ name: 'lab' }]);
    expect((await plane.send('GET', '/v1/clusters/lab')).body.settings).toMatchObject({ subnetPrefixLength: 24, dataPathPort: 4789 });

    expect((await plane.send('DELETE', '/v1/clusters/lab')).status).toBe(204);
    expect((await plane.send('GET', '/v1/clusters/lab')).status).toBe(404);
    expect((await plane.send('DELETE', '/v1/clusters/lab')).status).toBe(404);
  });

  it('change their settings by merge patch, guarded by their revision', async () => {
    const created = await plane.send('GET', '/v1/clusters/lab');
    const changed = await plane.send('PATCH', '/v1/clusters/lab', { settings: { underlayMtu: 9000 } }, { 'if-match': String(created.headers.etag) });
    expect(changed).toMatchObject({ status: 200, body: { revision: 1, settings: { underlayMtu: 9000 } }, headers: { 'portolan-revision': '1', etag: '"1"' } });
    expect((await plane.send('PATCH', '/v1/clusters/lab', { settings: { underlayMtu: 1500 } }, { 'if-match': '"0"' })).status).toBe(412);
    expect((await plane.send('DELETE', '/v1/clusters/lab', undefined, { 'if-match': '"0"' })).status).toBe(412);
    const refused = await plane.send('PATCH', '/v1/clusters/lab', { settings: { underlayMtu: 1 } });
    expect(refused.body).toMatchObject({ code: 'invalid-document', path: '/settings/underlayMtu' });
  });

  it('are created with settings of their own', async () => {
    const created = await plane.send('POST', '/v1/clusters', { name: 'own', settings: { addressPools: ['10.20.0.0/16'] } });
    expect(created.body.settings).toMatchObject({ addressPools: ['10.20.0.0/16'], underlayMtu: 1500 });
    expect(created.headers.location).toBe('/v1/clusters/own');
    expect((await plane.send('POST', '/v1/clusters', { name: 'own' })).body).toMatchObject({ code: 'duplicate-name', status: 409 });
    expect((await plane.send('POST', '/v1/clusters', { name: 'x', settings: { addressPools: ['10.20.0.1/16'] } })).body).toMatchObject({
      code: 'host-bits-set',
      path: '/settings/addressPools/0',
    });
    expect((await plane.send('POST', '/v1/clusters', { name: 'x', nope: 1 })).body).toMatchObject({ code: 'unknown-field', path: '/nope' });
  });
});

describe.each(kinds)('%s', (kind) => {
  beforeEach(createAll);
  const { name } = specs[kind];
  const url = `/v1/clusters/lab/${kind}/${name}`;

  it('are read as created, with identity, version and ETag', async () => {
    const read = await plane.send('GET', url);
    expect(read.status).toBe(200);
    expect(read.body).toMatchObject(specs[kind]);
    expect(read.body.id).toMatch(/^[a-z0-9]{25}$/);
    expect(read.headers.etag).toBe(`"${read.body.version}"`);
    expect((await plane.send('GET', `/v1/clusters/lab/${kind}`)).body).toEqual({ items: [read.body], nextCursor: null });
  });

  it('are refused a second time, and by another name not found', async () => {
    expect((await plane.send('POST', `/v1/clusters/lab/${kind}`, specs[kind])).body).toMatchObject({ code: 'duplicate-name', status: 409 });
    for (const method of ['GET', 'DELETE'] as const) expect((await plane.send(method, `/v1/clusters/lab/${kind}/other`)).status).toBe(404);
    expect((await plane.send('PATCH', `/v1/clusters/lab/${kind}/other`, {})).status).toBe(404);
    expect((await plane.send('PUT', `/v1/clusters/lab/${kind}/other`, { ...specs[kind], name: 'other' })).status).toBe(404);
    expect((await plane.send('GET', `/v1/clusters/none/${kind}`)).status).toBe(404);
  });

  it('sent back as they were read, change nothing', async () => {
    const before = await plane.send('GET', url);
    const replaced = await plane.send('PUT', url, before.body);
    expect(replaced.status).toBe(200);
    // The status of a node goes on moving by itself.
    expect({ ...replaced.body, status: null }).toEqual({ ...before.body, status: null });
    expect(replaced.headers['portolan-revision']).toBe('4');
  });

  it('honour If-Match on PUT, PATCH and DELETE, and the version in what is sent back', async () => {
    const before = await plane.send('GET', url);
    const stale = { 'if-match': String(before.headers.etag) };
    const patched = await plane.send('PATCH', url, { labels: { tier: 'x' } }, { ...stale, 'content-type': 'application/merge-patch+json' });
    expect(patched).toMatchObject({ status: 200, body: { labels: { tier: 'x' }, version: Number(before.body.version) + 1 } });
    expect(patched.headers.etag).toBe(`"${patched.body.version}"`);

    expect((await plane.send('PATCH', url, {}, stale)).body).toMatchObject({ code: 'precondition-failed', status: 412 });
    expect((await plane.send('PUT', url, specs[kind], stale)).status).toBe(412);
    expect((await plane.send('PUT', url, before.body)).status).toBe(412);
    expect((await plane.send('DELETE', url, undefined, stale)).status).toBe(412);
    expect((await plane.send('PUT', url, specs[kind], { 'if-match': 'abc' })).status).toBe(412);
    expect((await plane.send('PUT', url, specs[kind], { 'if-match': '*' })).status).toBe(200);
  });

  it('keep their name and id', async () => {
    expect((await plane.send('PUT', url, { ...specs[kind], name: 'other' })).body).toMatchObject({ code: 'immutable-field', path: '/name' });
    const read = await plane.send('GET', url);
    expect((await plane.send('PUT', url, { ...read.body, id: '0'.repeat(25) })).body).toMatchObject({ code: 'immutable-field', path: '/id' });
  });
});

it('deletes in the order of what uses what, each a revision', async () => {
  await createAll();
  expect((await plane.send('DELETE', '/v1/clusters/lab/networks/overlay')).body).toMatchObject({ code: 'in-use', status: 409 });
  let revision = 4;
  for (const kind of [...kinds].reverse()) {
    const deleted = await plane.send('DELETE', `/v1/clusters/lab/${kind}/${specs[kind].name}`);
    expect(deleted).toMatchObject({ status: 204, headers: { 'portolan-revision': String(++revision) } });
    expect((await plane.send('GET', `/v1/clusters/lab/${kind}`)).body).toEqual({ items: [], nextCursor: null });
  }
});

describe('lists', () => {
  beforeEach(async () => {
    expect((await plane.send('PUT', '/v1/clusters/lab/manifest', bjdtManifest)).status).toBe(200);
  });

  const names = async (path: string): Promise<unknown> => {
    const { body } = await plane.send('GET', `/v1/clusters/lab/${path}`);
    return (body.items as unknown as { name: string }[]).map(({ name }) => name);
  };

  it.each([
    ['endpoints?service=bjdt_bjdt-dzwl-web', ['bjdt_bjdt-dzwl-web.1', 'bjdt_bjdt-dzwl-web.2']],
    ['endpoints?node=node3', ['bjdt_bjdt-dzwl.3']],
    ['endpoints?node=node1&service=bjdt_bjdt-dzwl', ['bjdt_bjdt-dzwl.1']],
    ['endpoints?name=bjdt_bjdt-dzwl-web.', ['bjdt_bjdt-dzwl-web.1', 'bjdt_bjdt-dzwl-web.2']],
    ['endpoints?service=none', []],
    ['services?node=node3', ['bjdt_bjdt-dzwl']],
    ['services?network=bjdt_overlay', ['bjdt_bjdt-dzwl', 'bjdt_bjdt-dzwl-web']],
    ['networks?service=bjdt_bjdt-dzwl', ['bjdt_overlay', 'ingress']],
    ['nodes?service=bjdt_bjdt-dzwl-web', ['node1', 'node2']],
    ['nodes?network=ingress&name=node2', ['node2']],
  ])('%s', async (path, expected) => {
    expect(await names(path)).toEqual(expected);
  });

  it('give every object exactly once, page by page', async () => {
    const seen: unknown[] = [];
    let cursor = '';
    for (let pages = 0; pages < 10; pages++) {
      const { body } = await plane.send('GET', `/v1/clusters/lab/endpoints?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...(body.items as unknown as unknown[]));
      if (body.nextCursor === null) break;
      cursor = String(body.nextCursor);
    }
    const all = await plane.send('GET', '/v1/clusters/lab/endpoints');
    expect(seen).toEqual(all.body.items);
    expect(seen).toHaveLength(5);
  });
});
