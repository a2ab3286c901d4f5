import { PROTOCOL_VERSION } from '@portolan/protocol';
import { bjdtManifest } from '@portolan/testkit';
import { beforeEach, describe, expect, it } from 'vitest';
import { runAgents, SimulatedAgent } from './simulated-agent.js';
import { eventually, startTestPlane, type TestPlane } from './test-plane.js';

const cluster = '/v1/clusters/lab';
const nodes = ['node1', 'node2', 'node3'];
let plane: TestPlane;

beforeEach(async () => {
  plane = await startTestPlane();
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
});

const liveness = { version: 'simulated', startedAt: '2026-01-01T00:00:00.000Z', pid: 1 };

describe('from commit to applied', () => {
  it('computes every node, tells the agents, and answers ?wait=applied when all have reported', async () => {
    await runAgents(plane, 'lab', nodes);
    const applied = await plane.send('PUT', `${cluster}/manifest?wait=applied&timeout=10`, bjdtManifest);
    expect(applied).toMatchObject({ status: 200, body: { revision: 1 }, headers: { 'portolan-revision': '1' } });
    const { body } = await plane.send('GET', `${cluster}/status`);
    expect(body).toMatchObject({ cluster: 'lab', nodes: [{ name: 'node1', lastStatus: 'applied', facts: { kernel: 'simulated' } }, {}, {}] });
    for (const node of body.nodes as unknown as { appliedRevision: number }[]) expect(node.appliedRevision).toBeGreaterThanOrEqual(1);
  });

  it.each([
    ['POST', 'services', { name: 'new' }],
    ['PUT', 'services/bjdt_bjdt-dzwl-web', { ...bjdtManifest.services?.[1], scheduler: 'wrr' }],
    ['PATCH', 'services/bjdt_bjdt-dzwl-web', { scheduler: 'sh' }],
    ['DELETE', 'endpoints/bjdt_bjdt-dzwl.3', undefined],
    ['PATCH', '', { settings: { underlayMtu: 1400 } }],
  ] as const)('%s %s waits too', async (method, path, body) => {
    await runAgents(plane, 'lab', nodes);
    await plane.send('PUT', `${cluster}/manifest?wait=applied`, bjdtManifest);
    const answer = await plane.send(method, `${cluster}/${path}`.replace(/\/$/, '').concat('?wait=applied&timeout=10'), body);
    expect(answer.status).toBeLessThan(300);
    const revision = Number(answer.headers['portolan-revision']);
    expect(revision).toBeGreaterThan(1);
    expect(Number((await plane.send('GET', `${cluster}/status`)).body.appliedRevision)).toBeGreaterThanOrEqual(revision);
  });

  it('names the nodes that have not applied a revision, and why', async () => {
    await plane.coordination.keepAlive('lab', 'node1', liveness);
    await plane.coordination.keepAlive('lab', 'node2', liveness);
    await plane.send('PUT', `${cluster}/manifest`, bjdtManifest);
    const [one, two] = nodes.map((node) => new SimulatedAgent(plane, 'lab', node));
    await eventually(async () => {
      const { items } = (await plane.send('GET', `${cluster}/nodes`)).body;
      expect((items as unknown as { condition: string }[]).map(({ condition }) => condition)).toEqual(['up', 'up', 'unknown']);
      const { intentRevision, computedRevision } = (await plane.send('GET', `${cluster}/status`)).body;
      expect(computedRevision).toBe(intentRevision);
    });
    const before = Number((await plane.send('GET', cluster)).body.revision);
    await one?.sync({ endpoints: {} });
    await two?.sync({
      status: 'failed',
      endpoints: {},
      errors: [{ code: 'tool-missing', message: 'ipvsadm is not installed', fix: 'apt-get install ipvsadm' }],
    });
    await eventually(async () => expect((await plane.send('GET', `${cluster}/nodes/node3`)).body.status).toMatchObject({ alive: false }));

    const late = await plane.send('DELETE', `${cluster}/endpoints/bjdt_bjdt-dzwl-web.2?wait=applied&timeout=0.3`);
    expect(late).toMatchObject({ status: 504, body: { code: 'wait-timeout' }, headers: { 'portolan-revision': String(before + 1) } });
    const reasons = (late.body.problems as unknown as { message: string }[]).map(({ message }) => message);
    expect(reasons[0]).toContain(`revision ${before + 1} is committed, but 3 of 3 nodes have not applied it within 0.3 s`);
    expect(reasons).toEqual(
      expect.arrayContaining([
        expect.stringMatching(new RegExp(`^node1 has applied revision ${before}, last report at 20`)),
        expect.stringMatching(/^node2 failed: ipvsadm is not installed \[tool-missing\]$/),
        expect.stringMatching(/^node3 has never reported and is down$/),
      ]),
    );
    expect((await plane.send('GET', `${cluster}/endpoints/bjdt_bjdt-dzwl-web.2`)).status).toBe(404);
  });

  it('GET wait answers at once for what is applied, and when it becomes so', async () => {
    expect((await plane.send('GET', `${cluster}/wait`)).body).toMatchObject({ intentRevision: 0, appliedRevision: 0 });
    await plane.send('PUT', `${cluster}/manifest`, { nodes: bjdtManifest.nodes });
    const waiting = plane.send('GET', `${cluster}/wait?revision=1&timeout=10`);
    await runAgents(plane, 'lab', nodes);
    expect(await waiting).toMatchObject({ status: 200, body: { appliedRevision: 1 } });
  });

  it('a new endpoint on a node that is up is waited for until it is sent traffic', async () => {
    for (const node of nodes) await plane.coordination.keepAlive('lab', node, liveness);
    await plane.send('PUT', `${cluster}/manifest`, { ...bjdtManifest, endpoints: [] });
    await runAgents(plane, 'lab', nodes);
    const isSent = async (): Promise<void> => {
      const status = (await plane.send('GET', `${cluster}/status`)).body;
      const { items } = (await plane.send('GET', `${cluster}/revisions`)).body;
      const seen = (items as unknown as { revision: number; actor: string }[]).find(({ actor }) => actor.startsWith('agent:'));
      expect(Number(status.appliedRevision)).toBeGreaterThanOrEqual(seen?.revision ?? Number.NaN);
    };
    const [spec, other] = bjdtManifest.endpoints ?? [];
    const made = await plane.send('POST', `${cluster}/endpoints?wait=applied&timeout=20`, spec);
    expect(made).toMatchObject({ status: 201, body: { presence: 'present', traffic: 'all' } });
    expect(made.headers.etag).toBe(`"${made.body.version}"`);
    await isSent();
    const { headers } = await plane.send('POST', `${cluster}/endpoints`, other);
    expect((await plane.send('GET', `${cluster}/wait?revision=${headers['portolan-revision']}&timeout=20`)).status).toBe(200);
    expect((await plane.send('GET', `${cluster}/endpoints/${other?.name}`)).body.traffic).toBe('all');
    await isSent();
  });

  it('names the endpoints that nobody has seen', async () => {
    await plane.coordination.keepAlive('lab', 'node1', liveness);
    await plane.send('PUT', `${cluster}/manifest`, { ...bjdtManifest, nodes: bjdtManifest.nodes?.slice(0, 1), endpoints: [] });
    const agent = new SimulatedAgent(plane, 'lab', 'node1');
    const spec = { name: 'unseen', service: 'bjdt_bjdt-dzwl', node: 'node1', attachment: { pid: 77 } };
    const waiting = plane.send('POST', `${cluster}/endpoints?wait=applied&timeout=1.5`, spec);
    await eventually(async () => {
      await agent.sync({ endpoints: {} });
      const { intentRevision, appliedRevision } = (await plane.send('GET', `${cluster}/status`)).body;
      expect(intentRevision).toBe(3);
      expect(appliedRevision).toBe(3);
    });
    expect(await waiting).toMatchObject({
      status: 504,
      body: { code: 'wait-timeout', detail: expect.stringContaining('1 endpoints have not been seen within 1.5 s: unseen has not been seen by node1 yet') },
    });
  });

  it('a revision that changes nothing on a node is applied there without a job', async () => {
    await runAgents(plane, 'lab', nodes);
    await plane.send('PUT', `${cluster}/manifest?wait=applied`, bjdtManifest);
    await plane.send('GET', `${cluster}/wait?timeout=10`);
    const before = await plane.send('GET', `${cluster}/jobs`);
    const answer = await plane.send('PATCH', `${cluster}/nodes/node1?wait=applied&timeout=10`, { labels: { rack: 'a' } });
    expect(answer.status).toBe(200);
    expect((await plane.send('GET', `${cluster}/jobs`)).body.items).toHaveLength((before.body.items as unknown as unknown[]).length);
  });
});

