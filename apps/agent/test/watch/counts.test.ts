import { describe, expect, it } from 'vitest';
import { watchConnections } from '../../src/watch/connections.js';
import { type HostAnswer, watchHosts } from '../../src/watch/hosts.js';
import { paced } from '../../src/watch/pace.js';
import { fakeClock } from '../fake-clock.js';

describe('hosts', () => {
  it('are unreachable after two questions without an answer, reachable after one with', async () => {
    const clock = fakeClock();
    const answers: HostAnswer[] = [];
    const told: unknown[] = [];
    const hosts = watchHosts({
      clock,
      ask: () => Promise.resolve(answers.shift()),
      every: 1_000,
      onChange: () => told.push(hosts.reachable()),
    });
    answers.push(false, undefined, true, false, true, false, undefined, false, false, true);
    hosts.follow({ n2: '192.0.2.2' });
    await clock.pass(9_500);
    expect(answers).toEqual([]);
    expect(told).toEqual([{ n2: true }, { n2: false }, { n2: true }]);
    hosts.follow({});
    expect(hosts.reachable()).toEqual({});
    expect(clock.timers).toEqual([]);
  });

  it('are known to be gone within two seconds', async () => {
    const clock = fakeClock();
    const hosts = watchHosts({
      clock,
      ask: () => new Promise((resolve) => clock.after(900, () => resolve(false))),
      every: 1_000,
      onChange: () => undefined,
    });
    hosts.follow({ n2: '192.0.2.2' });
    await clock.pass(1_899);
    expect(hosts.reachable()).toEqual({});
    await clock.pass(1);
    expect(hosts.reachable()).toEqual({ n2: false });
    hosts.stop();
    expect(clock.timers).toEqual([]);
  });
});

describe('connections', () => {
  it('matter when the last one goes or a first one is there; what cannot be counted stays', async () => {
    const clock = fakeClock();
    let count: number | undefined;
    const told: [boolean, number | undefined][] = [];
    const connections = watchConnections({
      clock,
      count: () => count,
      every: 250,
      onChange: (matters) => told.push([matters, connections.connections().a]),
    });
    connections.follow(['a']);
    expect(connections.connections()).toEqual({});
    for (const next of [3, 2, 2, undefined, 1, 0, 0, 1]) {
      count = next;
      await clock.pass(250);
    }
    expect(told).toEqual([
      [true, 3],
      [false, 2],
      [false, 1],
      [true, 0],
      [true, 1],
    ]);
    connections.follow([]);
    expect(connections.connections()).toEqual({});
    expect(clock.timers).toEqual([]);
  });
});

describe('pace', () => {
  it('acts soon at first, then five times a second at most, and once a second for what can wait', async () => {
    const clock = fakeClock();
    const begun = clock.now();
    const acts: number[] = [];
    const pace = paced({ clock, act: () => acts.push(clock.now() - begun), gather: 20, urgent: 200, idle: 1_000 });
    pace.ask(false);
    await clock.pass(50);
    expect(acts).toEqual([20]);
    for (let i = 0; i < 95; i += 1) {
      pace.ask(true);
      await clock.pass(10);
    }
    expect(acts).toEqual([20, 220, 420, 620, 820]);
    await clock.pass(1_000);
    acts.length = 0;
    for (let i = 0; i < 300; i += 1) {
      pace.ask(false);
      await clock.pass(10);
    }
    expect(acts).toHaveLength(3);
    // Something urgent does not wait for what can.
    await clock.pass(1_500);
    pace.ask(false);
    await clock.pass(30);
    acts.length = 0;
    const at = clock.now() - begun;
    pace.ask(false);
    pace.ask(true);
    await clock.pass(300);
    expect(acts).toHaveLength(1);
    expect(acts[0]).toBeLessThanOrEqual(at + 200);
    pace.stop();
    expect(clock.timers).toEqual([]);
  });
});
