import { bjdtManifest } from '@portolan/testkit';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Json, startTestPlane, type TestPlane } from './test-plane.js';

const url = '/v1/clusters/lab/explain';
const asked = 'from=outside&to=bjdt_bjdt-dzwl-web:8000&node=node3';
/** Hops as a query for their texts has them. */
function texts(hops: Json | undefined): readonly object[] {
  return Object.values(hops ?? {}).map(({ text }) => ({ text }));
}

let plane: TestPlane;

beforeEach(async () => {
  plane = await startTestPlane();
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
  await plane.send('PUT', '/v1/clusters/lab/manifest', bjdtManifest);
});

describe('explain', () => {
  it('answers REST and GraphQL alike', async () => {
    const { status, body } = await plane.send('GET', `${url}?${asked}`);
    expect(status).toBe(200);
    // Nobody has seen the containers yet, so nothing is sent to them.
    expect(body).toMatchObject({ view: 'desired', transport: 'tcp', resolution: { addresses: ['172.16.130.170'] }, verdict: { outcome: 'no-backend' } });
    const query =
      '{ cluster(name: "lab") { explain(from: "outside", to: "bjdt_bjdt-dzwl-web:8000", node: "node3") { verdict { outcome reason } paths { forward { text } } } } }';
    const explain = { verdict: { outcome: 'no_backend', reason: body.verdict?.reason }, paths: [{ forward: texts(body.paths?.[0]?.forward) }] };
    expect((await plane.send('POST', '/graphql', { query })).body).toEqual({ data: { cluster: { explain } } });
  });

  it('knows nothing of kernels that nobody has reported', async () => {
    expect((await plane.send('GET', `${url}?${asked}&observed=true`)).body).toMatchObject({ view: 'observed', verdict: { outcome: 'unknown' } });
  });

  it.each([
    ['from=web&to=10.0.0.20', 400, 'invalid-document'],
    ['from=endpoint:nobody&to=10.0.0.20', 404, 'not-found'],
    ['from=outside', 400, undefined],
  ])('refuses %s', async (question, status, code) => {
    const { status: answered, body } = await plane.send('GET', `${url}?${question}`);
    expect(answered).toBe(status);
    if (code !== undefined) expect(body.code).toBe(code);
  });
});
