import { readFileSync, writeFileSync } from 'node:fs';
import { type NodeState, nodeState, type StateDelta, stateDelta } from '@portolan/node-state';
import { PROTOCOL_VERSION, type SyncHint } from '@portolan/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { StateAnswer } from '../src/control-plane.js';
import { desiredSource } from '../src/desired.js';
import { emptyLedger, type Ledger, ledgerFile } from '../src/ledger.js';
import { CLUSTER, NODE, openStage, type Stage, stateWith, until } from './stage.js';

const nodeId = 'node1-of-before';

function hintOf(generation: number, delta: StateDelta, more: Partial<SyncHint> = {}): SyncHint {
  return { jobId: `job${generation}`, nodeId, generation, revision: generation, delta, ...more };
}

describe('a job with a delta', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage();
  });
  afterEach(() => stage.dispose());

  function change(generation: number, before: NodeState, after: NodeState): Promise<void> {
    stage.offer(generation, after);
    return stage.publish(generation, { nodeId, delta: stateDelta(before, after) });
  }
  async function applied(generation: number): Promise<void> {
    await until(() => stage.plane.reports.some((report) => report.generation === generation && report.status === 'applied'), `generation ${generation}`);
  }
  function kernelHashes(): string[] {
    return [...stage.kernel.objects.values()].map(({ key, hash }) => `${key} ${hash}`).sort();
  }
  function noted(): Promise<Ledger> {
    return ledgerFile(stage.ledgerPath, (error) => {
      throw error;
    }).read();
  }
  async function looks(): Promise<Record<string, number>> {
    const figures = await stage.metrics.registry.getSingleMetric('portolan_agent_states_total')?.get();
    return Object.fromEntries((figures?.values ?? []).map(({ labels, value }) => [String(labels.by), value]));
  }

  it('costs no request for the state, and is reported as any other', async () => {
    const states = [stateWith('a'), stateWith('a', 'b'), stateWith('b'), stateWith('b', 'c')];
    const [first] = states;
    if (first === undefined) throw new Error('no state');
    stage.offer(1, first);
    await stage.agent().start();
    await applied(1);
    expect(stage.plane.requests).toEqual({ state: 1, notModified: 0, traffic: 0 });
    for (let i = 1; i < states.length; i++) {
      await change(i + 1, states[i - 1] ?? first, states[i] ?? first);
      await applied(i + 1);
      // The revision key comes too, and finds the agent there.
      await stage.coordination.publishRevision(CLUSTER, i + 1);
      expect(kernelHashes()).toEqual((states[i]?.objects ?? []).map(({ key, hash }) => `${key} ${hash}`).sort());
      expect(stage.lastReport()).toMatchObject({ generation: i + 1, revision: i + 1, stateHash: states[i]?.hash });
    }
    expect(stage.plane.requests).toEqual({ state: 1, notModified: 0, traffic: 0 });
    expect(stage.plane.reports.map(({ jobId }) => jobId)).toEqual([undefined, 'job1', 'job2', 'job3']);
    expect(await looks()).toEqual({ fetch: 1, delta: 3 });
  });

  it('that begins at a generation which was skipped leads to the whole state', async () => {
    stage.offer(1, stateWith('a'));
    await stage.agent().start();
    await applied(1);
    await change(3, stateWith('a', 'b'), stateWith('b'));
    await applied(3);
    expect(stage.plane.requests).toEqual({ state: 2, notModified: 0, traffic: 0 });
    expect(await looks()).toEqual({ fetch: 2 });
    expect(kernelHashes()).toEqual(
      stateWith('b')
        .objects.map(({ key, hash }) => `${key} ${hash}`)
        .sort(),
    );
  });

  it('is applied without the control plane, survives a restart, and says nothing of whether the control plane answers', async () => {
    stage.offer(1, stateWith('a'));
    const first = stage.agent();
    await first.start();
    await applied(1);
    stage.plane.mode = 'down';
    await change(2, stateWith('a'), stateWith('a', 'b'));
    await until(() => first.status().generation === 2, 'applied by the delta alone');
    expect(first.status().status).toBe('applied');
    await first.stop();
    expect(stage.logged.filter((line) => line.includes('control plane answers again') || line.includes('no usable state'))).toEqual([]);

    expect(await noted()).toMatchObject({ desired: { generation: 2, nodeId }, applied: { generation: 2, revision: 2 } });
    stage.kernel.tamper('bridge/own:1-net/br0', undefined);
    const second = stage.agent();
    await second.start();
    await until(() => second.status().status === 'applied', 'reconciled against the ledger');
    expect(kernelHashes()).toEqual(
      stateWith('a', 'b')
        .objects.map(({ key, hash }) => `${key} ${hash}`)
        .sort(),
    );
  });

  it('is not noted as applied before it is, nor for what waits', async () => {
    stage.kernel.setPresence('b', 'absent');
    stage.offer(1, stateWith('a'));
    await stage.agent().start();
    await applied(1);
    await vi.waitFor(async () => expect((await noted()).applied).toBeDefined());
    expect((await noted()).applied?.hashes).toEqual(Object.fromEntries(stateWith('a').objects.map(({ key, hash }) => [key, hash])));
    stage.kernel.onBatch = () => 2;
    await change(2, stateWith('a'), stateWith('a', 'b', 'c'));
    await until(() => stage.lastReport().status === 'failed', 'failed');
    expect(await noted()).toMatchObject({ desired: { generation: 2 }, applied: { generation: 1 } });
    stage.kernel.onBatch = () => 0;
    await applied(2);
    await vi.waitFor(async () => expect((await noted()).applied?.generation).toBe(2));
    const keys = Object.keys((await noted()).applied?.hashes ?? {});
    expect(keys).toContain('address/endpoint:c/ov1/10.0.0.4');
    expect(keys).not.toContain('address/endpoint:b/ov1/10.0.0.3');
  });

  it('finds a ledger of the release before, which did not note what was applied', async () => {
    stage.offer(1, stateWith('a'));
    const first = stage.agent();
    await first.start();
    await applied(1);
    await first.stop();
    const { applied: _applied, ...older } = JSON.parse(readFileSync(stage.ledgerPath, 'utf8')) as Ledger;
    writeFileSync(stage.ledgerPath, JSON.stringify({ ...older, format: 1 }));
    const told = stage.plane.reports.length;
    await stage.agent().start();
    // The answer to a report that comes later would tell of what is newer, and lead to one more question.
    await until(() => stage.plane.requests.notModified === 1 && stage.plane.reports.length > told, 'asked with what it holds, and reported');
    await change(2, stateWith('a'), stateWith('b'));
    await applied(2);
    expect(stage.logged.filter((line) => line.includes('damaged'))).toEqual([]);
    expect(stage.plane.requests).toEqual({ state: 2, notModified: 1, traffic: 0 });
  });
});

