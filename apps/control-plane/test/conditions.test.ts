import type { Id, Node, Snapshot } from '@portolan/model';
import { noSignals } from '@portolan/protocol';
import type { NodeProgress } from '@portolan/store';
import { bjdtManifest, sampleSnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { conditionsToNote, type HostEvidence } from '../src/application/conditions.js';
import { acknowledgementOf, connectionsOf } from '../src/application/drains.js';
import { runAgents } from './simulated-agent.js';
import { eventually, startTestPlane } from './test-plane.js';

function progressOf(nodeId: Id, more: Partial<NodeProgress> = {}): NodeProgress {
  return {
    nodeId,
    generation: 1,
    stateHash: '',
    computedRevision: 5,
    appliedRevision: 5,
    lastReportAt: '2026-01-01T00:00:00.000Z',
    reportOrder: null,
    handedRevision: null,
    observedHash: null,
    lastStatus: 'applied',
    lastErrors: [],
    failures: 0,
    failingSince: null,
    lastWaiting: [],
    facts: {},
    signals: noSignals,
    ...more,
  };
}

function withConditions(...conditions: readonly Node['condition'][]): { snapshot: Snapshot; ids: readonly Id[] } {
  const base = sampleSnapshot();
  const nodes = [...base.nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const changed = nodes.map((node, at) => ({ ...node, condition: conditions[at] ?? node.condition }));
  return { snapshot: { ...base, nodes: new Map(changed.map((node) => [node.id, node])) }, ids: changed.map(({ id }) => id) };
}

describe('the condition of a host', () => {
  const noted = (
    before: readonly Node['condition'][],
    alive: readonly (boolean | null)[],
    says: Readonly<Record<number, Partial<NodeProgress> | boolean>> = {},
    silentSince = 0,
  ): readonly (Node['condition'] | undefined)[] => {
    const { snapshot, ids } = withConditions(...before);
    const silent = ids[2] ?? '';
    const progress = ids.flatMap((id, at) => {
      const said = says[at];
      if (said === undefined) return [];
      return [progressOf(id, typeof said === 'boolean' ? { signals: { ...noSignals, reachable: { [silent]: said } } } : said)];
    });
    const evidence: HostEvidence = {
      isAlive: ({ id }) => alive[ids.indexOf(id)] ?? null,
      watchersOf: () => ids.filter((id) => id !== silent),
      progress: new Map(progress.map((row) => [row.nodeId, row])),
      silentSince: new Map([[silent, silentSince]]),
    };
    const conditions = conditionsToNote(snapshot, evidence);
    return ids.map((id) => conditions.get(id));
  };

  it('is up with a lease; one that was never up stays unknown, one that was is silent', () => {
    expect(noted(['unknown', 'unknown', 'up'], [true, false, false])).toEqual(['up', undefined, 'silent']);
    expect(noted(['up', 'silent', 'unreachable'], [true, true, true])).toEqual([undefined, 'up', 'up']);
  });

  it('is not touched while etcd does not say', () => {
    expect(noted(['up', 'silent', 'silent'], [null, null, null], { 0: false, 1: false })).toEqual([undefined, undefined, undefined]);
  });

  it('is unreachable when all that watch it and are up say so, and at least one', () => {
    const alive = [true, true, false];
    expect(noted(['up', 'up', 'silent'], alive, { 0: false, 1: false })[2]).toBe('unreachable');
    expect(noted(['up', 'up', 'silent'], alive, { 0: false, 1: true })[2]).toBeUndefined();
    expect(noted(['up', 'up', 'silent'], alive, { 0: false, 1: {} })[2]).toBeUndefined();
    expect(noted(['up', 'silent', 'silent'], [true, false, false], { 0: false })[2]).toBe('unreachable');
    expect(noted(['silent', 'silent', 'silent'], [false, false, false], { 0: false, 1: false })[2]).toBeUndefined();
    expect(noted(['up', 'up', 'up'], alive, { 0: false, 1: false })[2]).toBe('silent');
  });

  it('is not judged by what was said before it was silent, but by a node that cannot apply its state', () => {
    const alive = [true, true, false];
    expect(noted(['up', 'up', 'silent'], alive, { 0: false, 1: false }, 6)[2]).toBeUndefined();
    const failing = (id: number) => ({
      [id]: { lastStatus: 'failed' as const, signals: { ...noSignals, reachable: { [withConditions().ids[2] ?? '']: false } } },
    });
    expect(noted(['up', 'up', 'silent'], alive, { ...failing(0), ...failing(1) }, 6)[2]).toBe('unreachable');
  });

  it('follows leases and what other nodes report', async () => {
    const plane = await startTestPlane();
    await plane.send('POST', '/v1/clusters', { name: 'lab' });
    const liveness = { version: 'simulated', startedAt: '2026-01-01T00:00:00.000Z', pid: 1 };
    const ends = await Promise.all(['node1', 'node2', 'node3'].map((node) => plane.coordination.keepAlive('lab', node, liveness)));
    const agents = await runAgents(plane, 'lab', ['node1', 'node2']);
    await plane.send('PUT', '/v1/clusters/lab/manifest', bjdtManifest);
    const conditions = async (): Promise<readonly string[]> =>
      ((await plane.send('GET', '/v1/clusters/lab/nodes')).body.items as unknown as { condition: string }[]).map(({ condition }) => condition);
    await eventually(async () => expect(await conditions()).toEqual(['up', 'up', 'up']));
    await ends[2]?.();
    await eventually(async () => expect(await conditions()).toEqual(['up', 'up', 'silent']));
    const { id } = (await plane.send('GET', '/v1/clusters/lab/nodes/node3')).body;
    const report = async (...answers: readonly boolean[]): Promise<void> => {
      for (const [at, answers3] of answers.entries())
        await agents[at]?.sync({ signals: { ...noSignals, reachable: { [String(id)]: answers3 }, underlayMtu: 1400 } });
    };
    await eventually(async () => {
      await report(false, false);
      expect(await conditions()).toEqual(['up', 'up', 'unreachable']);
    });
    const endpoints = (await plane.send('GET', '/v1/clusters/lab/endpoints?node=node3')).body.items;
    expect(endpoints).toMatchObject([{ traffic: 'nothing' }]);
    expect((await plane.send('GET', '/v1/clusters/lab/nodes/node1')).body.underlayMtu).toBe(1400);
    expect((await plane.send('GET', '/v1/clusters/lab/networks/bjdt_overlay')).body.effectiveMtu).toBe(1350);
    await plane.coordination.keepAlive('lab', 'node3', liveness);
    await eventually(async () => expect(await conditions()).toEqual(['up', 'up', 'up']));
    expect((await plane.send('GET', '/v1/clusters/lab/revisions?limit=1')).body.items).toMatchObject([{ actor: 'conditions', summary: 'node3 is up' }]);
  });
});

describe('who has to acknowledge a drain', () => {
  const [endpoint] = [...sampleSnapshot().endpoints.values()];
  if (endpoint === undefined) throw new Error('the sample has endpoints');

  it('every node of its networks that is up, or that has reported; a silent one by itself, as its host may go on sending', () => {
    const { snapshot, ids } = withConditions('up', 'unknown', 'silent');
    const rows = (...applied: readonly (number | null)[]) =>
      new Map(
        applied.flatMap((revision, at) => (revision === null ? [] : ([[ids[at] ?? '', progressOf(ids[at] ?? '', { appliedRevision: revision })]] as const))),
      );
    expect(acknowledgementOf(snapshot, endpoint, 5, rows(5, 4, 0))).toEqual({ acknowledgedBy: ['node1'], pending: ['node2'], silent: ['node3'] });
    expect(acknowledgementOf(snapshot, endpoint, 5, rows(null, null, null))).toEqual({ acknowledgedBy: [], pending: ['node1'], silent: ['node3'] });
    expect(acknowledgementOf(snapshot, endpoint, 5, rows(6, 5, 0))).toEqual({ acknowledgedBy: ['node1', 'node2'], pending: [], silent: ['node3'] });
  });

  it('its own node counts its connections; nobody does where there can be none', () => {
    const { snapshot } = withConditions('up', 'up', 'up');
    const present = { ...endpoint, presence: 'present' as const };
    const counted = new Map([[endpoint.nodeId, progressOf(endpoint.nodeId, { signals: { ...noSignals, connections: { [endpoint.id]: 2 } } })]]);
    expect(connectionsOf(snapshot, present, counted)).toBe(2);
    expect(connectionsOf(snapshot, present, new Map())).toBeNull();
    expect(connectionsOf(snapshot, { ...present, presence: 'absent' }, counted)).toBe(0);
    expect(connectionsOf(snapshot, { ...present, presence: 'unknown' }, new Map())).toBe(0);
    const { snapshot: silent } = withConditions('silent', 'silent', 'silent');
    expect(connectionsOf(silent, present, counted)).toBeNull();
    const { snapshot: unreachable } = withConditions('unreachable', 'unreachable', 'unreachable');
    expect(connectionsOf(unreachable, present, counted)).toBe(0);
  });
});
