import type { HealthProbe } from '@portolan/node-state';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProbeOutcome } from '../../src/watch/ask.js';
import { watchProbes } from '../../src/watch/probes.js';
import { fakeClock } from '../fake-clock.js';

const probe: HealthProbe = {
  space: 'own:lb_net',
  address: '10.0.0.2',
  kind: 'tcp',
  port: 80,
  path: '',
  intervalMs: 1_000,
  timeoutMs: 500,
  failures: 2,
  successes: 2,
};

/** Probes whose outcomes a test decides. */
function stage(random?: () => number) {
  const clock = fakeClock(random);
  const outcomes: Record<string, ProbeOutcome> = {};
  const asked: { readonly address: string; readonly at: number }[] = [];
  let changes = 0;
  const probes = watchProbes({
    clock,
    ask: ({ address }) => {
      asked.push({ address, at: clock.now() });
      return Promise.resolve(outcomes[address] ?? 'success');
    },
    onOutcome: () => undefined,
    onChange: () => {
      changes += 1;
    },
  });
  return { clock, outcomes, asked, probes, changes: () => changes };
}

/** What the model says of one endpoint after these outcomes. */
function expectedHealth(outcomes: readonly ProbeOutcome[], failures: number, successes: number): 'healthy' | 'unhealthy' | undefined {
  const heard = outcomes.filter((outcome) => outcome !== 'not-tried').map((outcome) => outcome === 'success');
  let health: 'healthy' | 'unhealthy' | undefined;
  for (let end = 1; end <= heard.length; end += 1) {
    const last = (count: number): readonly boolean[] => heard.slice(Math.max(0, end - count), end);
    const isNew = health === undefined;
    if (heard[end - 1] === true && (isNew || (end >= successes && last(successes).every(Boolean)))) health = 'healthy';
    else if (end >= failures && last(failures).every((success) => !success)) health = 'unhealthy';
  }
  return health;
}

describe('probes', () => {
  it('take so many failures and successes in a row as the check says, and one success of a new endpoint', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom<ProbeOutcome>('success', 'failure', 'timeout', 'not-tried'), { maxLength: 30 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        async (outcomes, failures, successes) => {
          const clock = fakeClock();
          const left = [...outcomes];
          const told: (string | undefined)[] = [];
          const probes = watchProbes({
            clock,
            ask: () => Promise.resolve(left.shift() ?? 'not-tried'),
            onOutcome: () => undefined,
            onChange: () => told.push(probes.health().a),
          });
          probes.follow({ a: { ...probe, failures, successes } });
          await clock.pass(1_000 * (outcomes.length + 2));
          expect(left).toEqual([]);
          expect(probes.health().a).toBe(expectedHealth(outcomes, failures, successes));
          // Each time it is told, it is another one.
          expect(told.every((health, i) => health !== told[i - 1])).toBe(true);
          probes.stop();
          expect(clock.timers).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('keep their history over generations while they ask the same, and begin anew when they do not', async () => {
    const { clock, outcomes, probes, asked } = stage();
    outcomes['10.0.0.2'] = 'failure';
    probes.follow({ a: probe });
    await clock.pass(600);
    expect(probes.health()).toEqual({});
    // Another threshold and interval, the same question: the first failure counts.
    probes.follow({ a: { ...probe, intervalMs: 2_000 } });
    await clock.pass(1_100);
    expect(probes.health()).toEqual({ a: 'unhealthy' });
    expect(asked).toHaveLength(2);
    probes.follow({ a: { ...probe, port: 81 } });
    expect(probes.health()).toEqual({});
    await clock.pass(1_000);
    expect(probes.health()).toEqual({});
    probes.follow({});
    await clock.pass(5_000);
    expect(asked).toHaveLength(3);
  });

  it('of a namespace that went or was replaced are unhealthy until the first success, and a probe under way counts for nothing', async () => {
    const clock = fakeClock();
    let answer: (outcome: ProbeOutcome) => void = () => undefined;
    const probes = watchProbes({ clock, ask: () => new Promise((resolve) => (answer = resolve)), onOutcome: () => undefined, onChange: () => undefined });
    probes.follow({ a: probe });
    await clock.pass(500);
    answer('success');
    await clock.pass(1_000);
    expect(probes.health()).toEqual({ a: 'healthy' });
    // The next one is under way, to the old container.
    probes.lost('a');
    probes.lost('b');
    expect(probes.health()).toEqual({ a: 'unhealthy' });
    answer('success');
    await clock.pass(1_000);
    expect(probes.health()).toEqual({ a: 'unhealthy' });
    answer('success');
    await clock.pass(0);
    expect(probes.health()).toEqual({ a: 'healthy' });
  });

  it('are spread over their interval, a thousand of them', async () => {
    let seed = 1;
    const { clock, asked, probes } = stage(() => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    });
    probes.follow(Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`e${i}`, { ...probe, address: `10.0.${i >> 8}.${i & 255}` }])));
    expect(clock.timers).toHaveLength(1_000);
    await clock.pass(4_000);
    const begun = asked[0]?.at ?? 0;
    const perTenth = Array.from({ length: 30 }, (_, i) => asked.filter(({ at }) => Math.floor((at - begun) / 100) === i).length);
    expect(Math.max(...perTenth)).toBeLessThan(160);
    expect(Math.min(...perTenth)).toBeGreaterThan(40);
    expect(Object.keys(probes.health())).toHaveLength(1_000);
    probes.stop();
    expect(clock.timers).toEqual([]);
  });
});
