import { PortolanError, portolanError } from '@portolan/model';
import { describe, expect, it } from 'vitest';
import { applyChangeset } from '../src/application/apply-changeset.js';
import { createChangeset } from '../src/application/changesets.js';
import { applyClusterManifest, patchObject } from '../src/application/commands.js';
import { rollbackCluster } from '../src/application/past.js';
import { confirmChangeset, pauseChangeset, resumeChangeset, rollbackChangeset } from '../src/application/rollout-commands.js';
import { manifestOfNodes, person, RolloutStage } from './rollout-stage.js';

/** The error that a promise is rejected with. */
async function refusal(work: Promise<unknown>): Promise<PortolanError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof PortolanError) return error;
    throw error;
  }
  throw portolanError('internal', '', 'it was not refused');
}

describe('a rollout over five nodes', () => {
  it('comes to one after the other; those that wait hold what was before', async () => {
    const stage = await RolloutStage.with(5);
    const { revision } = (await stage.snapshot()).cluster;
    const id = await stage.roll('wrr');
    expect(await stage.schedulers()).toBe('wrr rr rr rr rr');
    expect(await stage.states(id)).toBe('applied waiting waiting waiting waiting');
    expect(await stage.applied()).toEqual([revision + 1, revision, revision, revision, revision]);
    for (const [schedulers, states] of [
      ['wrr wrr rr rr rr', 'updated applied waiting waiting waiting'],
      ['wrr wrr wrr rr rr', 'updated updated applied waiting waiting'],
      ['wrr wrr wrr wrr rr', 'updated updated updated applied waiting'],
      ['wrr wrr wrr wrr wrr', 'updated updated updated updated applied'],
      ['wrr wrr wrr wrr wrr', 'updated updated updated updated updated'],
    ]) {
      expect((await stage.changeset(id)).status).toBe('rolling');
      stage.advance(5);
      await stage.settle();
      expect(await stage.schedulers()).toBe(schedulers);
      expect(await stage.states(id)).toBe(states);
    }
    expect(await stage.changeset(id)).toMatchObject({ status: 'applied', revision: revision + 1 });
    expect(await stage.applied()).toEqual(Array(5).fill(revision + 1));
  });

  it('comes to two at a time, with a delay between', async () => {
    const stage = await RolloutStage.with(5);
    const id = await stage.roll('wrr', { rollout: { parallelism: 2, delay: 30, monitor: 0 } });
    expect(await stage.states(id)).toBe('updated updated waiting waiting waiting');
    stage.advance(29);
    await stage.settle();
    expect(await stage.states(id)).toBe('updated updated waiting waiting waiting');
    stage.advance(1);
    await stage.settle();
    expect(await stage.states(id)).toBe('updated updated updated updated waiting');
    stage.advance(30);
    await stage.settle();
    expect((await stage.changeset(id)).status).toBe('applied');
  });

  it('leaves out nodes whose agent is away: they have the newest when they return', async () => {
    const stage = await RolloutStage.with(5);
    for (const node of ['n1', 'n4']) stage.agent(node).isUp = false;
    await stage.settle();
    const id = await stage.roll('wrr', { rollout: { monitor: 0 } });
    expect(await stage.states(id)).toBe('skipped updated updated skipped updated');
    expect((await stage.changeset(id)).status).toBe('applied');
    expect(await stage.schedulers()).toBe('wrr wrr wrr wrr wrr');
  });

  it('goes on where it was in another process', async () => {
    const stage = await RolloutStage.with(5);
    const id = await stage.roll('wrr');
    stage.advance(5);
    await stage.settle();
    const [before] = await stage.store.jobs((await stage.snapshot()).cluster.id, { nodeId: await stage.id('n5'), limit: 1 });
    stage.restart();
    await stage.settle();
    expect(await stage.schedulers()).toBe('wrr wrr rr rr rr');
    // A node that is held is computed once more and found as it is: no new generation.
    const [after] = await stage.store.jobs((await stage.snapshot()).cluster.id, { nodeId: await stage.id('n5'), limit: 1 });
    expect(after?.id).toBe(before?.id);
    for (let left = 0; left < 4; left++) {
      stage.advance(5);
      await stage.settle();
    }
    expect((await stage.changeset(id)).status).toBe('applied');
  });
});

