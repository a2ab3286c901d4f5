import { bjdtManifest } from '@portolan/testkit';
import { beforeEach, describe, expect, it } from 'vitest';
import { runAgents, SimulatedAgent } from './simulated-agent.js';
import { eventually, type Json, startTestPlane, type TestPlane } from './test-plane.js';

const cluster = '/v1/clusters/lab';
const nodes = ['node1', 'node2', 'node3'];
/** On node1, of a service with endpoints on node1 and node2; every node takes part in its networks. */
const leaving = 'bjdt_bjdt-dzwl-web.1';
const url = `${cluster}/endpoints/${leaving}`;
let plane: TestPlane;

beforeEach(async () => {
  plane = await startTestPlane();
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
});

/** Every endpoint is present and sent traffic. */
async function settled(): Promise<readonly SimulatedAgent[]> {
  const agents = await runAgents(plane, 'lab', nodes);
  await plane.send('PUT', `${cluster}/manifest`, bjdtManifest);
  await eventually(async () => {
    const { items } = (await plane.send('GET', `${cluster}/endpoints`)).body;
    expect((items as unknown as { traffic: string }[]).map(({ traffic }) => traffic)).toEqual(['all', 'all', 'all', 'all', 'all']);
  });
  return agents;
}

function messages(body: Json): readonly string[] {
  return (body.problems as unknown as { message: string }[]).map(({ message }) => message);
}

describe('an endpoint that is deleted', () => {
  it('stays while it has connections, and goes when they are gone', async () => {
    const [agent] = await settled();
    if (agent !== undefined) agent.connections = 3;
    const begun = await plane.send('DELETE', url);
    expect(begun.status).toBe(204);
    await eventually(async () => {
      const { body } = await plane.send('GET', url);
      expect(body).toMatchObject({
        presence: 'present',
        traffic: 'established',
        drain: { removes: true, drained: false, acknowledgedBy: nodes, pending: [], connections: 3 },
      });
      expect(begun.headers['portolan-revision']).toBe(String(body.drain?.revision));
    });
    const early = await plane.send('DELETE', `${url}?wait=drained&timeout=0.2`);
    expect(early).toMatchObject({ status: 504, body: { code: 'not-drained', detail: `${leaving} is not drained within 0.2 s: 3 connections are left` } });
    expect((await plane.app.inject('/metrics')).body).toContain('portolan_endpoints_draining{cluster="lab"} 1');

    const waiting = plane.send('DELETE', `${url}?wait=drained&timeout=20`);
    if (agent !== undefined) agent.connections = 0;
    await agent?.sync();
    expect((await waiting).status).toBe(204);
    expect((await plane.send('GET', url)).status).toBe(404);
    const { items } = (await plane.send('GET', `${cluster}/revisions?limit=5`)).body;
    expect(items).toContainEqual(
      expect.objectContaining({ actor: 'drain', summary: `endpoint ${leaving} is drained`, changes: [{ action: 'delete', kind: 'endpoint', name: leaving }] }),
    );
  });

  it('is forced out at once, and so goes what is sent nothing', async () => {
    await settled();
    expect((await plane.send('DELETE', `${url}?force=true`)).status).toBe(204);
    expect((await plane.send('GET', url)).status).toBe(404);
    await plane.send('POST', `${cluster}/endpoints`, { name: 'unseen', service: 'bjdt_bjdt-dzwl', node: 'node1', attachment: { pid: 77 } });
    expect((await plane.send('DELETE', `${cluster}/endpoints/unseen?wait=drained&timeout=20`)).status).toBe(204);
    expect((await plane.send('GET', `${cluster}/endpoints/unseen`)).status).toBe(404);
  });

  it('by a manifest is drained too, unless that is forced', async () => {
    await settled();
    const endpoints = bjdtManifest.endpoints?.filter(({ name }) => name !== leaving);
    await plane.send('PUT', `${cluster}/manifest`, { endpoints });
    expect((await plane.send('GET', url)).body.drain).toMatchObject({ removes: true, drained: false });
    expect((await plane.send('PUT', `${cluster}/manifest`, { endpoints: bjdtManifest.endpoints })).status).toBe(200);
    expect((await plane.send('GET', url)).body.drain).toBeNull();
    await plane.send('PUT', `${cluster}/manifest?force=true`, { endpoints });
    expect((await plane.send('GET', url)).status).toBe(404);
  });
});