describe('agents', () => {
  beforeEach(async () => {
    await plane.send('PUT', `${cluster}/manifest`, bjdtManifest);
    await eventually(async () => expect((await plane.send('GET', `${cluster}/status`)).body.computedRevision).toBe(1));
  });

  it('get the state with its hash as ETag, and 304 when they have it', async () => {
    const state = await plane.send('GET', '/v1/agents/lab/node1/state');
    expect(state).toMatchObject({ status: 200, body: { protocol: PROTOCOL_VERSION, generation: 1, revision: 1, state: { node: 'node1' } } });
    expect(state.headers.etag).toBe(`"${state.body.state?.hash}"`);
    await plane.send('PATCH', `${cluster}/nodes/node2`, { labels: { rack: 'b' } });
    await eventually(async () => {
      const same = await plane.send('GET', '/v1/agents/lab/node1/state', undefined, { 'if-none-match': String(state.headers.etag) });
      expect(same).toMatchObject({ status: 304, body: null, headers: { 'portolan-generation': '1', 'portolan-revision': '2', etag: state.headers.etag } });
    });
    expect((await plane.send('GET', '/v1/agents/lab/node1/state', undefined, { 'if-none-match': '"other"' })).status).toBe(200);
    expect((await plane.send('GET', '/v1/agents/lab/none/state')).status).toBe(404);
    expect((await plane.send('GET', '/v1/agents/none/node1/state')).status).toBe(404);
  });

  it('report presence, which takes absent endpoints out of the balancing', async () => {
    const agent = new SimulatedAgent(plane, 'lab', 'node1');
    const state = await plane.send('GET', '/v1/agents/lab/node1/state');
    const [first = ''] = Object.keys(state.body.state?.endpoints ?? {});
    await agent.sync({ endpoints: { [first]: 'absent' } });
    const endpoints = (await plane.send('GET', `${cluster}/endpoints?node=node1`)).body.items as unknown as { id: string; presence: string }[];
    expect(endpoints.find(({ id }) => id === first)?.presence).toBe('absent');
    expect((await plane.send('GET', `${cluster}/revisions?limit=1`)).body.items).toMatchObject([{ revision: 2, actor: 'agent:node1' }]);
    await agent.sync({ endpoints: { [first]: 'absent' } });
    expect((await plane.send('GET', cluster)).body.revision).toBe(2);
  });

  it('that report late are answered, and what they say is not taken', async () => {
    const agent = new SimulatedAgent(plane, 'lab', 'node1');
    const state = (await plane.send('GET', '/v1/agents/lab/node1/state')).body;
    const report = agent.report(state as never, 1);
    const absent = Object.fromEntries(Object.keys(report.endpoints).map((id) => [id, 'absent' as const]));
    const send = (start: number, count: number, change: object) =>
      plane.send('POST', '/v1/agents/lab/node1/reports', { ...report, order: { start, count }, ...change });
    expect((await send(5, 2, { endpoints: {} })).body).toEqual({ generation: 1, wantsObjects: false });
    for (const [start, count] of [
      [5, 1],
      [4, 9],
    ] as const) {
      const late = await send(start, count, { status: 'failed', endpoints: absent });
      expect(late).toMatchObject({ status: 200, body: { wantsObjects: false, overtakenBy: { start: 5, count: 2 } } });
    }
    expect((await plane.send('GET', `${cluster}/status`)).body).toMatchObject({ nodes: [{ lastStatus: 'applied' }, {}, {}] });
    expect((await plane.send('GET', cluster)).body.revision).toBe(1);
    // Of an agent that was installed anew, with a clock that is right.
    expect((await send(6, 1, { endpoints: absent })).body).not.toHaveProperty('overtakenBy');
    expect((await plane.send('GET', cluster)).body.revision).toBe(2);
  });

  it('hold what was given up since their first state was fetched, though they have reported nothing', async () => {
    const make = async (name: string): Promise<string> => {
      const made = await plane.send('POST', `${cluster}/services`, { name, networks: [{ network: 'bjdt_overlay' }] });
      expect(made.status).toBe(201);
      const { services } = await plane.store.snapshot('lab');
      return [...services.values()].find((service) => service.name === name)?.networks[0]?.address ?? '';
    };
    const replaced = async (name: string, next: string): Promise<string> => {
      await plane.send('DELETE', `${cluster}/services/${name}`);
      return make(next);
    };
    const first = await make('one');
    expect(await replaced('one', 'two')).toBe(first);
    await eventually(async () => expect((await plane.send('GET', '/v1/agents/lab/node1/state')).status).toBe(200));
    expect(await replaced('two', 'three')).not.toBe(first);
    await new SimulatedAgent(plane, 'lab', 'node1').sync();
    await eventually(async () => {
      await new SimulatedAgent(plane, 'lab', 'node1').sync();
      expect(Number((await plane.send('GET', `${cluster}/nodes/node1`)).body.status?.appliedRevision)).toBeGreaterThanOrEqual(5);
    });
    expect(await replaced('three', 'four')).toBe(first);
  });

  it('are asked for what they observed when it is not known, and told of newer states', async () => {
    const agent = new SimulatedAgent(plane, 'lab', 'node1');
    const state = (await plane.send('GET', '/v1/agents/lab/node1/state')).body;
    const { observed, ...report } = agent.report(state as never, 1);
    const { objects, ...without } = observed;
    const send = (sent: object) => plane.send('POST', '/v1/agents/lab/node1/reports', { ...report, endpoints: {}, observed: sent });
    expect((await send(without)).body).toEqual({ generation: 1, wantsObjects: true });
    expect((await send({ ...without, objects })).body).toEqual({ generation: 1, wantsObjects: false });
    expect((await send(without)).body).toEqual({ generation: 1, wantsObjects: false });

    const seen = await plane.send('GET', `${cluster}/nodes/node1/observed`);
    expect(seen.body.objects).toHaveLength(objects?.length ?? -1);
    await plane.send('DELETE', `${cluster}/endpoints/bjdt_bjdt-dzwl.3`);
    await eventually(async () => expect((await send(without)).body.generation).toBe(2));
  });

  it('are refused with another protocol or a report that is none', async () => {
    const state = (await plane.send('GET', '/v1/agents/lab/node1/state')).body;
    const report = new SimulatedAgent(plane, 'lab', 'node1').report(state as never, 1);
    const send = (body: unknown) => plane.send('POST', '/v1/agents/lab/node1/reports', body);
    expect((await send({ ...report, protocol: PROTOCOL_VERSION + 1 })).body).toMatchObject({ code: 'protocol-unsupported', path: '/protocol' });
    expect((await send({ ...report, status: 'fine' })).body).toMatchObject({ code: 'invalid-document', path: '/status' });
    expect((await plane.send('POST', '/v1/agents/lab/none/reports', report)).status).toBe(404);
  });
});

