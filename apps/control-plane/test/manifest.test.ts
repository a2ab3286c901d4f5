import { readFileSync } from 'node:fs';
import { bjdtManifest } from '@portolan/testkit';
import { beforeEach, describe, expect, it } from 'vitest';
import { SimulatedAgent } from './simulated-agent.js';
import { eventually, startTestPlane, type TestPlane } from './test-plane.js';

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

it('tells how much of each pool is used, and by what', async () => {
  await plane.send('PUT', url, bjdtManifest);
  const pools = async () => (await plane.send('GET', '/v1/clusters/lab/pools')).body.items;
  expect(await pools()).toContainEqual(expect.objectContaining({ pool: 'marks', name: '', range: '65536-81919', size: 16384, by: { vip: 3, local: 0 } }));
  const overlay = (await plane.send('GET', '/v1/clusters/lab/networks/bjdt_overlay')).body;
  expect(overlay).toMatchObject({
    effectiveMtu: 1450,
    usage: { pool: 'addresses', name: 'bjdt_overlay', size: 254, by: { gateway: 1, vip: 2, 'load-balancer': 3, endpoint: 5 } },
  });
  expect(await pools()).toContainEqual(overlay.usage);
  const metrics = (await plane.app.inject('/metrics')).body;
  for (const line of [
    'portolan_pool_size{cluster="lab",pool="addresses",name="bjdt_overlay"} 254',
    'portolan_pool_used{cluster="lab",pool="addresses",name="bjdt_overlay"} 11',
    'portolan_pool_retired{cluster="lab",pool="addresses",name="bjdt_overlay"} 0',
    'portolan_endpoints{cluster="lab",traffic="nothing"} 5',
    'portolan_endpoints{cluster="lab",traffic="all"} 0',
  ]) {
    expect(metrics).toContain(line);
  }
});

it('gives what was given up again only when every node has applied that', async () => {
  await plane.send('PUT', url, bjdtManifest);
  const agents = ['node1', 'node2', 'node3'].map((node) => new SimulatedAgent(plane, 'lab', node));
  const syncAll = (revision: number) =>
    eventually(async () => {
      for (const agent of agents) await agent.sync({ endpoints: {} });
      expect((await plane.send('GET', '/v1/clusters/lab/status')).body.appliedRevision).toBe(revision);
    });
  await syncAll(1);
  const endpoint = 'bjdt_bjdt-dzwl.3';
  const { addresses } = (await plane.send('GET', `/v1/clusters/lab/endpoints/${endpoint}`)).body;
  expect((await plane.send('DELETE', `/v1/clusters/lab/endpoints/${endpoint}`)).status).toBe(204);
  const taken = { name: 'other', service: 'bjdt_bjdt-dzwl-web', node: 'node1', attachment: { pid: 77 }, addresses };
  const retired = async () => (await plane.send('GET', '/v1/clusters/lab/networks/bjdt_overlay')).body.usage?.retired;
  expect(await retired()).toBeGreaterThan(0);
  expect((await plane.send('POST', '/v1/clusters/lab/endpoints', taken)).body).toMatchObject({ code: 'still-held', status: 409 });
  expect(
    (await plane.send('PUT', `${url}?dryRun=true`, { endpoints: [...(bjdtManifest.endpoints ?? []).filter(({ name }) => name !== endpoint), taken] })).body,
  ).toMatchObject({ code: 'still-held' });
  await syncAll(2);
  expect(await retired()).toBe(0);
  expect((await plane.send('PUT', url, {})).body).toEqual({ revision: 2, changed: false, changes: [] });
  expect((await plane.send('POST', '/v1/clusters/lab/endpoints', taken)).status).toBe(201);
});