describe('what is observed during a rollout', () => {
  it('comes to the nodes that are held, without the change', async () => {
    const stage = await RolloutStage.with(3);
    const { endpoints } = await stage.snapshot();
    const gone = [...endpoints.values()].find(({ name }) => name === 'web.1');
    const address = gone?.addresses[0]?.address;
    await stage.roll('wrr');
    const { revision } = (await stage.snapshot()).cluster;
    const serversOn = async (node: string): Promise<readonly unknown[]> =>
      (await stage.store.nodeState(await stage.id(node)))?.state.objects.flatMap(({ body }) => (body.kind === 'real-server' ? [body.address] : [])) ?? [];
    expect(await serversOn('n3')).toContain(address);
    stage.agent('n1').absent = [gone?.id ?? ''];
    await stage.settle();
    expect((await stage.snapshot()).cluster.revision).toBeGreaterThan(revision);
    for (const node of ['n2', 'n3']) expect(await serversOn(node)).not.toContain(address);
    expect(await stage.schedulers()).toBe('wrr rr rr');
    // What they have applied counts up to the revision before the change: what that gave up is not free yet.
    expect((await stage.applied()).slice(1)).toEqual([revision - 1, revision - 1]);
  });

  it('tells of hosts that are gone, by watchers that are held', async () => {
    const stage = await RolloutStage.with(3);
    await stage.roll('wrr');
    await pauseChangeset(stage.ctx, person, 'lab', (await stage.store.activeChangeset((await stage.snapshot()).cluster.id))?.id ?? '');
    const lost = await stage.id('n1');
    stage.agent('n1').isUp = false;
    stage.unreachable.add(lost);
    await stage.settle();
    expect((await stage.snapshot()).nodes.get(lost)?.condition).toBe('unreachable');
  });
});

describe('a node that fails', () => {
  it.each([
    ['pause', 'paused', 'wrr wrr rr rr'],
    ['continue', 'applied', 'wrr wrr wrr wrr'],
    ['rollback', 'rolled-back', 'rr rr rr rr'],
  ] as const)('%s', async (failureAction, status, schedulers) => {
    const stage = await RolloutStage.with(4);
    stage.agent('n2').fails = true;
    await stage.settle();
    const id = await stage.roll('wrr', { rollout: { monitor: 0, failureAction } });
    expect(await stage.schedulers()).toBe(schedulers);
    const changeset = await stage.changeset(id);
    expect(changeset.status).toBe(status);
    if (failureAction === 'continue') expect(await stage.states(id)).toBe('updated failed updated updated');
    else expect(changeset.rollout?.reason).toBe('1 of 4 nodes failed: n2: ipvsadm ended with 1 [apply-failed]');
    const [newest] = await stage.store.revisions('lab', { limit: 1 });
    if (failureAction === 'rollback') {
      expect(newest).toMatchObject({ actor: 'rollout', from: null, summary: expect.stringContaining('roll back "apply manifest": 1 of 4 nodes failed') });
      expect(changeset.revision).toBe((newest?.revision ?? 0) - 1);
      // To go back from here does not make the change again.
      expect(await rollbackCluster(stage.ctx, person, 'lab', {}, { dryRun: true })).toMatchObject({ to: (changeset.revision ?? 0) - 1, changed: false });
    }
  });

  it('may fail as long as the ratio is not exceeded', async () => {
    const stage = await RolloutStage.with(4);
    stage.agent('n1').fails = true;
    await stage.settle();
    const id = await stage.roll('wrr', { rollout: { monitor: 0, maxFailureRatio: 0.25 } });
    expect(await stage.states(id)).toBe('failed updated updated updated');
    expect((await stage.changeset(id)).status).toBe('applied');
  });

  it('is one that does not apply it in time, or whose agent goes', async () => {
    const stage = await RolloutStage.with(3);
    stage.agent('n1').sleeps = true;
    const id = await stage.roll('wrr');
    stage.advance(34);
    await stage.settle();
    expect((await stage.changeset(id)).status).toBe('rolling');
    stage.advance(1);
    await stage.settle();
    expect((await stage.changeset(id)).rollout?.reason).toBe('1 of 3 nodes failed: n1: it has not applied the change within 35 s');
    stage.agent('n1').sleeps = false;
    await resumeChangeset(stage.ctx, person, 'lab', id, {});
    await stage.settle();
    stage.advance(5);
    await stage.settle();
    expect(await stage.states(id)).toBe('updated applied waiting');
    stage.agent('n2').isUp = false;
    await stage.settle();
    expect(await stage.changeset(id)).toMatchObject({ status: 'paused', rollout: { reason: '1 of 3 nodes failed: n2: its agent is gone' } });
  });

  it('is one from which a VIP of a touched service does not answer', async () => {
    const stage = await RolloutStage.with(3);
    stage.agent('n2').vipsAreSilent = true;
    await stage.settle();
    const id = await stage.roll('wrr', { rollout: { monitor: 1 } });
    stage.advance(1);
    await stage.settle();
    expect(await stage.changeset(id)).toMatchObject({ status: 'paused', rollout: { reason: '1 of 3 nodes failed: n2: no answer from web:80 on network app' } });
    expect(await stage.schedulers()).toBe('wrr wrr rr');
    // Whoever goes on all the same says so.
    await resumeChangeset(stage.ctx, person, 'lab', id, { rollout: { failureAction: 'continue', monitor: 0 } });
    await stage.settle();
    expect(await stage.states(id)).toBe('updated failed updated');
    expect((await stage.changeset(id)).status).toBe('applied');
  });

  it('was failing before: it is judged by the change', async () => {
    const stage = await RolloutStage.with(2);
    stage.agent('n1').fails = true;
    await stage.settle();
    stage.agent('n1').sleeps = true;
    const id = await stage.roll('wrr', { rollout: { monitor: 0 } });
    expect(await stage.states(id)).toBe('released waiting');
    Object.assign(stage.agent('n1'), { fails: false, sleeps: false });
    await stage.settle();
    expect((await stage.changeset(id)).status).toBe('applied');
  });
});

