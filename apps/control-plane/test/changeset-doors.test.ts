import { bjdtManifest } from '@portolan/testkit';
import { createClient } from 'graphql-ws';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { listenOn } from '../src/index.js';
import { SimulatedAgent } from './simulated-agent.js';
import { eventually, type Json, startTestPlane, type TestPlane } from './test-plane.js';

const cluster = '/v1/clusters/lab';
const nodes = ['node1', 'node2', 'node3'];
const other = { services: bjdtManifest.services?.map((service) => ({ ...service, scheduler: 'wrr' })) };
let plane: TestPlane;

beforeEach(async () => {
  plane = await startTestPlane();
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
  const liveness = { version: 'simulated', startedAt: '2026-01-01T00:00:00.000Z', pid: 1 };
  for (const node of nodes) await plane.coordination.keepAlive('lab', node, liveness);
  await plane.send('PUT', `${cluster}/manifest`, bjdtManifest);
});

/** Agents that ask for what there is until the test ends. What they are answered is no matter of these tests, so it is not compared with the document. */
function runAgents(): void {
  const send: TestPlane['send'] = async (method, url, body, headers = {}) => {
    const answer = await plane.app.inject({ method, url, headers, ...(body === undefined ? {} : { payload: body as object }) });
    return { status: answer.statusCode, body: (answer.body === '' ? {} : answer.json()) as Json, headers: answer.headers };
  };
  const agents = nodes.map((node) => new SimulatedAgent({ send }, 'lab', node));
  let ended = false;
  const work = (async () => {
    while (!ended) {
      for (const agent of agents) await agent.sync();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  onTestFinished(async () => {
    ended = true;
    await work;
  });
}

async function query(text: string, variables: Record<string, unknown> = {}): Promise<Json> {
  const { body } = await plane.send('POST', '/graphql', { query: text, variables });
  if (body.errors !== undefined) throw new Error(JSON.stringify(body.errors));
  return body.data as Json;
}

describe('REST', () => {
  it('plans, applies node by node, waits, lists', async () => {
    runAgents();
    const made = await plane.send('POST', `${cluster}/changesets`, { manifest: other, summary: 'balance by weight' });
    expect(made).toMatchObject({ status: 201, body: { status: 'planned', summary: 'balance by weight', rollout: null, document: { kind: 'manifest' } } });
    expect(made.headers.location).toBe(`${cluster}/changesets/${made.body.id}`);
    const url = `${cluster}/changesets/${made.body.id}`;
    const applied = await plane.send('POST', `${url}/apply?wait=applied&timeout=20`, { rollout: { monitor: 0 }, confirmWithin: 600 });
    expect(applied).toMatchObject({ status: 200, body: { status: 'confirming', rollout: { spec: { parallelism: 1, failureAction: 'pause' } } } });
    expect(applied.body.rollout?.nodes).toMatchObject(nodes.map((node) => ({ node, state: 'updated' })));
    expect((await plane.send('PATCH', `${cluster}/services/bjdt_bjdt-dzwl`, { scheduler: 'lc' })).body).toMatchObject({
      code: 'rollout-in-progress',
      status: 409,
    });
    expect((await plane.send('POST', `${url}/pause`)).body).toMatchObject({ code: 'precondition-failed', status: 412 });
    expect((await plane.send('POST', `${url}/confirm`)).body.status).toBe('applied');
    expect((await plane.send('GET', url)).body).toMatchObject({ status: 'applied', rollout: { confirmBy: null } });
    const second = (await plane.send('POST', `${cluster}/changesets`, { rollback: {} })).body;
    expect(second).toMatchObject({ document: { kind: 'rollback', to: Number(applied.body.revision) - 1 } });
    expect((await plane.send('DELETE', `${cluster}/changesets/${second.id}`)).status).toBe(204);
    const first = await plane.send('GET', `${cluster}/changesets?limit=1`);
    expect(first.body.items).toMatchObject([{ id: second.id, status: 'discarded', kind: 'rollback' }]);
    expect((await plane.send('GET', `${cluster}/changesets?cursor=${first.body.nextCursor}`)).body).toMatchObject({
      items: [{ id: made.body.id, status: 'applied', kind: 'manifest', reason: null }],
      nextCursor: null,
    });
    expect((await plane.send('GET', `${cluster}/changesets/${String(made.body.id).replace(/^./, 'x')}`)).status).toBe(404);
  });

  it('says how far a rollout is when the time is over, and rolls back', async () => {
    const { id } = (await plane.send('POST', `${cluster}/changesets`, { manifest: other })).body;
    const url = `${cluster}/changesets/${id}`;
    await eventually(async () => expect((await plane.send('GET', `${cluster}/nodes/node1`)).body.status).toMatchObject({ alive: true }));
    const late = await plane.send('POST', `${url}/apply?wait=applied&timeout=0.5`, {});
    expect(late).toMatchObject({ status: 504, body: { code: 'wait-timeout' } });
    expect((late.body.problems as unknown as { message: string }[]).map(({ message }) => message)).toEqual(
      expect.arrayContaining(['node1 is released', 'node2 is waiting', 'node3 is waiting']),
    );
    expect((await plane.send('POST', `${url}/pause`)).body.status).toBe('paused');
    expect((await plane.send('POST', `${url}/resume`, { rollout: { delay: -1 } })).body).toMatchObject({ code: 'invalid-document', path: '/rollout/delay' });
    expect((await plane.send('POST', `${url}/rollback`)).body).toMatchObject({ status: 'rolled-back', rollout: { reason: 'rolled back by rest' } });
    const { items } = (await plane.send('GET', `${cluster}/revisions?limit=2`)).body;
    expect(items).toMatchObject([{ actor: 'rest', from: '127.0.0.1', summary: expect.stringContaining('roll back "apply manifest"') }, {}]);
  });

  it('reads the past, and goes back to it', async () => {
    const { revision } = (await plane.send('GET', cluster)).body;
    await plane.send('PATCH', `${cluster}/services/bjdt_bjdt-dzwl`, { scheduler: 'lc' });
    const diff = (await plane.send('GET', `${cluster}/diff`)).body;
    expect(diff.objects).toMatchObject([
      { action: 'change', kind: 'service', name: 'bjdt_bjdt-dzwl', fields: [{ path: '/scheduler', before: 'rr', after: 'lc' }] },
    ]);
    expect((await plane.send('GET', `${cluster}/diff?from=0&to=1`)).body.objects).toContainEqual(expect.objectContaining({ action: 'create', name: 'node1' }));
    const past = await plane.send('GET', `${cluster}/manifest?revision=${diff.from}`);
    expect(past.headers.etag).toBe(`"${diff.from}"`);
    expect((past.body.services as unknown as { scheduler: string }[]).map(({ scheduler }) => scheduler)).toEqual(['rr', 'rr']);
    expect((await plane.send('GET', `${cluster}/manifest?revision=99`)).status).toBe(404);
    expect((await plane.send('POST', `${cluster}/rollback?dryRun=true`)).body).toMatchObject({ to: diff.from, changed: true });
    const back = await plane.send('POST', `${cluster}/rollback`, { to: revision });
    expect(back).toMatchObject({ status: 200, body: { changed: true, changes: [{ action: 'change', kind: 'service', name: 'bjdt_bjdt-dzwl' }] } });
    expect((await plane.send('GET', `${cluster}/services/bjdt_bjdt-dzwl`)).body.scheduler).toBe('rr');
    expect((await plane.send('POST', `${cluster}/rollback`, { to: 'x' })).body).toMatchObject({ code: 'invalid-document', path: '/to' });
  });
});

describe('GraphQL', () => {
  it('does the same', async () => {
    runAgents();
    const { createChangeset: made } = await query(
      `mutation ($manifest: JSON!) { createChangeset(cluster: "lab", manifest: $manifest) {
        id status nodes { node risk more steps { action key origin reason risk } } changes { kind name } blockers { override } } }`,
      { manifest: other },
    );
    expect(made).toMatchObject({ status: 'planned', nodes: nodes.map((node) => ({ node })), blockers: [] });
    const { applyChangeset } = await query(
      `mutation ($id: ID!) { applyChangeset(cluster: "lab", id: $id, rollout: { parallelism: 0, monitor: 0 }, confirmWithin: 60, wait: true, timeout: 20) {
        status revision rollout { spec nodes { node state } reason } } }`,
      { id: made?.id },
    );
    expect(applyChangeset).toMatchObject({ status: 'confirming', rollout: { nodes: nodes.map((node) => ({ node, state: 'updated' })) } });
    const { rollbackChangeset } = await query(`mutation ($id: ID!) { rollbackChangeset(cluster: "lab", id: $id) { status rollout { reason } } }`, {
      id: made?.id,
    });
    expect(rollbackChangeset).toEqual({ status: 'rolled-back', rollout: { reason: 'rolled back by graphql' } });
    const read = await query(
      `query ($id: ID!) { cluster(name: "lab") { changesets { id } changeset(id: $id) { status } difference { objects { name fields { path before after } } }
        manifestAt(revision: 0) revisions(limit: 1) { actor from summary } } }`,
      { id: made?.id },
    );
    expect(read.cluster).toMatchObject({
      changesets: [{ id: made?.id }],
      changeset: { status: 'rolled-back' },
      difference: { objects: [{ fields: [{ path: '/scheduler', before: 'wrr', after: 'rr' }] }, {}] },
      manifestAt: { nodes: [] },
      revisions: [{ actor: 'graphql', from: '127.0.0.1' }],
    });
    const { rollbackCluster } = await query('mutation { rollbackCluster(cluster: "lab", dryRun: true) { changed changes { name } } }');
    expect(rollbackCluster?.changed).toBe(true);
  });

  it('follows a changeset', async () => {
    const [address] = await listenOn(plane.app, [{ host: '127.0.0.1', port: 0 }]);
    const client = createClient({ url: `${address?.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0 });
    onTestFinished(() => client.dispose());
    const seen: unknown[] = [];
    client.subscribe<{ changesetMoved: { status: string } | null }>(
      { query: 'subscription { changesetMoved(cluster: "lab") { status } }' },
      { next: ({ data }) => seen.push(data?.changesetMoved?.status ?? null), error: (error) => seen.push(error), complete: () => undefined },
    );
    await eventually(() => expect(seen).toEqual([null]));
    const { id } = (await plane.send('POST', `${cluster}/changesets`, { manifest: other })).body;
    await eventually(() => expect(seen.at(-1)).toBe('planned'));
    await plane.send('DELETE', `${cluster}/changesets/${id}`);
    await eventually(() => expect(seen).toEqual([null, 'planned', 'discarded']));
  });
});
