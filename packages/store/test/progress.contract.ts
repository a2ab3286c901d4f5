import { foundObjects, stateDelta, wholeHash } from '@portolan/node-state';
import { beforeEach, describe, expect, it } from 'vitest';
import type { IntentStore, OutboxMessage } from '../src/ports.js';
import { idOf, newCluster, note, planTo, put, remove, reportOn, stateOf } from './fixtures/intent.js';
import { all, n1, n2, web1 } from './fixtures/small-cluster.js';
import type { StoreUnderTest } from './intent.contract.js';

/** What every IntentStore promises of what is computed from the intent and reported of it. `subject` gives a store without any cluster. */
export function describeNodeProgress(name: string, subject: () => Promise<StoreUnderTest>): void {
  describe(`intent store: ${name}`, () => {
    let store: IntentStore;
    let reopen: StoreUnderTest['reopen'];
    beforeEach(async () => {
      ({ store, reopen } = await subject());
    });

    describe('computed states, jobs and reports', () => {
      let cluster: string;
      const first = stateOf('n1', '10.0.1.1');
      const second = stateOf('n1', '10.0.1.1', '10.0.1.2');
      beforeEach(async () => {
        cluster = await newCluster(store, 'a');
        await store.commit('a', note, all);
      });
      const save = (revision: number, state: typeof first | undefined, nodeId = n1.id): Promise<void> =>
        store.saveComputed(cluster, revision, [{ nodeId, ...(state === undefined ? {} : { changed: { state, plan: planTo(state) } }) }]);
      const progress = async (): Promise<readonly number[]> =>
        (await store.progress(cluster, n1.id)).flatMap(({ generation, computedRevision, appliedRevision }) => [generation, computedRevision, appliedRevision]);

      it('a state starts a generation with its job and its message', async () => {
        await save(1, first);
        expect(await progress()).toEqual([1, 1, 0]);
        expect(await store.nodeState(n1.id)).toMatchObject({ nodeId: n1.id, generation: 1, revision: 1, state: first });
        const [job] = await store.jobs(cluster, { limit: 10 });
        expect(job).toMatchObject({ nodeId: n1.id, generation: 1, revision: 1, status: 'queued', plan: planTo(first), finishedAt: null, report: null });
        expect(await store.job(job?.id ?? '')).toEqual(job);
        const published: OutboxMessage[] = [];
        expect(await store.drainOutbox(10, async (messages) => void published.push(...messages))).toBe(1);
        expect(published).toMatchObject([{ cluster: 'a', node: 'n1', hint: { jobId: job?.id, generation: 1, revision: 1 } }]);
        expect(await store.drainOutbox(10, async () => expect.unreachable())).toBe(0);
      });

      it('the newest reading of traffic and the one before are kept, and given by mark; nothing else moves', async () => {
        await save(1, first);
        const server = { space: 'own:lb_net', active: 1, inactive: 2, inPackets: 5, outPackets: 4, inBytes: 2 ** 40, outBytes: 6 };
        const counted = (connections: number) => [
          { ...server, mark: 300, address: '10.0.1.30', connections },
          { ...server, mark: 4294967295, address: '10.0.1.31', connections: 1 },
        ];
        const at = (seconds: number) => new Date(Date.UTC(2026, 10, 26, 12, 0, seconds)).toISOString();
        const before = [await store.progress(cluster), (await store.snapshot('a')).cluster.revision];
        expect(await store.traffic(cluster, [300])).toEqual([]);
        await store.saveTraffic(n1.id, { at: at(1), servers: counted(7) });
        await store.saveTraffic(n2.id, { at: at(2), servers: [] });
        const one = { nodeId: n1.id, latest: { at: at(1), servers: counted(7).slice(0, 1) }, before: null };
        const two = { nodeId: n2.id, latest: { at: at(2), servers: [] }, before: null };
        expect(await store.traffic(cluster, [300])).toEqual([one, two].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)));
        // Also to another control plane.
        const peer = await reopen();
        await peer.saveTraffic(n1.id, { at: at(3), servers: counted(9) });
        await store.saveTraffic(n1.id, { at: at(4), servers: counted(12) });
        const [row] = (await store.traffic(cluster, [4294967295, 300])).filter(({ nodeId }) => nodeId === n1.id);
        const inAnyOrder = (servers: readonly object[]) => expect.arrayContaining([...servers]);
        expect(row).toEqual({ nodeId: n1.id, latest: { at: at(4), servers: inAnyOrder(counted(12)) }, before: { at: at(3), servers: inAnyOrder(counted(9)) } });
        expect([row?.latest.servers.length, row?.before?.servers.length]).toEqual([2, 2]);
        expect((await store.traffic(cluster, []))[0]?.latest.servers).toEqual([]);
        expect([await store.progress(cluster), (await store.snapshot('a')).cluster.revision]).toEqual(before);
        await expect(store.saveTraffic(idOf('gone'), { at: at(5), servers: [] })).rejects.toMatchObject({ code: 'not-found' });
        await store.commit('a', note, remove(n2.id));
        expect((await store.traffic(cluster, [300])).map(({ nodeId }) => nodeId)).toEqual([n1.id]);
      });

      it('an equal state moves only the revision, whoever computed it', async () => {
        await save(1, first);
        await save(2, first);
        await save(3, undefined);
        expect(await progress()).toEqual([1, 3, 0]);
        expect(await store.jobs(cluster, { limit: 10 })).toHaveLength(1);
      });

      it('an equal state does not move the revision of a node that was given another state meanwhile', async () => {
        await save(1, first);
        await save(2, second);
        // Compared with the first state, while the second was on its way.
        await store.saveComputed(cluster, 3, [{ nodeId: n1.id, hash: first.hash }]);
        expect(await progress()).toEqual([2, 2, 0]);
        await store.saveComputed(cluster, 3, [{ nodeId: n1.id, hash: second.hash }]);
        expect(await progress()).toEqual([2, 3, 0]);
      });

      it('an older revision is ignored', async () => {
        await save(2, first);
        await save(1, second);
        expect(await progress()).toEqual([1, 2, 0]);
        expect((await store.nodeState(n1.id))?.state).toEqual(first);
      });

      it('nodes that are gone, or of another cluster, are ignored', async () => {
        await save(1, first, idOf('gone'));
        await newCluster(store, 'b');
        await store.saveComputed(idOf('clusterb'), 1, [{ nodeId: n1.id, changed: { state: first, plan: planTo(first) } }]);
        expect(await store.progress(cluster)).toEqual([]);
        expect(await store.counts()).toMatchObject({ outbox: 0, jobs: { queued: 0 } });
      });

      it('control planes that save at once agree on the generations', async () => {
        const peer = await reopen();
        const states = [first, second].map(
          (state) =>
            [
              { nodeId: n1.id, changed: { state, plan: planTo(state) } },
              { nodeId: n2.id, changed: { state, plan: planTo(state) } },
            ] as const,
        );
        await Promise.all(states.flatMap((both) => [store.saveComputed(cluster, 1, [...both]), peer.saveComputed(cluster, 1, [...both].reverse())]));
        const rows = await store.jobs(cluster, { limit: 100 });
        for (const { id } of [n1, n2]) {
          const generations = rows.filter(({ nodeId }) => nodeId === id).map(({ generation }) => generation);
          expect(generations).toEqual([...generations.keys()].map((i) => generations.length - i));
        }
      });

      it('a report that was applied moves the applied revision and closes the job', async () => {
        await save(1, first);
        const [job] = await store.jobs(cluster, { limit: 1 });
        const objects = first.objects.map(({ key, hash, space, body }) => ({ key, hash, space, kind: body.kind, body }));
        const report = reportOn(first, 1, {
          jobId: job?.id ?? '',
          waiting: ['veth/host/a'],
          signals: { health: { [web1.id]: 'healthy' }, reachable: {}, connections: {}, underlayMtu: 1500 },
          observed: { hash: first.hash, objects, foreign: [{ space: 'host', text: '-A X' }] },
        });
        const answer = await store.saveReport(n1.id, report);
        expect(answer).toMatchObject({
          generation: 1,
          appliedRevision: 1,
          lastStatus: 'applied',
          lastErrors: [],
          lastWaiting: ['veth/host/a'],
          facts: { kernel: '6.1' },
          signals: { health: { [web1.id]: 'healthy' }, reachable: {}, connections: {}, underlayMtu: 1500 },
        });
        expect(await store.progress(cluster)).toEqual([answer]);
        expect(await store.observed(n1.id)).toMatchObject({ hash: first.hash, objects, foreign: report.observed.foreign });
        const closed = await store.job(job?.id ?? '');
        expect(closed).toMatchObject({ status: 'applied', finishedAt: expect.any(String) });
        const { objects: _objects, ...kept } = report.observed;
        expect(closed?.report).toEqual({ ...report, observed: kept });
      });

      it('applied stays applied while revisions come that change nothing for the node', async () => {
        await save(1, first);
        await store.saveReport(n1.id, reportOn(first, 1));
        await save(2, undefined);
        expect(await progress()).toEqual([1, 2, 2]);
        await store.saveReport(n1.id, reportOn(first, 1, { status: 'failed' }));
        await save(3, first);
        expect(await progress()).toEqual([1, 3, 2]);
        await store.saveReport(n1.id, reportOn(first, 1));
        expect(await progress()).toEqual([1, 3, 3]);
      });

      it('an older state counts for its own revision, and never takes the newer back', async () => {
        await save(3, first);
        await save(5, second);
        expect((await store.saveReport(n1.id, reportOn(first, 1))).appliedRevision).toBe(3);
        await store.saveReport(n1.id, reportOn(second, 2));
        await store.saveReport(n1.id, reportOn(first, 1));
        await store.saveReport(n1.id, reportOn(stateOf('n1', '10.9.9.9'), 2));
        expect(await progress()).toEqual([2, 5, 5]);
      });

      it('a failed report leaves the applied revision, and the job can still succeed', async () => {
        await save(1, first);
        const errors = [{ code: 'apply-failed', message: 'exit status 2: \u0000', fix: 'read it' }];
        const failed = await store.saveReport(n1.id, reportOn(first, 1, { status: 'failed', errors }));
        expect(failed).toMatchObject({ appliedRevision: 0, lastStatus: 'failed', lastErrors: errors });
        expect((await store.jobs(cluster, { limit: 1 }))[0]).toMatchObject({ status: 'failed', report: { status: 'failed', errors } });
        await store.saveReport(n1.id, reportOn(first, 1));
        expect((await store.jobs(cluster, { limit: 1 }))[0]).toMatchObject({ status: 'applied', report: { status: 'applied' } });
      });

      it('a newer generation supersedes the jobs before it, and what was applied keeps its report', async () => {
        await save(1, first);
        await save(2, second);
        const steps = [{ action: 'create', key: 'k', reason: 'it is new' }];
        await store.saveReport(n1.id, reportOn(second, 2, { steps }));
        await store.saveReport(n1.id, reportOn(second, 2));
        expect((await store.jobs(cluster, { limit: 10 })).map(({ status, report }) => [status, report?.steps])).toEqual([
          ['applied', steps],
          ['superseded', undefined],
        ]);
      });

      it('observed objects that were left out are those of the report before, or unknown', async () => {
        await save(1, first);
        const observed = (hash: string, objects?: []) => ({ observed: { hash, foreign: [], ...(objects === undefined ? {} : { objects }) } });
        await store.saveReport(n1.id, reportOn(first, 1, observed('one')));
        expect(await store.observed(n1.id)).toBeNull();
        await store.saveReport(n1.id, reportOn(first, 1, observed('one', [])));
        await store.saveReport(n1.id, reportOn(first, 1, { observed: { hash: 'one', foreign: [{ space: 'host', text: 'x' }] } }));
        expect(await store.observed(n1.id)).toMatchObject({ hash: 'one', foreign: [{ text: 'x' }] });
        await store.saveReport(n1.id, reportOn(first, 1, observed('two')));
        expect(await store.observed(n1.id)).toMatchObject({ hash: 'one' });
      });

      it('observed objects that were left out are all those of the state that is told of, where their hash is that', async () => {
        await save(1, first);
        await save(2, second);
        const found = (state: typeof first, generation: number) =>
          store.saveReport(n1.id, reportOn(state, generation, { observed: { hash: wholeHash(state), foreign: [] } }));
        expect(await found(first, 1)).toMatchObject({ observedHash: wholeHash(first) });
        expect(await store.observed(n1.id)).toMatchObject({ hash: wholeHash(first), objects: foundObjects(first) });
        await found(second, 2);
        expect(await store.observed(n1.id)).toMatchObject({ hash: wholeHash(second), objects: foundObjects(second) });
        await store.saveReport(n2.id, reportOn(first, 1, { observed: { hash: 'other', objects: [], foreign: [] } }));
        expect((await store.observedOf([n1.id, n2.id, n1.id])).toSorted((a, b) => (a.nodeId === n1.id ? -1 : b.nodeId === n1.id ? 1 : 0))).toEqual([
          await store.observed(n1.id),
          await store.observed(n2.id),
        ]);
        expect(await store.newestStates([n1.id, idOf('gone')])).toEqual([await store.nodeState(n1.id)]);
        // Not of that generation: unknown.
        expect(await found(first, 2)).toMatchObject({ observedHash: wholeHash(second) });
        await store.saveReport(n1.id, reportOn(second, 2, { observed: { hash: 'drifted', objects: [], foreign: [] } }));
        expect(await store.observed(n1.id)).toMatchObject({ hash: 'drifted', objects: [] });
      });

      it('states that are made from those before are all there, and what was observed of one outlives it', async () => {
        const states = Array.from({ length: 50 }, (_, i) => stateOf('n1', '10.0.1.1', `10.0.2.${i}`));
        for (const [i, state] of states.entries()) {
          const before = states[i - 1];
          const delta = before === undefined ? undefined : stateDelta(before, state);
          await store.saveComputed(cluster, i + 1, [{ nodeId: n1.id, changed: { state, plan: planTo(state), delta } }]);
          if (i === 2) await store.saveReport(n1.id, reportOn(state, 3, { observed: { hash: wholeHash(state), foreign: [] } }));
          expect((await store.nodeState(n1.id))?.state).toEqual(state);
        }
        for (let generation = 31; generation <= 50; generation++) {
          expect(await store.nodeState(n1.id, generation)).toMatchObject({ generation, revision: generation, state: states[generation - 1] });
        }
        expect(await store.nodeState(n1.id, 30)).toBeNull();
        expect(await store.nodeState(n1.id, 51)).toBeNull();
        expect((await store.observed(n1.id))?.objects).toEqual(foundObjects(stateOf('n1', '10.0.1.1', '10.0.2.2')));
      });

      it('many nodes that report at once are answered each with its own, and one that is gone spoils nothing', async () => {
        await save(1, first);
        await save(1, second, n2.id);
        const [one, two, gone, again] = await Promise.allSettled([
          store.saveReport(n1.id, reportOn(first, 1)),
          store.saveReport(n2.id, reportOn(second, 1, { status: 'failed' })),
          store.saveReport(idOf('gone'), reportOn(first, 1)),
          store.saveReport(n1.id, reportOn(first, 1, { facts: { kernel: 'later' } })),
        ]);
        expect(one).toMatchObject({ status: 'fulfilled', value: { nodeId: n1.id, appliedRevision: 1 } });
        expect(two).toMatchObject({ status: 'fulfilled', value: { nodeId: n2.id, lastStatus: 'failed', failures: 1 } });
        expect(gone).toMatchObject({ status: 'rejected', reason: { code: 'not-found' } });
        expect(again).toMatchObject({ status: 'fulfilled', value: { nodeId: n1.id, facts: { kernel: 'later' } } });
        expect((await store.progress(cluster, n1.id))[0]?.facts).toEqual({ kernel: 'later' });
      });

      it('a report of an unknown node is refused', async () => {
        await expect(store.saveReport(idOf('gone'), reportOn(first, 1))).rejects.toMatchObject({ code: 'not-found' });
      });

      it('a report that is not later than the latest one changes nothing, whatever it says', async () => {
        await save(1, first);
        const at = (start: number, count: number, fields: Parameters<typeof reportOn>[2] = {}) =>
          store.saveReport(n1.id, reportOn(first, 1, { order: { start, count }, ...fields }));
        expect(await at(1_800_000_000_000, 2, { facts: { kernel: 'new' } })).toMatchObject({
          reportOrder: { start: 1_800_000_000_000, count: 2 },
          lastStatus: 'applied',
        });
        const failed: Parameters<typeof reportOn>[2] = { status: 'failed', facts: { kernel: 'old' }, observed: { hash: 'old', objects: [], foreign: [] } };
        for (const [start, count] of [
          [1_800_000_000_000, 2],
          [1_800_000_000_000, 1],
          [1_799_999_999_999, 9],
        ] as const) {
          expect(await at(start, count, failed)).toMatchObject({
            reportOrder: { start: 1_800_000_000_000, count: 2 },
            lastStatus: 'applied',
            failures: 0,
            facts: { kernel: 'new' },
          });
        }
        expect(await store.observed(n1.id)).toBeNull();
        expect(await store.jobs(cluster, { limit: 1 })).toMatchObject([{ status: 'applied' }]);
        expect(await at(1_800_000_000_001, 1, failed)).toMatchObject({ reportOrder: { start: 1_800_000_000_001, count: 1 }, lastStatus: 'failed' });
      });

      it('a report without an order is always taken, and leaves the order as it is', async () => {
        await save(1, first);
        expect(await store.saveReport(n1.id, reportOn(first, 1))).toMatchObject({ reportOrder: null, lastStatus: 'applied' });
        await store.saveReport(n1.id, reportOn(first, 1, { order: { start: 7, count: 1 } }));
        expect(await store.saveReport(n1.id, reportOn(first, 1, { status: 'failed' }))).toMatchObject({
          reportOrder: { start: 7, count: 1 },
          lastStatus: 'failed',
        });
      });

      it('what follows from a report is changed only while no later one is saved', async () => {
        await store.saveReport(n1.id, reportOn(first, 1, { order: { start: 7, count: 2 } }));
        const commit = (count: number) => store.commit('a', { ...note, report: { nodeId: n1.id, order: { start: 7, count } } }, remove(web1.id));
        const { revision } = (await store.snapshot('a')).cluster;
        expect(await commit(1)).toMatchObject({ changed: false, snapshot: { cluster: { revision } } });
        expect(await commit(2)).toMatchObject({ changed: true, snapshot: { cluster: { revision: revision + 1 } } });
      });

      it('a node holds what is given up from the moment on when it is given its first state, until it has applied a newer one', async () => {
        const settled = async (): Promise<number> => {
          let seen = -1;
          await store.commit('a', note, (snapshot, revision) => {
            seen = revision;
            return snapshot;
          });
          return seen;
        };
        const revision = async (): Promise<number> => (await store.snapshot('a')).cluster.revision;
        const retired = [{ pool: 'mark', networkId: null, value: '9', revision: 1, holder: { kind: 'service', name: 'old', serviceId: null } }] as const;
        await store.commit('a', note, put({ retired }));
        const at = await revision();
        expect(await store.noteHanded(n1.id)).toBe(at);
        await store.commit('a', note, remove(web1.id));
        expect(await store.noteHanded(n1.id)).toBe(at);
        expect(await store.progress(cluster, n1.id)).toMatchObject([{ handedRevision: at, lastReportAt: null }]);
        expect(await settled()).toBe(at);
        await save(at + 1, first);
        await store.saveReport(n1.id, reportOn(first, 1, { status: 'failed' }));
        expect(await settled()).toBe(at);
        await store.saveReport(n1.id, reportOn(first, 1));
        expect(await settled()).toBe(at + 1);
        await expect(store.noteHanded(idOf('gone'))).rejects.toMatchObject({ code: 'not-found' });
      });

      it('jobs are filtered and come in pages', async () => {
        for (let i = 1; i <= 3; i++) for (const nodeId of [n1.id, n2.id]) await save(i, stateOf('n', `10.0.1.${i}`), nodeId);
        await store.saveReport(n1.id, reportOn(stateOf('n', '10.0.1.3'), 3));
        expect(await store.jobs(cluster, { limit: 100 })).toHaveLength(6);
        expect((await store.jobs(cluster, { limit: 100, nodeId: n2.id })).map(({ generation }) => generation)).toEqual([3, 2, 1]);
        const newest = await store.newestJobs([n2.id, n1.id, n2.id], 2);
        expect(newest).toEqual((await store.jobs(cluster, { limit: 100 })).filter((row) => newest.some(({ id }) => id === row.id)));
        expect(newest.filter(({ nodeId }) => nodeId === n2.id)).toEqual(await store.jobs(cluster, { limit: 2, nodeId: n2.id }));
        expect(newest.filter(({ nodeId }) => nodeId === n1.id)).toEqual(await store.jobs(cluster, { limit: 2, nodeId: n1.id }));
        expect(await store.newestJobs([], 2)).toEqual([]);
        expect(await store.newestJobs([n1.id, n2.id], 0)).toEqual([]);
        expect((await store.jobs(cluster, { limit: 100, status: 'superseded' })).map(({ generation }) => generation)).toEqual([2, 1]);
        const page = await store.jobs(cluster, { limit: 4 });
        const rest = await store.jobs(cluster, { limit: 4, before: page.at(-1)?.id ?? '' });
        expect([...page, ...rest].map(({ generation }) => generation)).toEqual([3, 3, 2, 2, 1, 1]);
        expect(await store.jobs(cluster, { limit: 4, before: 'no' })).toEqual([]);
        expect(await store.job('no')).toBeNull();
        expect(await store.counts()).toEqual({ outbox: 6, jobs: { queued: 3, applied: 1, failed: 0, superseded: 2 } });
      });

      it('keeps the last 20 states and the last 200 jobs of a node', async () => {
        for (let i = 1; i <= 205; i++) await save(i, stateOf('n1', `10.0.${i}.1`));
        expect(await store.nodeState(n1.id, 185)).toBeNull();
        expect(await store.nodeState(n1.id, 186)).toMatchObject({ generation: 186, revision: 186 });
        const rows = await store.jobs(cluster, { limit: 1000 });
        expect([rows.length, rows.at(-1)?.generation]).toEqual([200, 6]);
        expect((await store.counts()).outbox).toBe(200);
      });

      it('messages that could not be published stay, in order', async () => {
        await save(1, first);
        await save(2, second);
        const fault = new Error('no Redis');
        await expect(store.drainOutbox(10, () => Promise.reject(fault))).rejects.toBe(fault);
        const generations: number[] = [];
        expect(await store.drainOutbox(1, async (messages) => void generations.push(...messages.map(({ hint }) => hint.generation)))).toBe(1);
        expect(await store.drainOutbox(10, async (messages) => void generations.push(...messages.map(({ hint }) => hint.generation)))).toBe(1);
        expect(generations).toEqual([1, 2]);
      });

      it('a node takes its history with it', async () => {
        await save(1, first);
        await store.commit('a', note, remove(n1.id, web1.id));
        expect(await store.progress(cluster)).toEqual([]);
        expect(await store.counts()).toMatchObject({ outbox: 0, jobs: { queued: 0 } });
      });
    });
  });
}
