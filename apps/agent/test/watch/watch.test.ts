import type { Underlay } from '@portolan/kernel';
import { kernelObject, nothingToWatch } from '@portolan/node-state';
import { noSignals, type Report } from '@portolan/protocol';
import { describe, expect, it } from 'vitest';
import type { RelayCounters } from '../../src/relay/counters.js';
import { reportOf } from '../../src/report.js';
import { teller } from '../../src/telling.js';
import { watchNode } from '../../src/watch/watch.js';
import { fakeClock } from '../fake-clock.js';
import { stateWith } from '../stage.js';

const zero: RelayCounters = { sent: 0, received: 0, sentBytes: 0, receivedBytes: 0, dropped: {}, queued: 0 };
const relay = kernelObject(
  'host',
  { kind: 'udp-relay', name: 'flannel0', mtu: 1472, local: '172.16.130.140', port: 8285, address: '10.244.1.0' },
  { computedBy: 'flannel' },
);

/** The signals of a node, told of as the agent does, with time in hand. */
function stage() {
  const clock = fakeClock();
  const sent: { readonly at: number; readonly report: Report }[] = [];
  const seen = {
    underlay: { link: 'eth0', mtu: 1500, onLink: ['172.16.130.0/24'] } as Underlay,
    counters: zero as RelayCounters | undefined,
    reads: 0,
    matters: 0,
  };
  const watch = watchNode({
    sight: {
      dial: () => {
        throw new Error('no sockets in this test');
      },
      establishedConnections: () => 0,
      serverCounters: () => [],
      underlay: () => seen.underlay,
      relay: async () => {
        seen.reads += 1;
        return seen.counters;
      },
    },
    clock,
    pathOf: (space) => `/${space}`,
    isAbsent: () => false,
    onOutcome: () => undefined,
    onChange: (matters) => {
      if (matters) seen.matters += 1;
      telling.changed(matters);
    },
    onCounted: () => telling.counted(),
  });
  const started = clock.now();
  const telling = teller({
    reports: { submit: (report) => sent.push({ at: clock.now() - started, report }) },
    clock,
    signals: () => watch.signals(),
    drift: () => ({ open: [], repaired: [] }),
    isWanted: () => true,
    onRepeated: () => undefined,
  });
  const desired = { protocol: 3, nodeId: 'n1', generation: 1, revision: 1, state: stateWith() };
  const run = { agentVersion: '0', jobId: undefined, startedAt: 0, finishedAt: 0, facts: {}, endpoints: {} };
  const report = (): void => {
    telling.ran(reportOf(desired, {}, [], [], run), { begun: telling.begin(), sawKernel: true, isDue: false });
  };
  return { clock, watch, seen, sent, report, last: () => sent.at(-1)?.report.signals ?? noSignals };
}

describe('the underlay', () => {
  it('is looked at every other second, and told of when it changes', async () => {
    const { clock, watch, seen, sent, report, last } = stage();
    watch.measure('172.16.130.140');
    report();
    expect(last()).toMatchObject({ underlayMtu: 1500, underlayLink: 'eth0', onLink: ['172.16.130.0/24'] });
    await clock.pass(10_000);
    expect(sent).toHaveLength(1);
    seen.underlay = { link: 'eth1', mtu: 1500, onLink: ['172.16.130.0/24'] };
    await clock.pass(2_100);
    expect(last()).toMatchObject({ underlayLink: 'eth1' });
    seen.underlay = { link: 'eth1', mtu: 1500, onLink: ['10.0.0.0/8', '172.16.130.0/24'] };
    await clock.pass(2_100);
    expect(last()).toMatchObject({ onLink: ['10.0.0.0/8', '172.16.130.0/24'] });
    expect(watch.underlayLink()).toBe('eth1');
    expect(sent).toHaveLength(3);
    expect(seen.matters).toBe(3);
    watch.stop();
    expect(clock.timers).toEqual([]);
  });

  it('that is down keeps its name and subnets, for the ways of other hosts to this one stay', async () => {
    const { clock, watch, seen, report, last } = stage();
    watch.measure('172.16.130.140');
    report();
    seen.underlay = { link: undefined, mtu: undefined, onLink: [] };
    await clock.pass(5_000);
    expect(last()).toMatchObject({ underlayLink: 'eth0', onLink: ['172.16.130.0/24'] });
    expect(last().underlayMtu).toBeUndefined();
    // Of another address nothing is known.
    watch.measure('198.51.100.1');
    await clock.pass(2_000);
    expect(last().underlayLink).toBeUndefined();
  });
});

describe('counters of the relay', () => {
  it('are asked for where the state has one, and make a report every ten seconds at most', async () => {
    const { clock, watch, seen, sent, report, last } = stage();
    watch.follow({ watch: nothingToWatch, objects: [] });
    await clock.pass(60_000);
    expect(seen.reads).toBe(0);
    watch.follow({ watch: nothingToWatch, objects: [relay] });
    await clock.pass(0);
    report();
    expect(last().relay).toEqual(zero);
    await clock.pass(30_000);
    expect(sent).toHaveLength(1);
    const counting = clock.now();
    for (let i = 1; i <= 40; i += 1) {
      seen.counters = { ...zero, sent: i };
      // Runs that find nothing to do tell nothing, though counters moved.
      report();
      await clock.pass(1_000);
    }
    expect(sent.length).toBeLessThanOrEqual(5);
    expect(sent.length).toBeGreaterThanOrEqual(4);
    expect(last().relay?.sent).toBeGreaterThanOrEqual(30);
    expect(clock.now() - counting).toBe(40_000);
    seen.counters = undefined;
    await clock.pass(10_000);
    expect(last().relay).toBeUndefined();
    const { reads } = seen;
    watch.follow({ watch: nothingToWatch, objects: [] });
    await clock.pass(60_000);
    expect(seen.reads).toBe(reads);
  });
});
