import { bjdtManifest, largeManifest } from '@portolan/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestPlane, type TestPlane } from './test-plane.js';

let plane: TestPlane;

// What is refused changes nothing, so one control plane does for all.
beforeAll(async () => {
  plane = await startTestPlane({ lasting: true });
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
  expect((await plane.send('PUT', '/v1/clusters/lab/manifest', bjdtManifest)).status).toBe(200);
});
afterAll(() => plane.stop());

const endpoint = { name: 'x', service: 'bjdt_bjdt-dzwl', node: 'node1', attachment: { netns: '/run/netns/x' } };

describe('one typed error, with path and fix, and nothing applied', () => {
  it.each([
    ['an unknown field', 'POST', 'nodes', { name: 'x', address: '172.16.130.9', adress: 1 }, 400, 'unknown-field', '/adress'],
    ['a missing field', 'POST', 'nodes', { name: 'x' }, 400, 'invalid-document', ''],
    ['a malformed address', 'POST', 'nodes', { name: 'x', address: '172.16.130' }, 400, 'invalid-address', '/address'],
    ['a malformed subnet', 'POST', 'networks', { name: 'x', subnet: '10.1.0.0/33' }, 400, 'invalid-subnet', '/subnet'],
    ['host bits', 'POST', 'networks', { name: 'x', subnet: '10.1.0.5/24' }, 400, 'host-bits-set', '/subnet'],
    ['an overlapping subnet', 'POST', 'networks', { name: 'x', subnet: '10.0.0.0/16' }, 409, 'subnet-overlap', '/subnet'],
    ['a VNI taken', 'POST', 'networks', { name: 'x', vni: 4097 }, 409, 'vni-taken', '/vni'],
    ['a second ingress network', 'POST', 'networks', { name: 'x', ingress: true }, 409, 'ingress-exists', '/ingress'],
    ['a VIP taken', 'POST', 'services', { name: 'x', networks: [{ network: 'bjdt_overlay', vip: '10.0.0.20' }] }, 409, 'address-taken', '/networks/0/vip'],
    [
      'a VIP outside its network',
      'POST',
      'services',
      { name: 'x', networks: [{ network: 'bjdt_overlay', vip: '10.0.1.20' }] },
      422,
      'address-outside-network',
      '/networks/0/vip',
    ],
    ['a mark taken', 'POST', 'services', { name: 'x', networks: [{ network: 'bjdt_overlay', mark: 329 }] }, 409, 'mark-taken', '/networks/0/mark'],
    ['a port taken', 'POST', 'services', { name: 'x', ports: [{ published: 8000, target: 80 }] }, 409, 'port-taken', '/ports/0/published'],
    ['a name twice', 'POST', 'services', { name: 'bjdt_bjdt-dzwl' }, 409, 'duplicate-name', '/name'],
    ['an unknown node', 'POST', 'endpoints', { ...endpoint, node: 'node9' }, 422, 'unknown-reference', '/node'],
    ['an unknown service', 'POST', 'endpoints', { ...endpoint, service: 'none' }, 422, 'unknown-reference', '/service'],
    ['two attachments', 'POST', 'endpoints', { ...endpoint, attachment: { netns: '/x', pid: 7 } }, 400, 'invalid-document', '/attachment'],
    ['a network in use', 'DELETE', 'networks/bjdt_overlay', undefined, 409, 'in-use', ''],
    ['a node in use', 'DELETE', 'nodes/node1', undefined, 409, 'in-use', ''],
    ['a service in use', 'DELETE', 'services/bjdt_bjdt-dzwl', undefined, 409, 'in-use', ''],
    ['an object that is none', 'POST', 'nodes', [], 400, 'invalid-document', ''],
    ['a document for another cluster', 'POST', '../none/nodes', { name: 'x', address: '172.16.130.9' }, 404, 'not-found', ''],
  ] as const)('%s', async (_what, method, path, body, status, code, pointer) => {
    const answer = await plane.send(method, `/v1/clusters/lab/${path}`.replace('lab/../', ''), body);
    expect(answer).toMatchObject({ status, body: { code, path: pointer, status, type: `urn:portolan:problem:${code}` } });
    expect(String(answer.body.fix).length).toBeGreaterThan(5);
    expect(String(answer.body.detail).length).toBeGreaterThan(5);
    expect((await plane.send('GET', '/v1/clusters/lab')).body.revision).toBe(1);
  });

  it('10,000 services with one error: one problem with its exact path', async () => {
    const manifest = largeManifest({ nodes: 3, networks: 4, services: 10_000, endpointsPerService: 0, publishedServices: 100 });
    const services = manifest.services?.map((service, i) => (i === 7_654 ? { ...service, networks: [{ network: 'overlay9' }] } : service));
    const answer = await plane.send('PUT', '/v1/clusters/lab/manifest', { ...manifest, services, endpoints: [] });
    expect(answer).toMatchObject({ status: 422, body: { code: 'unknown-reference', path: '/services/7654/networks/0/network' } });
    expect(answer.body.problems).toHaveLength(1);
    expect((await plane.send('GET', '/v1/clusters/lab/manifest')).body.services).toHaveLength(2);
  });
});

