import { kernelObject, type NodeState, nodeState, nothingToWatch, type StateDelta, stateAfter } from '@portolan/node-state';
import { noSignals } from '@portolan/protocol';
import type { NodeProgress, OutboxMessage } from '@portolan/store';
import { openMemoryStore } from '@portolan/store/memory';
import { describe, expect, it } from 'vitest';
import { MAX_DELTA_BYTES, PreviousStates, smallDelta } from '../src/tasks/previous-states.js';
import { eventually, startTestPlane } from './test-plane.js';

function stateOf(addresses: number): NodeState {
  const objects = Array.from({ length: addresses }, (_, i) =>
    kernelObject('own:lb_a', { kind: 'address', link: 'eth0', address: `10.0.${i >> 8}.${i & 255}`, prefixLength: 32 }, { computedBy: 'load-balancer' }),
  );
  return nodeState({ cluster: 'c', node: 'n', address: '192.0.2.1', endpoints: {}, watch: nothingToWatch, objects });
}

function progressAt(state: NodeState): NodeProgress {
  const never = {
    lastReportAt: null,
    reportOrder: null,
    handedRevision: null,
    observedHash: null,
    lastStatus: null,
    lastErrors: [],
    failures: 0,
    failingSince: null,
    lastWaiting: [],
    facts: {},
    signals: noSignals,
  };
  return { nodeId: 'n1', generation: 1, stateHash: state.hash, computedRevision: 1, appliedRevision: 0, ...never };
}

describe('deltas of computed states', () => {
  it('begin at the newest state, from memory or from the store, and stay away where they are large or there is nothing to begin at', async () => {
    let reads = 0;
    let stored: NodeState | undefined;
    const store = {
      nodeState: async (nodeId: string) => {
        reads += 1;
        return stored === undefined ? null : { nodeId, generation: 1, revision: 1, state: stored, createdAt: '' };
      },
    };
    const previous = new PreviousStates(store, 100);
    const deltaTo = async (of: { readonly id: string }, progress: NodeProgress | undefined, state: NodeState): Promise<StateDelta | undefined> => {
      const before = await previous.of(of, progress);
      return before === undefined ? undefined : smallDelta(before, state);
    };
    const node = { id: 'n1' };
    const first = stateOf(3);
    const second = stateOf(4);
    expect(await deltaTo(node, undefined, first)).toBeUndefined();
    expect(await deltaTo(node, progressAt(first), second)).toBeUndefined();
    expect(reads).toBe(1);
    previous.note('n1', first);
    const delta = await deltaTo(node, progressAt(first), second);
    expect(delta).toMatchObject({ base: first.hash, hash: second.hash, put: [{ body: { address: '10.0.0.3' } }], gone: [] });
    expect(delta === undefined ? undefined : stateAfter(first, delta)).toEqual(second);
    expect(reads).toBe(1);
    // What is kept is another control plane's past: the store has what counts.
    stored = second;
    expect(await deltaTo(node, progressAt(second), first)).toMatchObject({ base: second.hash, put: [], gone: [second.objects[3]?.key] });
    expect(reads).toBe(2);
    expect(await deltaTo(node, progressAt(second), stateOf(1_000))).toBeUndefined();
    expect(Buffer.byteLength(JSON.stringify(stateOf(60).objects))).toBeLessThan(MAX_DELTA_BYTES);
    expect(Buffer.byteLength(JSON.stringify(stateOf(100).objects))).toBeGreaterThan(MAX_DELTA_BYTES);
    expect(await deltaTo(node, progressAt(second), stateOf(60))).toBeDefined();
    expect(await deltaTo(node, progressAt(second), stateOf(104))).toBeUndefined();
    // 60 and 60 objects are more than there is room for.
    previous.note('n1', stateOf(60));
    previous.note('n2', stateOf(60));
    stored = stateOf(60);
    const before = reads;
    expect(await deltaTo({ id: 'n2' }, progressAt(stateOf(60)), second)).toBeDefined();
    expect(reads).toBe(before);
    expect(await deltaTo(node, progressAt(stateOf(60)), second)).toBeDefined();
    expect(reads).toBe(before + 1);
  });

  it('go with the job of each change but the first, and lead to the state that the agent would be given', async () => {
    const hints: OutboxMessage['hint'][] = [];
    const queue = {
      publish: async (messages: readonly OutboxMessage[]) => void hints.push(...messages.map(({ hint }) => hint)),
      ping: async () => undefined,
      close: async () => undefined,
    };
    const store = openMemoryStore();
    const plane = await startTestPlane({ store, queue });
    const made = async (url: string, body: object): Promise<void> => expect((await plane.send('POST', url, body)).status).toBe(201);
    await made('/v1/clusters', { name: 'c' });
    await made('/v1/clusters/c/nodes', { name: 'n', address: '192.0.2.1' });
    await eventually(() => expect(hints).toHaveLength(1));
    await made('/v1/clusters/c/networks', { name: 'back' });
    await made('/v1/clusters/c/services', { name: 'db', networks: [{ network: 'back' }] });
    await made('/v1/clusters/c/endpoints', { name: 'db.1', service: 'db', node: 'n', attachment: { netns: '/run/netns/db.1' } });
    await eventually(() => expect(hints).toHaveLength(2));
    const snapshot = await store.snapshot('c');
    const [node] = snapshot.nodes.values();
    const first = await store.nodeState(node?.id ?? '', 1);
    const second = await store.nodeState(node?.id ?? '', 2);
    expect(hints.map(({ generation, nodeId }) => [generation, nodeId])).toEqual([
      [1, node?.id],
      [2, node?.id],
    ]);
    expect(hints[0]?.delta).toBeUndefined();
    const delta = hints[1]?.delta;
    expect(first === null || delta === undefined ? undefined : stateAfter(first.state, delta)).toEqual(second?.state);
  });
});
