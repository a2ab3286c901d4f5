import type { KernelEvent, KernelEventsOptions } from '@portolan/kernel';
import { kernelObject, nodeState, nothingToWatch } from '@portolan/node-state';
import { describe, expect, it } from 'vitest';
import { watchKernel } from '../../src/watch/kernel.js';
import { fakeClock } from '../fake-clock.js';

const state = nodeState({
  cluster: 'lab',
  node: 'node1',
  address: '172.16.130.140',
  endpoints: {},
  watch: nothingToWatch,
  objects: [kernelObject('host', { kind: 'route', destination: '10.244.2.0/24', via: '172.16.130.164', link: 'eth0' }, { computedBy: 'flannel' })],
});
const foreignRoute: KernelEvent = { kind: 'route', isGone: false, destination: '10.244.2.0/24', table: 254, protocol: 3 };
const goneRoute: KernelEvent = { ...foreignRoute, isGone: true };
const elsewhere: KernelEvent = { ...foreignRoute, destination: '10.98.0.0/24' };
const underlay: KernelEvent = { kind: 'address', isGone: true, index: 2, link: 'eth0', address: '172.16.130.140', prefixLength: 24, label: 'eth0' };

function stage() {
  const clock = fakeClock();
  const started = clock.now();
  const asked: number[] = [];
  const logged: object[] = [];
  const outcomes: Record<string, number> = {};
  const opened: Pick<KernelEventsOptions, 'onEvent' | 'onLost' | 'onEnd'>[] = [];
  const attempts: number[] = [];
  const set = { refuses: false, hasState: true, link: 'eth0' as string | undefined, closed: 0 };
  const log = (fields: object): void => void logged.push(fields);
  const watch = watchKernel({
    open: (options) => {
      attempts.push(clock.now() - started);
      if (set.refuses) throw new Error('no socket');
      opened.push(options);
      return {
        close: () => {
          set.closed += 1;
        },
      };
    },
    state: () => (set.hasState ? state : undefined),
    underlay: () => set.link,
    clock,
    log: { debug: log, info: log, warn: log, error: log },
    retryFirst: 1_000,
    retryLast: 30_000,
    onOutcome: (outcome, events) => {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + events;
    },
    onChange: () => asked.push(clock.now() - started),
  });
  return { clock, watch, asked, logged, outcomes, attempts, set, tell: (event: KernelEvent) => opened.at(-1)?.onEvent(event), source: () => opened.at(-1) };
}

describe('watchKernel', () => {
  it('asks for a run at once, then once a second, and says what it saw', async () => {
    const { clock, asked, logged, outcomes, tell } = stage();
    for (let i = 0; i < 30; i += 1) {
      tell(foreignRoute);
      await clock.pass(100);
    }
    await clock.pass(5_000);
    expect(asked).toEqual([20, 1_020, 2_020, 3_020]);
    expect(logged[0]).toEqual({ changes: ['route 10.244.2.0/24, protocol 3: new or changed'], count: 1 });
    expect(logged[1]).toMatchObject({ count: 10 });
    expect(outcomes).toEqual({ ours: 30 });
  });

  it('is silent about 1,000 changes of others, and about all while there is no state', async () => {
    const { clock, asked, outcomes, set, tell } = stage();
    for (let i = 0; i < 1_000; i += 1) tell(elsewhere);
    set.hasState = false;
    tell(foreignRoute);
    await clock.pass(5_000);
    expect(asked).toEqual([]);
    expect(outcomes).toEqual({ foreign: 1_001 });
  });

  it('follows the interface with the address of the node', async () => {
    const { clock, asked, set, tell } = stage();
    set.link = 'eth1';
    tell(underlay);
    await clock.pass(5_000);
    expect(asked).toEqual([]);
    set.link = 'eth0';
    tell(underlay);
    await clock.pass(5_000);
    expect(asked).toHaveLength(1);
  });

  it('takes what comes during a run that wrote, and a little later, for its work', async () => {
    const { clock, watch, asked, outcomes, tell } = stage();
    watch.begin();
    tell(goneRoute);
    await clock.pass(500);
    watch.ended(true);
    await clock.pass(250);
    tell(goneRoute);
    await clock.pass(5_000);
    expect(asked).toEqual([]);
    expect(outcomes).toEqual({ 'own-work': 2 });
    tell(goneRoute);
    await clock.pass(5_000);
    expect(asked).toHaveLength(1);
  });

  it('asks for another run when something came during one that wrote nothing', async () => {
    const { clock, watch, asked, outcomes, tell } = stage();
    watch.begin();
    tell(goneRoute);
    await clock.pass(5_000);
    expect(asked).toEqual([]);
    watch.ended(false);
    await clock.pass(5_000);
    expect(asked).toEqual([5_020]);
    expect(outcomes).toEqual({ ours: 1 });
  });

  it('never takes a route of another protocol for its own work', async () => {
    const { clock, watch, asked, outcomes, tell } = stage();
    watch.begin();
    tell(foreignRoute);
    watch.ended(true);
    tell(foreignRoute);
    await clock.pass(500);
    expect(asked).toEqual([20]);
    expect(outcomes).toEqual({ ours: 2 });
  });

  it('looks when events were lost, or could not be watched for a while, and comes back by itself', async () => {
    const { clock, watch, asked, logged, outcomes, attempts, set, source } = stage();
    source()?.onLost();
    await clock.pass(5_000);
    expect(asked).toEqual([20]);
    set.refuses = true;
    source()?.onEnd(new Error('recv: EBADF'));
    await clock.pass(10_000);
    set.refuses = false;
    await clock.pass(10_000);
    expect(attempts).toEqual([0, 6_000, 8_000, 12_000, 20_000]);
    expect(asked).toEqual([20, 20_020]);
    expect(logged).toHaveLength(3);
    expect(outcomes).toEqual({ lost: 1, ours: 2 });
    watch.stop();
    expect(set.closed).toBe(1);
    expect(clock.timers).toEqual([]);
  });
});
