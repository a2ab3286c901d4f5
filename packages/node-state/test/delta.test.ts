import { kernelObject, type NodeState, nodeState, nothingToWatch, stateAfter, stateDelta } from '@portolan/node-state';
import { describe, expect, it } from 'vitest';

/** A state of these addresses; of `others` the lengths differ. */
function stateOf(addresses: readonly number[], others: readonly number[] = [], draining: readonly string[] = []): NodeState {
  const objects = addresses.map((i) =>
    kernelObject(
      'own:lb_a',
      { kind: 'address', link: 'eth0', address: `10.0.0.${i}`, prefixLength: others.includes(i) ? 24 : 32 },
      { computedBy: 'load-balancer' },
    ),
  );
  return nodeState({ cluster: 'c', node: 'n', address: '192.0.2.1', endpoints: {}, watch: { ...nothingToWatch, draining }, objects });
}

describe('stateDelta', () => {
  it('leads from any state to any other, and names what differs only', () => {
    const states: NodeState[] = [];
    for (let bits = 0; bits < 16; bits++) {
      const present = [1, 2, 3].filter((i) => bits & (1 << (i - 1)));
      states.push(
        stateOf(
          present,
          [2].filter(() => bits >= 8),
        ),
        stateOf(
          present,
          [],
          ['web.1'].filter(() => bits >= 8),
        ),
      );
    }
    for (const before of states) for (const after of states) expect(stateAfter(before, stateDelta(before, after))).toEqual(after);
    const delta = stateDelta(stateOf([1, 2, 3]), stateOf([2, 3, 4], [3]));
    expect(delta.put.map(({ key }) => key)).toEqual(['address/own:lb_a/eth0/10.0.0.3', 'address/own:lb_a/eth0/10.0.0.4']);
    expect(delta.gone).toEqual(['address/own:lb_a/eth0/10.0.0.1']);
    expect(delta.rest).toBeUndefined();
    expect(stateDelta(stateOf([1]), stateOf([1], [], ['web.1']))).toMatchObject({ put: [], gone: [], rest: { watch: { draining: ['web.1'] } } });
  });

  it('leads there in whatever order its objects come', () => {
    const [before, after] = [stateOf([1, 3, 5]), stateOf([1, 2, 4, 5, 6], [5])];
    const delta = stateDelta(before, after);
    expect(stateAfter(before, { ...delta, put: [...delta.put].reverse() })).toEqual(after);
  });

  it('leads nowhere from another state, nor where something of it is lost', () => {
    const before = stateOf([1, 2]);
    const delta = stateDelta(before, stateOf([2, 3], [], ['web.1']));
    expect(stateAfter(stateOf([1]), delta)).toBeUndefined();
    expect(stateAfter(before, { ...delta, put: [] })).toBeUndefined();
    expect(stateAfter(before, { ...delta, gone: [] })).toBeUndefined();
    const { rest: _rest, ...without } = delta;
    expect(stateAfter(before, without)).toBeUndefined();
  });
});
