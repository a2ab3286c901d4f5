import type { ServerCounters } from '@portolan/kernel';
import { portolanError } from '@portolan/model';
import { kernelObject } from '@portolan/node-state';
import type { TrafficReading } from '@portolan/protocol';
import { describe, expect, it } from 'vitest';
import { type BalancingSpace, type TrafficOutcome, watchTraffic } from '../../src/watch/traffic.js';
import { fakeClock } from '../fake-clock.js';

const origin = { computedBy: 'load-balancer' } as const;
const balancing = (...spaces: readonly BalancingSpace[]) => ({
  objects: spaces.map((space) => kernelObject(space, { kind: 'virtual-server', mark: 256, scheduler: 'rr' }, origin)),
});
const counters = (address: string, connections: number, active = 0): ServerCounters => ({
  mark: 256,
  address,
  connections,
  active,
  inactive: 0,
  inPackets: 5 * connections,
  outPackets: 4 * connections,
  inBytes: 500 * connections,
  outBytes: 900 * connections,
});

function stage() {
  const clock = fakeClock();
  const sent: TrafficReading[] = [];
  const outcomes: TrafficOutcome[] = [];
  const world = {
    state: balancing('own:lb_a') as ReturnType<typeof balancing> | undefined,
    tables: new Map<string, readonly ServerCounters[]>([['own:lb_a', [counters('10.0.0.2', 1), counters('10.0.0.3', 0)]]]),
    reads: 0,
    failing: 0,
    busy: false,
    protocol: 4,
    refusal: undefined as Error | undefined,
    inFlight: 0,
    most: 0,
    takes: 0,
  };
  const stop = watchTraffic({
    state: () => world.state,
    read: (space) => {
      world.reads += 1;
      if (world.failing > 0) {
        world.failing -= 1;
        throw new Error('it changes meanwhile');
      }
      const table = world.tables.get(space);
      if (table === undefined) throw portolanError('apply-failed', '', 'the namespace is gone');
      return table;
    },
    send: async (reading) => {
      world.inFlight += 1;
      world.most = Math.max(world.most, world.inFlight);
      await new Promise<void>((resolve) => clock.after(world.takes, resolve));
      world.inFlight -= 1;
      if (world.refusal !== undefined) throw world.refusal;
      sent.push(reading);
    },
    protocol: () => world.protocol,
    isBusy: () => world.busy,
    clock,
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    every: 10_000,
    onOutcome: (outcome) => outcomes.push(outcome),
  });
  return {
    clock,
    sent,
    outcomes,
    world,
    stop,
    servers: () => sent.map(({ servers }) => servers.map(({ space, address, connections }) => [space, address, connections])),
  };
}

describe('readings of traffic', () => {
  it('have what each namespace has counted, with the time; who has counted nothing is left out', async () => {
    const { clock, sent, world, stop } = stage();
    world.state = balancing('own:lb_a', 'own:ingress_sbox');
    world.tables.set('own:ingress_sbox', [counters('10.0.0.2', 7, 2)]);
    await clock.pass(5_000);
    expect(sent).toEqual([
      {
        protocol: 4,
        at: new Date(1_005_000).toISOString(),
        servers: [
          { space: 'own:lb_a', ...counters('10.0.0.2', 1) },
          { space: 'own:ingress_sbox', ...counters('10.0.0.2', 7, 2) },
        ],
      },
    ]);
    await stop();
    expect(clock.timers).toEqual([]);
  });

  it('are sent when they have changed, once more when they no longer do, and then each minute', async () => {
    const { clock, world, outcomes, servers } = stage();
    await clock.pass(5_000);
    world.tables.set('own:lb_a', [counters('10.0.0.2', 2)]);
    await clock.pass(10_000);
    await clock.pass(70_000);
    expect(servers().map((rows) => rows[0]?.[2])).toEqual([1, 2, 2, 2]);
    expect(outcomes.filter((outcome) => outcome === 'unchanged')).toHaveLength(5);
  });

  it('a node without virtual servers reads and says nothing; one that had some says that they are gone', async () => {
    const { clock, world, servers } = stage();
    world.state = undefined;
    await clock.pass(25_000);
    world.state = balancing();
    await clock.pass(10_000);
    expect([world.reads, servers()]).toEqual([0, []]);
    world.state = balancing('own:lb_a');
    await clock.pass(10_000);
    world.state = balancing();
    await clock.pass(10_000);
    expect(servers()).toEqual([[['own:lb_a', '10.0.0.2', 1]], []]);
  });

  it('a namespace that is gone leaves the others', async () => {
    const { clock, world, servers } = stage();
    world.state = balancing('own:gone', 'own:lb_a');
    await clock.pass(5_000);
    expect(servers()).toEqual([[['own:lb_a', '10.0.0.2', 1]]]);
  });

  it('a table that changes while it is read is read again', async () => {
    const { clock, world, servers } = stage();
    world.failing = 1;
    await clock.pass(5_000);
    expect(servers()).toEqual([[['own:lb_a', '10.0.0.2', 1]]]);
    expect(world.reads).toBe(2);
  });

  it('wait for the run that is at work', async () => {
    const { clock, world, sent } = stage();
    world.busy = true;
    await clock.pass(20_000);
    expect(world.reads).toBe(0);
    world.busy = false;
    await clock.pass(500);
    expect(sent).toHaveLength(1);
  });

  it('one at a time, however long it takes', async () => {
    const { clock, world, sent } = stage();
    world.takes = 35_000;
    await clock.pass(100_000);
    expect(world.most).toBe(1);
    expect(sent.length).toBeGreaterThan(1);
  });

  it('one that was not delivered is followed by the next', async () => {
    const { clock, world, outcomes, servers } = stage();
    world.refusal = portolanError('store-unavailable', '', 'no answer');
    await clock.pass(15_000);
    world.refusal = undefined;
    await clock.pass(10_000);
    expect(outcomes).toEqual(['failed', 'failed', 'delivered']);
    expect(servers()).toEqual([[['own:lb_a', '10.0.0.2', 1]]]);
  });

  it('are seldom tried where the control plane does not take them, and not where it speaks an older protocol', async () => {
    const { clock, world, outcomes } = stage();
    world.refusal = portolanError('not-found', '', 'there is no such path');
    await clock.pass(5_000 + 60_000);
    expect(outcomes).toEqual(['refused', 'refused']);
    world.protocol = 3;
    await clock.pass(600_000);
    expect(outcomes).toEqual(['refused', 'refused']);
    expect(world.reads).toBe(2);
  });
});
