import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeState } from '@portolan/node-state';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kernel, openLinuxKernel } from '../src/index.js';
import { observed, reach } from './reach.js';
import { sampleState, withoutIpvs } from './states.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

let host: ThrowawayHost;
let kernel: Kernel;
let state: NodeState;
let overlay: string;
let balancer: string;

beforeAll(async () => {
  host = makeThrowawayHost();
  kernel = openLinuxKernel(host);
  state = withoutIpvs(sampleState(host));
  await reach(kernel, state);
  // The kernel tells of a carrier, and of addresses that are no longer tentative, a moment later.
  await sleep(2_500);
  await observed(kernel, state);
  const own = readdirSync(join(host.runDirectory, 'netns'));
  overlay = own.find((name) => name.startsWith('1-')) ?? '';
  balancer = own.find((name) => name.startsWith('lb_')) ?? '';
});
afterAll(() => host.dispose());

const pathOf = (name: string): string => join(host.runDirectory, 'netns', name);
const doubts = (): Record<string, string[]> => Object.fromEntries([...kernel.doubts()].map(([space, tables]) => [space, [...tables].sort()]));

/** Changes something, and looks whether that is doubted until the table is read again. */
async function expectDoubt(command: string, path: string | undefined, expected: Record<string, string[]>): Promise<void> {
  const started = host.exec.started;
  host.run(command, path);
  expect(doubts()).toEqual(expected);
  expect(host.exec.started).toBe(started);
  await kernel.observe({ endpoints: state.endpoints, sysctls: new Map(), written: kernel.doubts() });
  expect(doubts()).toEqual({});
}

describe('doubts', () => {
  it('are none where nothing was changed', () => {
    expect(doubts()).toEqual({});
  });

  it.each(['iptables', 'iptables-legacy'])('are of rules that were added, removed or flushed by %s', async (tool) => {
    if (!host.run('iptables --version').includes(tool === 'iptables' ? 'nf_tables' : 'legacy')) return;
    await expectDoubt(`${tool} -t mangle -A PREROUTING -j ACCEPT`, pathOf(balancer), { [`own:${balancer}`]: ['rules'] });
    await expectDoubt(`${tool} -t mangle -D PREROUTING -j ACCEPT`, pathOf(balancer), { [`own:${balancer}`]: ['rules'] });
    await expectDoubt(`${tool} -t nat -F`, undefined, { host: ['rules'] });
    await reach(kernel, state);
    expect(doubts()).toEqual({});
  });

  it('are of links, addresses and routes, and of forwarding entries, in namespaces of our own', async () => {
    const space = `own:${overlay}`;
    await expectDoubt('ip link set vxlan0 down', pathOf(overlay), { [space]: ['links'] });
    await expectDoubt('ip address add 10.9.9.9/32 dev br0', pathOf(overlay), { [space]: ['links'] });
    await expectDoubt('bridge fdb append 02:42:0a:00:00:99 dev vxlan0 dst 172.16.130.164', pathOf(overlay), { [space]: ['peers'] });
    await expectDoubt('ip neigh add 10.0.0.99 lladdr 02:42:0a:00:00:99 dev br0 nud permanent', pathOf(overlay), { [space]: ['links'] });
    await expectDoubt('ip neigh flush nud permanent', pathOf(overlay), { [space]: ['links'] });
    await reach(kernel, state);
  });

  it('are none of what the kernel learns by itself', async () => {
    host.run(
      'ip neigh add 10.0.0.98 lladdr 02:42:0a:00:00:98 dev br0 nud reachable; bridge fdb add 02:42:0a:00:00:97 dev vxlan0 dst 172.16.130.164 dynamic',
      pathOf(overlay),
    );
    expect(doubts()).toEqual({});
  });

  it('are of everything in a namespace that is gone, which no socket keeps alive once it was looked at', async () => {
    host.run(`umount ${pathOf(balancer)}`);
    expect(Object.keys(doubts())).toEqual([`own:${balancer}`]);
    await observed(kernel, state);
    // Its pairs go with it, and their other ends tell of that.
    expect(Object.keys(doubts())).not.toContain(`own:${balancer}`);
  });
});
