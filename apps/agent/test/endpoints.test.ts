import { type FakeKernel, openFakeKernel } from '@portolan/kernel';
import type { Batch } from '@portolan/render';
import { beforeEach, describe, expect, it } from 'vitest';
import { type EndpointPresence, endpointPresence, settled } from '../src/endpoints.js';
import { reconcile } from '../src/reconcile.js';
import { stateWith, withRoutes } from './stage.js';

let kernel: FakeKernel;
let presence: EndpointPresence;
beforeEach(() => {
  kernel = openFakeKernel();
  presence = endpointPresence();
});

async function run(state: ReturnType<typeof stateWith>) {
  kernel.intend(state);
  const done = await reconcile(kernel, state, state.endpoints, { reading: 'all' });
  const endpoints = presence.of(state, done);
  const { problems, setAside, waiting } = settled(done, endpoints);
  return { endpoints, problems, waiting, setAside: setAside.map(({ endpoint }) => endpoint), done };
}

function failingIn(...spaces: readonly string[]): (batch: Batch) => number {
  return ({ space }) => (spaces.includes(space) ? 2 : 0);
}

describe('endpoints', () => {
  it('are present when everything of theirs is there; one that fails keeps neither the others nor the node', async () => {
    kernel.onBatch = failingIn('endpoint:a');
    const state = stateWith('a', 'b');
    const first = await run(state);
    expect(first.endpoints).toEqual({ a: 'absent', b: 'present' });
    expect(first.problems).toEqual([]);
    expect(first.setAside).toEqual(['a']);
    expect(first.waiting).toEqual(['address/endpoint:a/ov1/10.0.0.2']);
    expect(await run(state)).toMatchObject({ endpoints: { a: 'absent', b: 'present' }, problems: [], setAside: ['a'] });
    kernel.onBatch = () => 0;
    expect(await run(state)).toMatchObject({ endpoints: { a: 'present', b: 'present' }, setAside: [], waiting: [] });
  });

  it('stay present when a change of them fails, which is a failure of the node, as long as nothing is lost', async () => {
    await run(stateWith('a', 'b'));
    kernel.onBatch = failingIn('endpoint:a');
    const changed = withRoutes(stateWith('a', 'b'), 'a', 'b');
    const failed = await run(changed);
    expect(failed.endpoints).toEqual({ a: 'present', b: 'present' });
    expect(failed.problems).toMatchObject([{ code: 'apply-failed', endpoint: 'a' }]);
    // Now what carries its packets is gone, and cannot be made anew.
    kernel.tamper('address/endpoint:a/ov1/10.0.0.2', undefined);
    const lost = await run(changed);
    expect(lost).toMatchObject({ endpoints: { a: 'absent', b: 'present' }, problems: [], setAside: ['a'] });
    kernel.onBatch = () => 0;
    expect(await run(changed)).toMatchObject({ endpoints: { a: 'present', b: 'present' }, problems: [], setAside: [] });
    // What is lost and repaired in the same run was never away.
    kernel.tamper('address/endpoint:a/ov1/10.0.0.2', undefined);
    expect((await run(changed)).endpoints).toEqual({ a: 'present', b: 'present' });
  });

  it('that are damaged are absent until they are repaired', async () => {
    await run(stateWith('a'));
    kernel.onBatch = failingIn('endpoint:a');
    kernel.tamper('address/endpoint:a/ov1/10.0.0.2', '');
    expect((await run(stateWith('a'))).endpoints).toEqual({ a: 'absent' });
  });

  it('of which nothing is known, as after a restart, are left as they were unless everything or nothing is there', async () => {
    await run(stateWith('a'));
    presence = endpointPresence();
    kernel.onBatch = failingIn('endpoint:a');
    const changed = withRoutes(stateWith('a'), 'a');
    for (const time of ['first', 'second']) expect(await run(changed), time).toMatchObject({ endpoints: {}, problems: [{ endpoint: 'a' }], setAside: [] });
    kernel.onBatch = () => 0;
    expect((await run(changed)).endpoints).toEqual({ a: 'present' });
    // Another container under the same path while no agent looked.
    presence = endpointPresence();
    kernel.setPresence('a', 'absent');
    kernel.setPresence('a', 'present');
    kernel.onBatch = failingIn('host', 'endpoint:a');
    expect((await run(changed)).endpoints).toEqual({ a: 'absent' });
  });

  it('that end while they are written are absent, and that is no problem', async () => {
    kernel.onBatch = ({ space }) => {
      if (space !== 'endpoint:a') return 0;
      kernel.setPresence('a', 'absent');
      return 1;
    };
    const run1 = await run(stateWith('a', 'b'));
    expect(run1).toMatchObject({ endpoints: { a: 'absent', b: 'present' }, problems: [], setAside: [] });
    expect(run1.waiting).toContain('address/endpoint:a/ov1/10.0.0.2');
  });

  it('cannot be attached where the namespace above them fails, and that is a failure of the node', async () => {
    kernel.onBatch = failingIn('host');
    const failed = await run(stateWith('a'));
    expect(failed.endpoints).toEqual({ a: 'absent' });
    expect(failed.problems).toMatchObject([{ code: 'apply-failed' }]);
  });
});
