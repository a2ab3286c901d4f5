import { setConditions } from '@portolan/intent';
import { type Manifest, PortolanError, portolanError } from '@portolan/model';
import { describe, expect, it } from 'vitest';
import { notingTask } from '../src/application/actor.js';
import { applyChangeset } from '../src/application/apply-changeset.js';
import { createChangeset, discardChangeset } from '../src/application/changesets.js';
import { patchCluster, patchObject } from '../src/application/commands.js';
import { commitEdit } from '../src/application/commit.js';
import { differenceBetween, manifestAt, rollbackCluster } from '../src/application/past.js';
import { manifestOfNodes, person, RolloutStage } from './rollout-stage.js';

async function refusal(work: Promise<unknown>): Promise<PortolanError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof PortolanError) return error;
    throw error;
  }
  throw portolanError('internal', '', 'it was not refused');
}

function planned(stage: RolloutStage, manifest: unknown) {
  return createChangeset(stage.ctx, person, 'lab', { manifest });
}

const atOnce = { rollout: { monitor: 0 } };

describe('a plan', () => {
  it('shows what it does to which node, and changes nothing', async () => {
    const stage = await RolloutStage.with(3);
    const before = await stage.snapshot();
    const endpoints = manifestOfNodes(stage.nodes).endpoints?.filter(({ name }) => name !== 'web.3');
    const changeset = await planned(stage, { endpoints });
    expect(await stage.snapshot()).toBe(before);
    const { plan } = changeset;
    expect(changeset).toMatchObject({
      status: 'planned',
      actor: 'rest:ann',
      from: '192.0.2.1',
      baseRevision: before.cluster.revision,
      revision: null,
      rollout: null,
    });
    expect(plan.changes).toEqual([{ action: 'change', kind: 'endpoint', name: 'web.3' }]);
    expect(plan.blockers).toEqual([]);
    expect(plan.nodes.map(({ node }) => node)).toEqual(['n1', 'n2', 'n3']);
    const [first] = plan.nodes;
    expect(first?.steps).toContainEqual(
      expect.objectContaining({ action: 'update', key: expect.stringMatching(/^real-server\//), origin: expect.stringContaining('web'), risk: 'moves' }),
    );
    expect(first?.more).toBe(0);
  });

  it('leaves out nodes on which nothing changes, and what a kernel lost by itself', async () => {
    const stage = await RolloutStage.with(3);
    const id = await stage.id('n2');
    // Its kernel is empty; that is drift, and none of the change.
    const row = await stage.store.nodeState(id);
    expect(row?.state.objects.length).toBeGreaterThan(0);
    const { plan } = await planned(stage, { nodes: manifestOfNodes(stage.nodes).nodes?.map((node) => ({ ...node, labels: { rack: 'a' } })) });
    expect(plan.changes.map(({ name }) => name)).toEqual(['n1', 'n2', 'n3']);
    expect(plan.nodes).toEqual([]);
  });

  it('is refused with what is wrong with it, by pointers into the request', async () => {
    const stage = await RolloutStage.with(1);
    expect((await refusal(planned(stage, { services: [{ name: 'web', networks: [{ network: 'nowhere' }] }] }))).problems).toContainEqual(
      expect.objectContaining({ code: 'unknown-reference', path: '/manifest/services/0/networks/0/network' }),
    );
    for (const request of [{}, { manifest: {}, rollback: { to: 0 } }]) {
      expect((await refusal(createChangeset(stage.ctx, person, 'lab', request))).code).toBe('invalid-document');
    }
    expect((await refusal(createChangeset(stage.ctx, person, 'lab', { rollback: { to: 99 } }))).code).toBe('not-found');
    expect((await stage.store.changesets((await stage.snapshot()).cluster.id, { limit: 9 })).length).toBe(0);
  });

  it('can be discarded, and is not applied then', async () => {
    const stage = await RolloutStage.with(1);
    const { id } = await planned(stage, manifestOfNodes(stage.nodes, 'wrr'));
    expect((await discardChangeset(stage.ctx, person, 'lab', id)).status).toBe('discarded');
    expect((await refusal(applyChangeset(stage.ctx, person, 'lab', id, {}))).code).toBe('precondition-failed');
    expect(await stage.schedulers()).toBe('rr');
  });

  it('with nothing to do is applied without a revision', async () => {
    const stage = await RolloutStage.with(2);
    const { revision } = (await stage.snapshot()).cluster;
    const { id, plan } = await planned(stage, manifestOfNodes(stage.nodes));
    expect(plan).toEqual({ changes: [], nodes: [], blockers: [] });
    expect(await applyChangeset(stage.ctx, person, 'lab', id, {})).toMatchObject({ status: 'applied', revision: null });
    expect((await stage.snapshot()).cluster.revision).toBe(revision);
  });
});

describe('a plan that others have overtaken', () => {
  it('is refused, naming what moved', async () => {
    const stage = await RolloutStage.with(2);
    const { id, baseRevision } = await planned(stage, manifestOfNodes(stage.nodes, 'wrr'));
    await patchCluster(stage.ctx, { name: 'graphql', from: '192.0.2.9' }, 'lab', { settings: { dnsTtl: 77 } });
    await patchObject(stage.ctx, person, 'lab', 'service', 'web', { scheduler: 'lc' });
    const error = await refusal(applyChangeset(stage.ctx, person, 'lab', id, {}));
    expect(error.code).toBe('stale-plan');
    expect(error.problems.slice(1).map(({ message }) => message)).toEqual([
      `revision ${baseRevision + 2} by rest:ann from 192.0.2.1: patch service web`,
      `revision ${baseRevision + 1} by graphql from 192.0.2.9: change settings`,
    ]);
    await stage.settle();
    expect(await stage.schedulers()).toBe('lc lc');
    expect((await stage.changeset(id)).status).toBe('planned');
  });

  it('holds when agents and tasks only saw something since', async () => {
    const stage = await RolloutStage.with(2);
    const { id, baseRevision } = await planned(stage, manifestOfNodes(stage.nodes, 'wrr'));
    const [endpoint] = (await stage.snapshot()).endpoints.values();
    stage.agent('n1').absent = [endpoint?.id ?? ''];
    stage.agent('n2').isUp = false;
    await stage.settle();
    expect((await stage.snapshot()).cluster.revision).toBeGreaterThan(baseRevision + 1);
    await applyChangeset(stage.ctx, person, 'lab', id, atOnce);
    await stage.settle();
    expect((await stage.changeset(id)).status).toBe('applied');
    expect(await stage.schedulers()).toBe('wrr wrr');
  });

  it('by somebody who has the name of a task is not taken for an observation', async () => {
    const stage = await RolloutStage.with(1);
    const { id } = await planned(stage, manifestOfNodes(stage.nodes, 'wrr'));
    await patchCluster(stage.ctx, { name: 'conditions', from: '192.0.2.9' }, 'lab', { settings: { dnsTtl: 77 } });
    expect((await refusal(applyChangeset(stage.ctx, person, 'lab', id, {}))).code).toBe('stale-plan');
  });
});

it('what would break is refused unless it is overridden, and the override is recorded', async () => {
  const stage = await RolloutStage.with(3);
  const gone = await stage.id('n3');
  stage.agents.delete('n3');
  await stage.settle();
  await commitEdit(stage.ctx, notingTask('conditions'), 'lab', 'n3 is unreachable', (snapshot) => setConditions(snapshot, new Map([[gone, 'unreachable']])));
  const manifest: Manifest = manifestOfNodes(stage.nodes);
  const added = { name: 'web.4', service: 'web', node: 'n3', attachment: { netns: '/run/netns/web.4' } };
  const { id, plan } = await planned(stage, { endpoints: [...(manifest.endpoints ?? []), added] });
  expect(plan.blockers).toMatchObject([{ code: 'plan-blocked', override: 'backend-on-gone-node:web.4' }]);
  for (const override of [[], ['backend-on-gone-node:web.5']]) {
    const error = await refusal(applyChangeset(stage.ctx, person, 'lab', id, { override }));
    expect(error.code).toBe('plan-blocked');
    expect(error.problems[0].fix).toContain('override backend-on-gone-node:web.4');
  }
  await applyChangeset(stage.ctx, person, 'lab', id, { ...atOnce, override: ['backend-on-gone-node:web.4', 'mark-clash:web'] });
  expect((await stage.changeset(id)).rollout?.overrides).toEqual(['backend-on-gone-node:web.4']);
  const [newest] = await stage.store.revisions('lab', { limit: 1 });
  expect(newest).toMatchObject({ actor: 'rest:ann', from: '192.0.2.1', summary: 'apply manifest (in spite of backend-on-gone-node:web.4)' });
});

describe('what was before', () => {
  it('is told apart field by field, and read as a manifest', async () => {
    const stage = await RolloutStage.with(1);
    const { revision } = (await stage.snapshot()).cluster;
    await patchObject(stage.ctx, person, 'lab', 'service', 'web', { scheduler: 'lc' });
    await patchCluster(stage.ctx, person, 'lab', { settings: { dnsTtl: 77 } });
    const [to, from] = [revision + 2, revision];
    const whole = await differenceBetween(stage.ctx, 'lab', { from, to });
    expect(whole).toMatchObject({
      from,
      to,
      objects: [
        { action: 'change', kind: 'cluster', fields: [{ path: '/dnsTtl', after: 77 }] },
        { action: 'change', kind: 'service', name: 'web', fields: [{ path: '/scheduler', before: 'rr', after: 'lc' }] },
      ],
    });
    expect((await differenceBetween(stage.ctx, 'lab', {})).objects).toEqual(whole.objects.slice(0, 1));
    expect((await differenceBetween(stage.ctx, 'lab', { from: to, to: from })).objects[1]?.fields).toEqual([{ path: '/scheduler', before: 'lc', after: 'rr' }]);
    expect((await manifestAt(stage.ctx, 'lab', revision)).manifest.services[0]?.scheduler).toBe('rr');
    expect((await manifestAt(stage.ctx, 'lab')).manifest.services[0]?.scheduler).toBe('lc');
  });

  it('comes back by a rollback: of the newest wish unless a revision is named', async () => {
    const stage = await RolloutStage.with(2);
    const first = (await stage.snapshot()).cluster.revision;
    const whole = (await manifestAt(stage.ctx, 'lab')).manifest;
    await patchObject(stage.ctx, person, 'lab', 'service', 'web', { scheduler: 'lc' });
    await patchObject(stage.ctx, person, 'lab', 'service', 'web', { scheduler: 'wrr' });
    // What an agent sees is no wish.
    const [endpoint] = (await stage.snapshot()).endpoints.values();
    stage.agent('n1').absent = [endpoint?.id ?? ''];
    await stage.settle();
    const dry = await rollbackCluster(stage.ctx, person, 'lab', {}, { dryRun: true });
    expect(dry).toMatchObject({ to: first + 1, changed: true, changes: [{ action: 'change', kind: 'service', name: 'web' }] });
    expect(await stage.schedulers()).toBe('wrr wrr');
    expect(await rollbackCluster(stage.ctx, person, 'lab', {})).toMatchObject({ to: first + 1, changed: true });
    await stage.settle();
    expect(await stage.schedulers()).toBe('lc lc');
    expect((await stage.snapshot()).endpoints.get(endpoint?.id ?? '')?.presence).toBe('absent');
    const { id } = await createChangeset(stage.ctx, person, 'lab', { rollback: { to: first } });
    await applyChangeset(stage.ctx, person, 'lab', id, atOnce);
    await stage.settle();
    expect((await manifestAt(stage.ctx, 'lab')).manifest).toEqual(whole);
    const [newest] = await stage.store.revisions('lab', { limit: 1 });
    expect(newest?.summary).toBe(`roll back to revision ${first}`);
    expect((await refusal(rollbackCluster(stage.ctx, person, 'lab', {}, { revision: 1 }))).code).toBe('precondition-failed');
  });
});
