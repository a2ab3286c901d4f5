import { emptyNodeState, type NodeState } from '@portolan/node-state';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Kernel, openLinuxKernel } from '../src/index.js';
import { observed, reach, stepsTo } from './reach.js';
import { dataPlaneState, variantState, withoutIpvs } from './states.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

let host: ThrowawayHost;
let kernel: Kernel;
beforeEach(() => {
  host = makeThrowawayHost();
  kernel = openLinuxKernel(host);
});
afterEach(() => host.dispose());

async function expectReached(state: NodeState): Promise<void> {
  await reach(kernel, state);
  const there = new Map((await observed(kernel, state)).objects.map(({ key, hash }) => [key, hash]));
  expect(Object.fromEntries(there)).toEqual(Object.fromEntries(state.objects.map(({ key, hash }) => [key, hash])));
}

describe('every kind of object', () => {
  it('is made, read back equal, changed where it is, and removed', async () => {
    const [one, other] = [withoutIpvs(variantState(host, 'one')), withoutIpvs(variantState(host, 'other'))];
    await expectReached(one);
    expect(await stepsTo(kernel, one)).toEqual([]);
    await expectReached(other);
    await expectReached(one);
    const nothing = emptyNodeState(one.endpoints);
    await reach(kernel, nothing);
    expect((await observed(kernel, nothing)).objects).toEqual([]);
  });

  it('of a node with one of everything is reached at once', async () => {
    const state = withoutIpvs(dataPlaneState(host));
    await expectReached(state);
    await kernel.purge(state.endpoints);
    expect((await observed(kernel, state)).objects.filter(({ kind }) => kind !== 'sysctl')).toEqual([]);
  });
});
