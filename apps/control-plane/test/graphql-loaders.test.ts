import type { IntentStore } from '@portolan/store';
import { openMemoryStore } from '@portolan/store/memory';
import { largeManifest } from '@portolan/testkit';
import { expect, it } from 'vitest';
import { runAgents } from './simulated-agent.js';
import { eventually, startTestPlane, type TestPlane } from './test-plane.js';

// What is asked of many objects is read together.

/** A store that notes which of its methods are called. */
function noted(store: IntentStore, calls: string[]): IntentStore {
  return new Proxy(store, {
    get(target, name, receiver) {
      calls.push(String(name));
      return Reflect.get(target, name, receiver);
    },
  });
}

async function planeOf(nodes: number, calls: string[]): Promise<TestPlane> {
  const plane = await startTestPlane({ store: noted(openMemoryStore(), calls) });
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
  await plane.send('PUT', '/v1/clusters/lab/manifest', largeManifest({ nodes, networks: 2, services: 5, endpointsPerService: 2, publishedServices: 1 }));
  await eventually(async () => expect((await plane.send('GET', '/v1/clusters/lab/jobs')).body.items?.length).toBe(nodes));
  return plane;
}

const query = `{ cluster(name: "lab") { nodes {
  name status { generation } state { generation revision hash } one: jobs(limit: 1) { id node status } more: jobs(limit: 3) { id }
  endpoints { service { name networks { network { name } } } }
} } }`;

const seen = `{ cluster(name: "lab") { nodes {
  name state { objects { key } } observed { hash objects { key } } drift { steps { key } } open: driftEvents(outcome: open) { key } some: driftEvents(limit: 3) { key }
} } }`;

it.each([2, 20])('what %i nodes should hold, hold, and held otherwise costs the same few calls of the store', async (nodes) => {
  const calls: string[] = [];
  const plane = await planeOf(nodes, calls);
  await runAgents(plane, 'lab', ['node1']);
  await eventually(async () => {
    calls.length = 0;
    const { body } = await plane.send('POST', '/graphql', { query: seen });
    expect(body.errors).toBeUndefined();
    const found = body.data?.cluster?.nodes as unknown as { name: string; observed: { hash: string } | null; drift: { steps: unknown[] } }[];
    expect(found).toHaveLength(nodes);
    expect(found.filter(({ observed }) => observed !== null).map(({ name }) => name)).toEqual(['node1']);
    expect(found.map(({ drift }) => drift.steps.length > 0)).toEqual(found.map(({ name }) => name !== 'node1'));
    expect([...calls].sort()).toEqual(['newestDrift', 'newestDrift', 'newestStates', 'observedOf', 'progress', 'snapshot']);
  });
});

it.each([2, 20])('state and jobs of %i nodes cost the same few calls of the store', async (nodes) => {
  const calls: string[] = [];
  const plane = await planeOf(nodes, calls);
  // Tasks look at the store by themselves, so only what no task calls is counted exactly.
  await eventually(async () => {
    calls.length = 0;
    const { body } = await plane.send('POST', '/graphql', { query });
    expect(body.errors).toBeUndefined();
    expect(body.data?.cluster?.nodes).toHaveLength(nodes);
    expect([...calls].sort()).toEqual(['newestJobs', 'newestJobs', 'progress', 'snapshot']);
  });
});

it('are what each node is told alone', async () => {
  const plane = await planeOf(3, []);
  await runAgents(plane, 'lab', ['node1']);
  await plane.send('GET', '/v1/clusters/lab/wait?timeout=0');
  await eventually(async () => {
    const { body } = await plane.send('POST', '/graphql', {
      query: '{ cluster(name: "lab") { nodes { name state { generation revision hash objects { key } } jobs(limit: 2) { id status } } } }',
    });
    const nodes = body.data?.cluster?.nodes as unknown as { name: string; state: { objects: unknown[] }; jobs: { status: string }[] }[];
    for (const { name, state, jobs } of nodes) {
      const { body: alone } = await plane.send('GET', `/v1/clusters/lab/nodes/${name}/state`);
      expect(state).toMatchObject({ generation: alone.generation, revision: alone.revision, hash: (alone as { hash?: string }).hash ?? expect.any(String) });
      const { body: own } = await plane.send('GET', `/v1/clusters/lab/jobs?node=${name}&limit=2`);
      expect(jobs).toEqual((own.items as unknown as { id: string; status: string }[]).map(({ id, status }) => ({ id, status })));
    }
    expect(nodes.map(({ jobs }) => jobs.at(-1)?.status)).toEqual(['applied', 'queued', 'queued']);
  });
});
