import { randomUUID } from 'node:crypto';
import type { Change, Snapshot } from '@portolan/model';
import { stateDelta } from '@portolan/node-state';
import type { Drift } from '@portolan/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { NewChangeset, Rollout } from '../src/changesets.js';
import type { IntentStore, OutboxMessage } from '../src/ports.js';
import { newCluster, note, planTo, put, remove, reportOn, stateOf } from './fixtures/intent.js';
import { all, flannel, lease, n1, n2, web, web1 } from './fixtures/small-cluster.js';
import type { StoreUnderTest } from './intent.contract.js';

const change: Change = { action: 'create', kind: 'node', name: 'n1' };
const rollout: Rollout = {
  spec: { parallelism: 1, delay: 0, monitor: 5, maxFailureRatio: 0, failureAction: 'pause', confirmWithin: 0 },
  overrides: [],
  nodes: { [n1.id]: { state: 'waiting' } },
  nextBatchAt: null,
  confirmBy: null,
  reason: null,
};

/** What every IntentStore promises of the past, of changesets, deltas and drift. */
export function describeTrust(name: string, subject: () => Promise<StoreUnderTest>): void {
  describe(`intent store: ${name}`, () => {
    let store: IntentStore;
    let cluster: string;
    beforeEach(async () => {
      ({ store } = await subject());
      cluster = await newCluster(store, 'a');
    });

    describe('the past', () => {
      it('is there at each revision, whatever became of its objects since', async () => {
        const seen: Snapshot[] = [await store.snapshot('a')];
        const edits: ((snapshot: Snapshot) => Snapshot)[] = [
          all,
          put({ services: [{ ...web, scheduler: 'lc', version: 2 }] }),
          remove(web1.id),
          (snapshot) => ({ ...snapshot, flannel, flannelLeases: new Map([['10.244.1.0-24', lease('10.244.1.0-24')]]) }),
          (snapshot) => ({ ...snapshot, cluster: { ...snapshot.cluster, settings: { ...snapshot.cluster.settings, drainSeconds: 7 } } }),
          put({ endpoints: [web1], nodes: [{ ...n2, availability: 'drain', version: 2 }] }),
          (snapshot) => ({ ...snapshot, flannel: null, flannelLeases: new Map() }),
        ];
        for (const edit of edits) {
          await store.commit('a', note, edit);
          seen.push(await store.snapshot('a'));
        }
        for (const [revision, snapshot] of seen.entries()) {
          const past = await store.snapshotAt('a', revision);
          expect({ ...past, retired: [] }).toEqual({ ...snapshot, retired: [] });
        }
      });

      it('has no revision that was never made', async () => {
        await expect(store.snapshotAt('a', 1)).rejects.toMatchObject({ code: 'not-found' });
        await expect(store.snapshotAt('a', -1)).rejects.toMatchObject({ code: 'not-found' });
        await expect(store.snapshotAt('b', 0)).rejects.toMatchObject({ code: 'not-found' });
      });

      it('says where a request came from', async () => {
        await store.commit('a', { ...note, from: '192.0.2.7' }, all);
        await store.commit('a', note, remove(web1.id));
        expect((await store.revisions('a', { limit: 2 })).map(({ from }) => from)).toEqual([null, '192.0.2.7']);
      });
    });

    describe('changesets', () => {
      const fresh = (fields: Partial<NewChangeset> = {}): NewChangeset => ({
        id: randomUUID(),
        clusterId: cluster,
        actor: 'test',
        from: null,
        summary: 'a change',
        baseRevision: 0,
        document: { kind: 'manifest', manifest: { nodes: [] }, force: false },
        plan: { changes: [change], nodes: [{ nodeId: n1.id, node: 'n1', steps: [], more: 2, risk: 'moves' }], blockers: [] },
        ...fields,
      });

      it('are read back as they were made, newest first, in pages', async () => {
        const first = await store.createChangeset(fresh());
        const second = await store.createChangeset(fresh({ from: '192.0.2.7', document: { kind: 'rollback', to: 0 } }));
        expect(first).toMatchObject({ version: 1, status: 'planned', revision: null, rollout: null });
        expect(await store.changeset(cluster, second.id)).toEqual(second);
        expect(await store.changesets(cluster, { limit: 1 })).toEqual([second]);
        expect(await store.changesets(cluster, { limit: 9, before: second.id })).toEqual([first]);
        expect(await store.changesets(cluster, { limit: 9, before: 'nonsense' })).toEqual([]);
        expect(await store.changeset(await newCluster(store, 'b'), second.id)).toBeNull();
      });

      it('become active with the revision that applies them, or not at all', async () => {
        const { id } = await store.createChangeset(fresh());
        const move = { id, version: 1, status: 'rolling' as const, rollout };
        await expect(store.commit('a', { ...note, changeset: { ...move, version: 2 } }, all)).rejects.toMatchObject({ code: 'precondition-failed' });
        expect((await store.snapshot('a')).cluster.revision).toBe(0);
        await store.commit('a', { ...note, changeset: move }, all);
        expect((await store.activeChangeset(cluster))?.plan).toEqual({ changes: [change], nodes: [], blockers: [] });
        expect(await store.activeChangeset(cluster)).toMatchObject({ id, version: 2, status: 'rolling', revision: 1, rollout });
        expect(await store.updateChangeset(id, 1, { status: 'paused', rollout })).toBe(false);
        expect(await store.updateChangeset(id, 2, { status: 'paused', rollout: { ...rollout, reason: 'n1 failed' } })).toBe(true);
        await store.commit('a', { ...note, changeset: { id, version: 3, status: 'rolled-back', rollout } }, remove(web1.id));
        expect(await store.activeChangeset(cluster)).toBeNull();
        expect(await store.changeset(cluster, id)).toMatchObject({ version: 4, status: 'rolled-back', revision: 1 });
      });

      it('are active one at a time in a cluster', async () => {
        const first = await store.createChangeset(fresh());
        const second = await store.createChangeset(fresh());
        await store.commit('a', { ...note, changeset: { id: first.id, version: 1, status: 'confirming', rollout } }, all);
        const other = { ...note, changeset: { id: second.id, version: 1, status: 'rolling' as const, rollout } };
        await expect(store.commit('a', other, remove(web1.id))).rejects.toMatchObject({ code: 'rollout-in-progress' });
        await expect(store.updateChangeset(second.id, 1, { status: 'paused', rollout })).rejects.toMatchObject({ code: 'rollout-in-progress' });
        expect((await store.snapshot('a')).endpoints.has(web1.id)).toBe(true);
        expect((await store.changeset(cluster, second.id))?.status).toBe('planned');
      });
    });

    it('the delta of a state goes with its job', async () => {
      await store.commit('a', note, all);
      const [first, second] = [stateOf('n1', '10.0.1.1'), stateOf('n1', '10.0.1.1', '10.0.1.2')];
      const delta = stateDelta(first, second);
      await store.saveComputed(cluster, 1, [{ nodeId: n1.id, changed: { state: first, plan: planTo(first) } }]);
      await store.saveComputed(cluster, 1, [{ nodeId: n1.id, changed: { state: second, plan: planTo(second), delta } }]);
      const published: OutboxMessage[] = [];
      await store.drainOutbox(9, async (messages) => void published.push(...messages));
      expect(published.map(({ hint }) => hint.delta)).toEqual([undefined, delta]);
    });

    it('a state that did not change counts for a later revision only where it was applied, not where an older one of the same revision was', async () => {
      await store.commit('a', note, all);
      const [first, second] = [stateOf('n1', '10.0.1.1'), stateOf('n1', '10.0.1.1', '10.0.1.2')];
      const save = (revision: number, state: typeof first | undefined): Promise<void> =>
        store.saveComputed(cluster, revision, [{ nodeId: n1.id, ...(state === undefined ? {} : { changed: { state, plan: planTo(state) } }) }]);
      await save(1, first);
      await store.saveReport(n1.id, reportOn(first, 1));
      await save(1, second);
      await save(2, undefined);
      expect((await store.progress(cluster, n1.id))[0]).toMatchObject({ generation: 2, computedRevision: 2, appliedRevision: 1 });
      await store.saveReport(n1.id, reportOn(second, 2));
      await save(3, undefined);
      expect((await store.progress(cluster, n1.id))[0]).toMatchObject({ computedRevision: 3, appliedRevision: 3 });
    });

    it('failures in a row are counted until an apply succeeds', async () => {
      await store.commit('a', note, all);
      const state = stateOf('n1', '10.0.1.1');
      await store.saveComputed(cluster, 1, [{ nodeId: n1.id, changed: { state, plan: planTo(state) } }]);
      const first = await store.saveReport(n1.id, reportOn(state, 1, { status: 'failed' }));
      expect(first).toMatchObject({ failures: 1, failingSince: expect.any(String) });
      expect(await store.saveReport(n1.id, reportOn(state, 1, { status: 'failed' }))).toMatchObject({ failures: 2, failingSince: first.failingSince });
      expect(await store.saveReport(n1.id, reportOn(state, 1))).toMatchObject({ failures: 0, failingSince: null });
    });

    describe('drift', () => {
      const seen = (key: string, second: number, fields: Partial<Drift> = {}): Drift => ({
        key,
        kind: 'missing',
        reason: `${key} is gone`,
        expected: { kind: 'address' },
        since: `2026-11-26T10:00:${String(second).padStart(2, '0')}.000Z`,
        ...fields,
      });
      const state = stateOf('n1', '10.0.1.1');
      const told = (nodeId: string, open: readonly Drift[], repaired: readonly Drift[] = []) =>
        store.saveReport(
          nodeId,
          reportOn(state, 1, { drift: { open: [...open], repaired: repaired.map((drift) => ({ ...drift, repairedAt: '2026-11-26T10:01:00.000Z' })) } }),
        );
      const outcomes = async (): Promise<readonly string[]> =>
        (await store.drift(cluster, { limit: 99 })).map(({ nodeId, key, outcome }) => `${nodeId === n1.id ? 'n1' : 'n2'} ${key} ${outcome}`);
      beforeEach(async () => {
        await store.commit('a', note, all);
      });

      it('is open until it is repaired or gone', async () => {
        await told(n1.id, [seen('a', 1), seen('b', 2), seen('c', 3)]);
        await told(n1.id, [seen('c', 3)], [seen('a', 1)]);
        expect(await outcomes()).toEqual(['n1 c open', 'n1 b gone', 'n1 a repaired']);
        const [row] = await store.drift(cluster, { limit: 9, outcome: 'repaired' });
        expect(row).toMatchObject({ ...seen('a', 1), nodeId: n1.id, endedAt: '2026-11-26T10:01:00.000Z' });
        expect(row).not.toHaveProperty('found');
        // Told again, as after an answer that was lost.
        await told(n1.id, [seen('c', 3)], [seen('a', 1)]);
        await store.saveReport(n1.id, reportOn(state, 1));
        expect(await outcomes()).toEqual(['n1 c open', 'n1 b gone', 'n1 a repaired']);
      });

      it('may come again, and may be repaired before it was ever told', async () => {
        await told(n1.id, [], [seen('a', 1)]);
        await told(n1.id, [seen('a', 5, { kind: 'different', found: { mtu: 1400 } })]);
        expect(await outcomes()).toEqual(['n1 a open', 'n1 a repaired']);
        expect((await store.drift(cluster, { limit: 1 }))[0]).toMatchObject({ kind: 'different', found: { mtu: 1400 } });
      });

      it('is read by node and in pages, and does not reach another cluster', async () => {
        await told(n1.id, [seen('a', 1), seen('b', 2)]);
        await told(n2.id, [seen('a', 2)]);
        const [first] = await store.drift(cluster, { limit: 1 });
        expect(first).toBeDefined();
        const rest = await store.drift(cluster, { limit: 9, ...(first === undefined ? {} : { before: first }) });
        expect([first, ...rest].map((row) => `${row?.since} ${row?.nodeId} ${row?.key}`)).toHaveLength(3);
        expect(new Set([first, ...rest].map((row) => `${row?.nodeId} ${row?.key}`)).size).toBe(3);
        expect(await store.drift(cluster, { limit: 9, nodeId: n2.id })).toHaveLength(1);
        expect(await store.newestDrift([n2.id, n1.id, n2.id], { limit: 1 })).toEqual(
          (await store.drift(cluster, { limit: 9 })).filter(({ nodeId, key }) => nodeId === n2.id || key === 'b'),
        );
        expect(await store.newestDrift([n1.id, n2.id], { limit: 9, outcome: 'repaired' })).toEqual([]);
        expect(await store.newestDrift([], { limit: 9 })).toEqual([]);
        expect(await store.drift(await newCluster(store, 'b'), { limit: 9 })).toEqual([]);
      });

      it('is kept for the newest thousand that are over', async () => {
        const many = Array.from({ length: 1_100 }, (_, i) => seen(`k${String(i).padStart(4, '0')}`, i % 60));
        await told(n1.id, [seen('open', 0)], many);
        const rows = await store.drift(cluster, { limit: 5_000 });
        expect(rows.filter(({ outcome }) => outcome === 'repaired')).toHaveLength(1_000);
        expect(rows.filter(({ outcome }) => outcome === 'open')).toHaveLength(1);
      });
    });
  });
}