describe('desiredSource', () => {
  async function sourceOf(held: NodeState | undefined, generation = 5, answers: readonly StateAnswer[] = []) {
    let ledger: Ledger =
      held === undefined ? emptyLedger : { ...emptyLedger, desired: { protocol: PROTOCOL_VERSION, nodeId, generation, revision: 9, state: held } };
    const asked: (string | undefined)[] = [];
    const left = [...answers];
    const file = {
      read: async () => ledger,
      write: async (next: Ledger) => {
        ledger = next;
      },
    };
    const fetchState = async (hash: string | undefined): Promise<StateAnswer> => {
      asked.push(hash);
      return left.shift() ?? { kind: 'same', generation: undefined, revision: undefined };
    };
    return { source: await desiredSource({ fetchState }, file, { cluster: CLUSTER, node: NODE }), asked, written: () => ledger };
  }
  const [a, b] = [stateWith('a'), stateWith('b')];

  it('takes what leads from the held state to a newer one of the same node, and asks about everything else', async () => {
    const taken = await sourceOf(a);
    expect(await taken.source.look(hintOf(6, stateDelta(a, b)))).toEqual({ answered: true, error: undefined, changed: true, by: 'delta' });
    expect(taken.asked).toEqual([]);
    // The revision does not go back, though that of the hint is an older one.
    expect(taken.written()).toMatchObject({ desired: { nodeId, generation: 6, revision: 9, state: b }, retiring: a.endpoints });
    // The same job once more: it is asked whether there is something newer.
    expect(await taken.source.look(hintOf(6, stateDelta(a, b)))).toMatchObject({ by: 'same', changed: false });

    const others: readonly (readonly [why: string, hint: SyncHint])[] = [
      ['another base', hintOf(6, stateDelta(b, a))],
      ['no newer generation', hintOf(5, stateDelta(a, b))],
      ['an older generation', hintOf(4, stateDelta(a, b))],
      ['another node of the name', hintOf(6, stateDelta(a, b), { nodeId: 'node1-of-now' })],
      ['a hint that does not say which node', { jobId: 'x', generation: 6, revision: 6, delta: stateDelta(a, b) }],
      ['no delta', { jobId: 'x', nodeId, generation: 6, revision: 6 }],
      ['a delta that does not lead to its hash', hintOf(6, { ...stateDelta(a, b), put: [] })],
    ];
    for (const [why, hint] of others) {
      const { source, asked, written } = await sourceOf(a);
      expect(await source.look(hint), why).toMatchObject({ by: 'same' });
      expect(asked, why).toEqual([a.hash]);
      expect(written().desired, why).toMatchObject({ generation: 5, state: a });
    }
    const empty = await sourceOf(undefined);
    expect(await empty.source.look(hintOf(6, stateDelta(a, b)))).toMatchObject({ by: 'same' });
  });

  it('does not take the state of another node or cluster by a delta', async () => {
    const { hash: _hash, ...rest } = b;
    const { source, written } = await sourceOf(a);
    const elsewhere = nodeState({ ...rest, node: 'node2' });
    expect(await source.look(hintOf(6, stateDelta(a, elsewhere)))).toMatchObject({ answered: false, by: 'none', error: { code: 'invalid-document' } });
    expect(written().desired).toMatchObject({ generation: 5, state: a });
  });

  it('asks in the words of whoever answered last', async () => {
    const desired = { protocol: 3, nodeId, generation: 6, revision: 10, state: b };
    const answers: StateAnswer[] = [
      { kind: 'state', desired },
      { kind: 'same', generation: 6, revision: 11 },
      { kind: 'same', generation: 6, revision: 11, protocol: 4 },
      { kind: 'state', desired: { ...desired, protocol: 5 } },
      { kind: 'state', desired: { ...desired, protocol: 2 } },
    ];
    const { source } = await sourceOf(a, 5, answers);
    const protocols: number[] = [source.protocol];
    for (let i = 0; i < 3; i++) {
      await source.look();
      protocols.push(source.protocol);
    }
    expect(protocols).toEqual([4, 3, 3, 4]);
    expect(await source.look()).toMatchObject({ answered: false, error: { code: 'protocol-unsupported' } });
    expect(await source.look()).toMatchObject({ answered: false, error: { code: 'protocol-unsupported' } });
    expect(source.protocol).toBe(4);
  });

  it('does not accept what cannot be noted on disk, and says so', async () => {
    const full = { read: async () => emptyLedger, write: () => Promise.reject(new Error("ENOSPC: no space left on device, open 'ledger.json.new'")) };
    const fetchState = async (): Promise<StateAnswer> => ({
      kind: 'state',
      desired: { protocol: PROTOCOL_VERSION, nodeId, generation: 1, revision: 1, state: a },
    });
    const source = await desiredSource({ fetchState }, full, { cluster: CLUSTER, node: NODE });
    expect(await source.look()).toMatchObject({ answered: false, changed: false, error: { code: 'apply-failed', message: expect.stringContaining('ENOSPC') } });
    expect(source.ledger.desired).toBeUndefined();
  });

  it('notes what was applied, on disk when it is something else', async () => {
    const { source, written } = await sourceOf(a);
    const { desired } = source.ledger;
    if (desired === undefined) throw new Error('nothing held');
    await source.noteApplied(desired, [a.objects[1]?.key ?? '']);
    const { applied } = written();
    expect(applied).toMatchObject({ generation: 5, revision: 9 });
    expect(Object.keys(applied?.hashes ?? {})).toEqual(a.objects.filter((_object, i) => i !== 1).map(({ key }) => key));
    await source.noteApplied({ ...desired, generation: 6 }, [a.objects[1]?.key ?? '']);
    expect(source.ledger.applied?.generation).toBe(6);
    expect(written().applied).toBe(applied);
    await source.noteApplied({ ...desired, generation: 7 }, []);
    expect(written().applied?.generation).toBe(7);
  });
});