describe('what is shown of a node', () => {
  it('its state, what was observed, and the drift between the two', async () => {
    const [agent] = await runAgents(plane, 'lab', ['node1']);
    await plane.send('PUT', `${cluster}/manifest`, {
      ...bjdtManifest,
      nodes: bjdtManifest.nodes?.slice(0, 1),
      endpoints: bjdtManifest.endpoints?.filter(({ node }) => node === 'node1'),
    });
    await plane.send('GET', `${cluster}/wait?timeout=10`);
    const state = await plane.send('GET', `${cluster}/nodes/node1/state`);
    expect(state.body.state?.objects).toContainEqual(expect.objectContaining({ key: expect.stringMatching(/^virtual-server\//) }));
    expect((await plane.send('GET', `${cluster}/nodes/node1/drift`)).body.steps).toEqual([]);

    const objects = ((state.body.state?.objects ?? []) as unknown as { key: string; hash: string; space: string; body: { kind: string } }[]).map((object) => ({
      ...object,
      kind: object.body.kind,
    }));
    const kept = objects.filter(({ key }) => !key.startsWith('virtual-server/'));
    await agent?.sync({
      observed: { hash: 'damaged', objects: kept.map(({ key, hash, space, kind, body }) => ({ key, hash, space, kind, body })), foreign: [] },
    });
    const drift = await plane.send('GET', `${cluster}/nodes/node1/drift`);
    expect(drift.body.steps).toContainEqual(expect.objectContaining({ action: 'create', key: expect.stringMatching(/^virtual-server\//) }));
    expect((await plane.send('GET', `${cluster}/nodes/node1/state?generation=1`)).body.generation).toBe(1);
  });

  it('its jobs, with plan, commands and output', async () => {
    await plane.send('PUT', `${cluster}/manifest`, bjdtManifest);
    await eventually(async () => expect((await plane.send('GET', `${cluster}/jobs`)).body.items).toHaveLength(3));
    const { body } = await plane.send('GET', `${cluster}/jobs?node=node2&status=queued`);
    expect(body.items).toMatchObject([{ node: 'node2', status: 'queued', generation: 1, revision: 1, finishedAt: null }]);
    const id = String((body.items as unknown as { id: string }[])[0]?.id);
    const command = { space: 'host', command: 'ip -batch -', input: 'link add', exitCode: 0, stdout: 'ok', stderr: '', milliseconds: 1.5 };
    await new SimulatedAgent(plane, 'lab', 'node2').sync({ jobId: id, commands: [command] });
    const job = await plane.send('GET', `${cluster}/jobs/${id}`);
    expect(job.body).toMatchObject({ id, status: 'applied', report: { commands: [command] } });
    expect(job.body.plan?.steps?.[0]).toEqual({ action: 'create', key: expect.any(String), reason: expect.any(String) });
    const first = await plane.send('GET', `${cluster}/jobs?limit=2`);
    const second = await plane.send('GET', `${cluster}/jobs?limit=2&cursor=${first.body.nextCursor}`);
    expect(second.body).toMatchObject({ items: [expect.anything()], nextCursor: null });
  });
});

it('knows which agents are up, down, or not to be told', async () => {
  await plane.send('PUT', `${cluster}/manifest`, { nodes: bjdtManifest.nodes });
  const end = await plane.coordination.keepAlive('lab', 'node1', liveness);
  const alive = async () => ((await plane.send('GET', `${cluster}/status`)).body.nodes as unknown as { alive: boolean | null }[]).map((node) => node.alive);
  await eventually(async () => expect(await alive()).toEqual([true, false, false]));
  await end();
  await eventually(async () => expect(await alive()).toEqual([false, false, false]));
});

it('ends waits when it stops, and says so', async () => {
  await plane.send('PUT', `${cluster}/manifest`, { nodes: bjdtManifest.nodes });
  const waiting = plane.app.inject({ url: `${cluster}/wait?timeout=600` });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const start = performance.now();
  await plane.stop();
  expect((await waiting).json()).toMatchObject({ code: 'store-unavailable', detail: expect.stringContaining('stopping') });
  expect(performance.now() - start).toBeLessThan(2000);
});
