import { readFileSync } from 'node:fs';
import { bjdtManifest } from '@portolan/testkit';
import { beforeEach, describe, expect, it } from 'vitest';
import { startTestPlane, type TestPlane } from './test-plane.js';

const url = '/v1/clusters/lab/manifest';
let plane: TestPlane;

beforeEach(async () => {
  plane = await startTestPlane();
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
});

describe('PUT manifest', () => {
  it('makes one revision of all changes, and none the second time', async () => {
    const first = await plane.send('PUT', url, bjdtManifest);
    expect(first).toMatchObject({ status: 200, body: { revision: 1, changed: true }, headers: { 'portolan-revision': '1' } });
    expect(first.body.changes).toHaveLength(12);
    expect(first.body.changes).toContainEqual({ action: 'create', kind: 'service', name: 'bjdt_bjdt-dzwl-web' });
    expect((await plane.send('PUT', url, bjdtManifest)).body).toEqual({ revision: 1, changed: false, changes: [] });
    const whole = await plane.send('GET', url);
    expect(whole.headers.etag).toBe('"1"');
    expect((await plane.send('PUT', url, whole.body)).body).toEqual({ revision: 1, changed: false, changes: [] });
  });

  it('deletes what a section that is present does not name, and leaves other sections alone', async () => {
    await plane.send('PUT', url, bjdtManifest);
    const endpoints = bjdtManifest.endpoints?.filter(({ name }) => name !== 'bjdt_bjdt-dzwl.3');
    expect((await plane.send('PUT', url, { endpoints })).body).toEqual({
      revision: 2,
      changed: true,
      changes: expect.arrayContaining([{ action: 'delete', kind: 'endpoint', name: 'bjdt_bjdt-dzwl.3' }]),
    });
    expect((await plane.send('GET', '/v1/clusters/lab/services')).body.items).toHaveLength(2);
  });

  it('answers a dry run with the same changes, and changes nothing', async () => {
    const dry = await plane.send('PUT', `${url}?dryRun=true&wait=applied`, bjdtManifest);
    expect(dry.body).toMatchObject({ revision: 0, changed: true });
    expect((await plane.send('GET', '/v1/clusters/lab')).body.revision).toBe(0);
    const real = await plane.send('PUT', url, bjdtManifest);
    expect(dry.body.changes).toEqual(real.body.changes);
  });

  it('is guarded by the revision', async () => {
    await plane.send('PUT', url, bjdtManifest);
    expect((await plane.send('PUT', url, { endpoints: [] }, { 'if-match': '"0"' })).body).toMatchObject({ code: 'precondition-failed', status: 412 });
    expect((await plane.send('PUT', url, { endpoints: [] }, { 'if-match': '"1"' })).status).toBe(200);
  });

  it('takes the YAML of the example', async () => {
    const yaml = readFileSync(new URL('../../../examples/bjdt.yaml', import.meta.url), 'utf8');
    expect((await plane.send('PUT', url, yaml, { 'content-type': 'application/yaml' })).body).toMatchObject({ revision: 1, changed: true });
    expect((await plane.send('GET', '/v1/clusters/lab/services/bjdt_bjdt-dzwl')).body).toMatchObject({
      networks: expect.arrayContaining([{ network: 'bjdt_overlay', vip: '10.0.0.20', mark: 329 }]),
    });
    expect((await plane.send('PUT', url, 'nodes: [', { 'content-type': 'application/yaml' })).body).toMatchObject({ code: 'invalid-document', path: '' });
  });
});

it('lists who changed what, newest first, by pages', async () => {
  await plane.send('PUT', url, bjdtManifest);
  await plane.send('DELETE', '/v1/clusters/lab/endpoints/bjdt_bjdt-dzwl.3');
  await plane.send('PATCH', '/v1/clusters/lab', { settings: { underlayMtu: 1400 } });
  const first = await plane.send('GET', '/v1/clusters/lab/revisions?limit=2');
  expect(first.body).toMatchObject({ items: [{ revision: 3, actor: 'rest', summary: 'change settings' }, { revision: 2 }], nextCursor: '2' });
  const second = await plane.send('GET', `/v1/clusters/lab/revisions?limit=2&cursor=${first.body.nextCursor}`);
  expect(second.body).toMatchObject({ items: [{ revision: 1, summary: 'apply manifest' }], nextCursor: null });
  expect((await plane.send('GET', '/v1/clusters/lab/revisions?cursor=x')).body).toMatchObject({ code: 'invalid-document', path: '?cursor' });
});

it('tells what works but perhaps not as meant', async () => {
  await plane.send('PUT', url, { ...bjdtManifest, services: [{ name: 'lonely' }], endpoints: [] });
  const { body } = await plane.send('GET', '/v1/clusters/lab/findings');
  expect(body.items).toContainEqual(expect.objectContaining({ severity: 'warn', code: 'service-without-network' }));
});