describe('a drain', () => {
  it('ends at its deadline whatever connections are left, and can be cancelled', async () => {
    const [agent] = await settled();
    if (agent !== undefined) agent.connections = 5;
    const start = performance.now();
    const drained = await plane.send('POST', `${url}/drain?wait=drained&timeout=20`, { seconds: 2 });
    expect(drained).toMatchObject({ status: 200, body: { name: leaving, traffic: 'established', drain: { drained: true, removes: false } } });
    expect(performance.now() - start).toBeGreaterThan(1950);
    expect(drained.headers.etag).toBe(`"${drained.body.version}"`);

    const cancelled = await plane.send('DELETE', `${url}/drain?wait=applied&timeout=20`);
    expect(cancelled).toMatchObject({ status: 200, body: { traffic: 'all', drain: null } });
    expect((await plane.send('DELETE', `${cluster}/endpoints/none/drain`)).status).toBe(404);
    expect((await plane.send('POST', `${url}/drain`, { seconds: -1 })).body).toMatchObject({ code: 'invalid-document', path: '/seconds' });
    expect((await plane.send('POST', `${url}/drain`, { secs: 1 })).body).toMatchObject({ code: 'unknown-field', path: '/secs' });
    expect((await plane.send('POST', `${url}/drain`, {}, { 'if-match': '"1"' })).status).toBe(412);
  });

  it('waits for each node that takes part to say that it has applied it', async () => {
    const agents = nodes.map((node) => new SimulatedAgent(plane, 'lab', node));
    await plane.send('PUT', `${cluster}/manifest`, bjdtManifest);
    const sync = async (some: readonly SimulatedAgent[]): Promise<void> => {
      for (const agent of some) await agent.sync();
    };
    await eventually(async () => {
      await sync(agents);
      expect((await plane.send('GET', url)).body.traffic).toBe('all');
    });
    const waiting = plane.send('POST', `${url}/drain?wait=drained&timeout=2`, { seconds: 0 });
    await eventually(async () => {
      await sync(agents.filter(({ node }) => node !== 'node2'));
      expect((await plane.send('GET', url)).body.drain).toMatchObject({ acknowledgedBy: ['node1', 'node3'], pending: ['node2'], drained: false });
    });
    const late = await waiting;
    expect(late).toMatchObject({ status: 504, body: { code: 'not-drained' } });
    expect(messages(late.body)[0]).toContain('node2 has not acknowledged it');
    await eventually(async () => {
      await sync(agents);
      expect((await plane.send('GET', url)).body.drain).toMatchObject({ acknowledgedBy: nodes, pending: [], drained: true });
    });
  });

  it('tells who waits that it was cancelled', async () => {
    const [agent] = await settled();
    if (agent !== undefined) agent.connections = 1;
    const waiting = plane.send('POST', `${url}/drain?wait=drained&timeout=20`, {});
    await eventually(async () => expect((await plane.send('GET', url)).body.drain).not.toBeNull());
    await plane.send('DELETE', `${url}/drain`);
    expect(await waiting).toMatchObject({ status: 504, body: { code: 'not-drained', detail: `the drain of ${leaving} was cancelled` } });
  });

  it('is the same over GraphQL', async () => {
    await settled();
    const mutate = async (text: string): Promise<Json> => {
      const { body } = await plane.send('POST', '/graphql', { query: `mutation { ${text} }` });
      expect(body.errors).toBeUndefined();
      return (body as unknown as { data: Json }).data;
    };
    const fields = '{ name traffic drain { drained removes pending connections } }';
    const drained = await mutate(`drainEndpoint(cluster: "lab", name: "${leaving}", seconds: 30, wait: drained, timeout: 20) ${fields}`);
    expect(drained.drainEndpoint).toEqual({ name: leaving, traffic: 'established', drain: { drained: true, removes: false, pending: [], connections: 0 } });
    const cancelled = await mutate(`cancelDrain(cluster: "lab", name: "${leaving}", wait: true, timeout: 20) ${fields}`);
    expect(cancelled.cancelDrain).toEqual({ name: leaving, traffic: 'all', drain: null });
    const deleted = await mutate(`deleteEndpoint(cluster: "lab", name: "${leaving}", force: true) { changes { action name } }`);
    expect(deleted.deleteEndpoint).toEqual({ changes: [{ action: 'delete', name: leaving }] });
  });
});
