import { setTimeout as sleep } from 'node:timers/promises';
import { bjdtManifest } from '@portolan/testkit';
import { beforeEach, expect, it } from 'vitest';
import { BOOTSTRAP, bootstrap } from './secure-plane.js';
import { SimulatedAgent } from './simulated-agent.js';
import { eventually, startTestPlane, type TestPlane } from './test-plane.js';

// Answers that are given again: only as long as they are what a new one would be, and only to whom may see it.

const topology = `query ($name: String!) { cluster(name: $name) {
  revision status { computedRevision appliedRevision }
  nodes { name status { alive lastStatus lastReportAt } }
  services { name endpoints { name weight presence node { name } addresses { network { name } address } } }
} }`;

let plane: TestPlane;
beforeEach(async () => {
  plane = await startTestPlane({ token: BOOTSTRAP });
  for (const name of ['lab', 'secret']) await plane.send('POST', '/v1/clusters', { name }, bootstrap);
  await plane.send('PUT', '/v1/clusters/lab/manifest', bjdtManifest, bootstrap);
  await eventually(async () => expect((await plane.send('GET', '/v1/clusters/lab/status', undefined, bootstrap)).body.computedRevision).toBe(1));
});

async function ask(query = topology, name = 'lab', headers: Record<string, string> = bootstrap) {
  const answer = await plane.send('POST', '/graphql', { query, variables: { name } }, headers);
  return { ...answer, isAgain: answer.headers['portolan-answer'] === 'again' };
}

/** Nothing was made for this text before. */
let remarks = 0;
const unseen = () => ask(`${topology}\n# ${++remarks}`);

it('are the same bytes until something moves', async () => {
  const first = await ask();
  expect(first).toMatchObject({ status: 200, isAgain: false, body: { data: { cluster: { revision: 1 } } } });
  const second = await ask();
  expect(second.isAgain).toBe(true);
  expect(second.body).toEqual(first.body);
  expect(second.headers['content-type']).toBe(first.headers['content-type']);
});

it('are what a query that nobody asked before is answered, after each commit, report and change of an agent', async () => {
  const agent = new SimulatedAgent({ send: (method, url, body, headers) => plane.send(method, url, body, { ...bootstrap, ...headers }) }, 'lab', 'node1');
  const moves: readonly (() => Promise<unknown>)[] = [
    () => plane.send('PATCH', '/v1/clusters/lab/services/bjdt_bjdt-dzwl', { scheduler: 'wrr' }, bootstrap),
    () => agent.sync(),
    () => plane.coordination.keepAlive('lab', 'node1', { version: '1', startedAt: '', pid: 1 }),
    () => agent.sync({ status: 'failed' }),
    () => plane.send('DELETE', '/v1/clusters/lab/endpoints/bjdt_bjdt-dzwl.1?force=true', undefined, bootstrap),
  ];
  await ask();
  let before = JSON.stringify((await ask()).body);
  for (const move of moves) {
    await move();
    // What tasks do of it comes in its own time; at each moment both doors tell the same.
    await eventually(async () => {
      const [again, made] = [await ask(), await unseen()];
      expect(again.body).toEqual(made.body);
      expect(JSON.stringify(made.body)).not.toBe(before);
    });
    before = JSON.stringify((await ask()).body);
  }
});

it('outlive a report that says what was known, with the time when it came', async () => {
  const agent = new SimulatedAgent({ send: (method, url, body, headers) => plane.send(method, url, body, { ...bootstrap, ...headers }) }, 'lab', 'node1');
  const timeOf = ({ body }: Awaited<ReturnType<typeof ask>>): unknown => [0, 1, 2].map((i) => body.data?.cluster?.nodes?.[i]?.status?.lastReportAt);
  await ask();
  expect(timeOf(await ask())).toEqual([null, null, null]);
  await agent.sync();
  // Until what tasks do of the first report has come.
  await eventually(async () => {
    await ask();
    expect((await ask()).isAgain).toBe(true);
  });
  const before = await ask();
  expect(timeOf(before)).toEqual([expect.stringMatching(/^2.*Z$/), null, null]);
  // Times have milliseconds.
  await sleep(5);
  await agent.sync();
  const after = await ask();
  expect(after.isAgain).toBe(true);
  expect(timeOf(after)).not.toEqual(timeOf(before));
  expect(after.body).toEqual((await unseen()).body);
  await agent.sync({ status: 'failed' });
  expect((await ask()).isAgain).toBe(false);
});