describe('requests', () => {
  it.each([
    ['GET', '/v1/clusters/lab/nodes?limt=3', 400, 'unknown-field', '?limt'],
    ['GET', '/v1/clusters/lab/nodes?limit=0', 400, 'invalid-document', '?limit'],
    ['GET', '/v1/clusters/lab/nodes?limit=many', 400, 'invalid-document', '?limit'],
    ['GET', '/v1/clusters/lab/nodes?service=a&service=b', 400, 'invalid-document', '?service'],
    ['GET', '/v1/clusters/lab/jobs?status=done', 400, 'invalid-document', '?status'],
    ['GET', '/v1/clusters/lab/wait?timeout=601', 400, 'invalid-document', '?timeout'],
    ['GET', '/v1/clusters/lab/wait?revision=99', 400, 'invalid-document', '?revision'],
    ['DELETE', '/v1/clusters/lab/nodes/node1?wait=soon', 400, 'invalid-document', '?wait'],
    ['GET', '/v1/clusters/lab/jobs?node=none', 404, 'not-found', ''],
    ['GET', '/v1/clusters/lab/jobs/none', 404, 'not-found', ''],
    ['GET', '/v1/clusters/lab/nodes/none/state', 404, 'not-found', ''],
    ['GET', '/v1/clusters/lab/nodes/node1/observed', 404, 'not-found', ''],
    ['GET', '/v1/clusters/lab/nodes/node1/state?generation=99', 404, 'not-found', ''],
    ['GET', '/v2/nothing', 404, 'not-found', ''],
    ['PATCH', '/v1/clusters/lab/manifest', 404, 'not-found', ''],
  ] as const)('%s %s', async (method, url, status, code, path) => {
    const answer = await plane.send(method, url);
    expect(answer).toMatchObject({ status, body: { code, path } });
    expect(answer.headers['content-type']).toContain('application/problem+json');
  });

  it.each([
    ['JSON that is none', '{"name": ', 'application/json'],
    ['an empty document', '', 'application/json'],
    ['an unknown type', '<node/>', 'application/xml'],
    ['a poisoned prototype', '{"__proto__": {"a": 1}}', 'application/json'],
  ])('%s', async (_what, payload, type) => {
    const response = await plane.app.inject({ method: 'POST', url: '/v1/clusters/lab/nodes', headers: { 'content-type': type }, payload });
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({ code: 'invalid-document', status: 400 });
  });

  it('a document beyond 64 MiB', async () => {
    const payload = JSON.stringify({ name: 'x'.repeat(65 * 1024 * 1024) });
    const response = await plane.app.inject({ method: 'POST', url: '/v1/clusters/lab/nodes', headers: { 'content-type': 'application/json' }, payload });
    expect(response.json()).toMatchObject({ code: 'invalid-document', fix: 'Send a document of at most 64 MiB.' });
  });
});

describe('a token', () => {
  it('is required when it is set, but for probes and documents', async () => {
    const guarded = await startTestPlane({ token: 'secret' });
    expect(await guarded.send('GET', '/v1/clusters')).toMatchObject({ status: 401, body: { code: 'unauthorized' }, headers: { 'www-authenticate': 'Bearer' } });
    expect((await guarded.send('GET', '/v1/clusters', undefined, { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await guarded.send('GET', '/v1/clusters', undefined, { authorization: 'Bearer secret' })).status).toBe(200);
    expect((await guarded.send('POST', '/graphql', { query: '{ clusters { name } }' })).status).toBe(401);
    expect((await guarded.send('GET', '/none')).status).toBe(401);
    for (const open of ['/healthz', '/readyz', '/docs/json']) expect((await guarded.send('GET', open)).status).toBe(200);
  });
});