describe('people and a rollout', () => {
  it('pause and resume it', async () => {
    const stage = await RolloutStage.with(3);
    const id = await stage.roll('wrr');
    await pauseChangeset(stage.ctx, person, 'lab', id);
    stage.advance(3600);
    await stage.settle();
    expect(await stage.changeset(id)).toMatchObject({ status: 'paused', rollout: { reason: 'paused by rest:ann' } });
    expect(await stage.schedulers()).toBe('wrr rr rr');
    await resumeChangeset(stage.ctx, person, 'lab', id, { rollout: { parallelism: 0, monitor: 0 } });
    await stage.settle();
    expect(await stage.schedulers()).toBe('wrr wrr wrr');
    expect(await stage.changeset(id)).toMatchObject({ status: 'applied', rollout: { reason: null } });
    expect((await refusal(pauseChangeset(stage.ctx, person, 'lab', id))).code).toBe('precondition-failed');
  });

  it('change nothing else meanwhile', async () => {
    const stage = await RolloutStage.with(3);
    const later = await createChangeset(stage.ctx, person, 'lab', { manifest: { settings: { underlayMtu: 1400 } } });
    const id = await stage.roll('wrr');
    for (const change of [
      patchObject(stage.ctx, person, 'lab', 'service', 'web', { scheduler: 'lc' }),
      applyClusterManifest(stage.ctx, person, 'lab', manifestOfNodes(stage.nodes)),
      rollbackCluster(stage.ctx, person, 'lab', {}),
      applyChangeset(stage.ctx, person, 'lab', later.id, {}),
    ]) {
      const error = await refusal(change);
      expect(error.code).toBe('rollout-in-progress');
      expect(error.message).toContain(id);
    }
    await rollbackChangeset(stage.ctx, person, 'lab', id, {});
    await patchObject(stage.ctx, person, 'lab', 'service', 'web', { scheduler: 'lc' });
    await stage.settle();
    expect(await stage.schedulers()).toBe('lc lc lc');
  });

  it('are asked to confirm it, and it goes back when they do not', async () => {
    const stage = await RolloutStage.with(2);
    const { revision } = (await stage.snapshot()).cluster;
    const first = await stage.roll('wrr', { rollout: { monitor: 0 }, confirmWithin: 60 });
    expect((await stage.changeset(first)).status).toBe('confirming');
    await confirmChangeset(stage.ctx, person, 'lab', first);
    stage.advance(61);
    await stage.settle();
    expect(await stage.changeset(first)).toMatchObject({ status: 'applied', rollout: { confirmBy: null } });
    expect(await stage.schedulers()).toBe('wrr wrr');
    const second = await stage.roll('lc', { rollout: { monitor: 0 }, confirmWithin: 60 });
    stage.advance(59);
    await stage.settle();
    expect(await stage.schedulers()).toBe('lc lc');
    stage.restart();
    stage.advance(1);
    await stage.settle();
    expect(await stage.changeset(second)).toMatchObject({ status: 'rolled-back', rollout: { reason: 'it was not confirmed within 60 s' } });
    expect(await stage.schedulers()).toBe('wrr wrr');
    expect((await stage.snapshot()).cluster.revision).toBe(revision + 3);
  });

  it('take it back, and addresses stay what they were', async () => {
    const stage = await RolloutStage.with(3);
    const addresses = async (): Promise<readonly string[]> =>
      [...(await stage.snapshot()).endpoints.values()].map(({ name, addresses: own }) => `${name} ${own.map(({ address }) => address).join()}`).sort();
    const before = await addresses();
    const { id } = await createChangeset(stage.ctx, person, 'lab', {
      manifest: { endpoints: manifestOfNodes(stage.nodes).endpoints?.filter(({ name }) => name !== 'web.3') },
      force: true,
    });
    await applyChangeset(stage.ctx, person, 'lab', id, {});
    await stage.settle();
    expect(await addresses()).toHaveLength(2);
    await rollbackChangeset(stage.ctx, person, 'lab', id, {});
    await stage.settle();
    expect(await addresses()).toEqual(before);
    expect(await stage.changeset(id)).toMatchObject({ status: 'rolled-back', rollout: { reason: 'rolled back by rest:ann' } });
  });
});
