import { checkSnapshot } from '@portolan/check';
import type { Snapshot } from '@portolan/model';
import { dataPlaneSnapshot, sampleSnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { listed, stateOf, uncached } from './states.js';

const samples: readonly (readonly [name: string, snapshot: Snapshot])[] = [
  ['bjdt', sampleSnapshot()],
  ['data-plane', dataPlaneSnapshot()],
];

describe.each(samples)('%s', (name, snapshot) => {
  it('is sound', () => {
    expect(checkSnapshot(snapshot).filter(({ severity }) => severity === 'block')).toEqual([]);
  });

  it.each(['node1', 'node2', 'node3'])('%s is as in its golden file, and the same when computed from nothing', async (node) => {
    const state = stateOf(snapshot, node);
    await expect(listed(state)).toMatchFileSnapshot(`golden/${name}.${node}.txt`);
    expect(JSON.stringify(stateOf(uncached(snapshot), node))).toBe(JSON.stringify(state));
  });
});