it('tell the time of the last report however they are asked for, given again or not', async () => {
  const agent = new SimulatedAgent({ send: (method, url, body, headers) => plane.send(method, url, body, { ...bootstrap, ...headers }) }, 'lab', 'node1');
  await agent.sync();
  const asked = (more: string) => `query ($name: String!) { cluster(name: $name) { node(name: "node1") { status { lastReportAt } } ${more} } }`;
  const search = new URLSearchParams({ query: asked(''), variables: JSON.stringify({ name: 'lab' }) });
  const { body } = await plane.send('GET', '/v1/clusters/lab/status', undefined, bootstrap);
  const lastReportAt = body.nodes?.[0]?.lastReportAt;
  expect(lastReportAt).toEqual(expect.any(String));
  for (const answer of [
    await plane.send('GET', `/graphql?${search}`, undefined, bootstrap),
    await ask(asked('')),
    await ask(asked('jobs { id }')),
    await ask(asked('job(id: "none") { id }')),
    await ask(asked(`# ${'x'.repeat(64 * 1024)}\n`)),
  ]) {
    expect(answer.body).toMatchObject({ data: { cluster: { node: { status: { lastReportAt } } } } });
  }
});

it('are made once for many who ask together after a change', async () => {
  await ask();
  await plane.send('PATCH', '/v1/clusters/lab', { settings: { underlayMtu: 1400 } }, bootstrap);
  await eventually(async () => expect((await plane.send('GET', '/v1/clusters/lab/status', undefined, bootstrap)).body.computedRevision).toBe(2));
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask()));
  expect(answers.filter(({ isAgain }) => !isAgain)).toHaveLength(1);
  for (const { body } of answers) expect(body).toMatchObject({ data: { cluster: { revision: 2 } } });
});

it('are told apart by variables and operation, and nothing else than snapshots and status is given again', async () => {
  await ask();
  expect((await ask(topology, 'secret')).body).toMatchObject({ data: { cluster: { revision: 0 } } });
  for (const field of ['jobs { id }', 'revisions { revision }', 'findings', 'nodes { drift { from } }']) {
    const query = `query ($name: String!) { cluster(name: $name) { name ${field} } }`;
    for (let i = 0; i < 3; i++) expect(await ask(query)).toMatchObject({ status: 200, isAgain: false });
  }
  const mutation = 'mutation ($name: String!) { patchCluster(name: $name, settings: {}) { revision } }';
  for (let i = 0; i < 3; i++) expect(await ask(mutation)).toMatchObject({ status: 200, isAgain: false });
});

it('are refused to whom the query would be refused, and end with their cluster', async () => {
  await ask();
  expect((await ask()).isAgain).toBe(true);
  const { body } = await plane.send('POST', '/v1/tokens', { name: 'narrow', role: 'viewer', clusters: ['secret'] }, bootstrap);
  const narrow = { authorization: `Bearer ${body.token}` };
  expect(await ask(topology, 'lab', narrow)).toMatchObject({
    isAgain: false,
    body: { data: { cluster: null }, errors: [{ extensions: { code: 'forbidden' } }] },
  });
  expect((await ask(topology, 'lab', {})).status).toBe(401);
  await plane.send('DELETE', '/v1/clusters/lab', undefined, bootstrap);
  for (let i = 0; i < 2; i++) {
    expect(await ask()).toMatchObject({ isAgain: false, body: { data: { cluster: null }, errors: [{ extensions: { code: 'not-found' } }] } });
  }
  await plane.send('POST', '/v1/clusters', { name: 'lab' }, bootstrap);
  expect(await ask()).toMatchObject({ isAgain: false, body: { data: { cluster: { revision: 0, nodes: [] } } } });
});
