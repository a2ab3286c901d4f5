import type { KernelEvent, ObserveRequest } from '@portolan/kernel';
import { kernelObject, type NodeState, nodeState } from '@portolan/node-state';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openStage, type Stage, stateWith, until, watching } from './stage.js';

const BRIDGE = 'bridge/own:1-net/br0';
const ours: KernelEvent = { kind: 'route', isGone: true, destination: '10.244.2.0/24', table: 254, protocol: 80 };
const foreign: KernelEvent = { kind: 'route', isGone: true, destination: '10.98.0.0/24', table: 254, protocol: 3 };

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(async () => {
  vi.useRealTimers();
  await stage.dispose();
});

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** An agent that has applied a state and rests. */
async function resting(state: NodeState, times: Parameters<Stage['agent']>[0] = {}): Promise<ReturnType<Stage['agent']>> {
  stage.offer(1, state);
  const agent = stage.agent(times);
  await agent.start();
  await until(() => stage.plane.reports.length > 0, 'a report');
  await pause(320);
  return agent;
}

function withObjects(state: NodeState, ...bodies: readonly Parameters<typeof kernelObject>[1][]): NodeState {
  const { hash: _hash, ...rest } = state;
  return nodeState({ ...rest, objects: [...rest.objects, ...bodies.map((body) => kernelObject('host', body, { computedBy: 'flannel' }))] });
}

describe('changes that others make', () => {
  it('are set right at once, and told and logged with what was found', async () => {
    await resting(stateWith('a'));
    stage.kernel.tamper(BRIDGE, undefined);
    const begun = performance.now();
    stage.tell(ours);
    await until(() => stage.plane.reports.length > 1, 'a report');
    expect(performance.now() - begun).toBeLessThan(1_000);
    expect(stage.lastReport()).toMatchObject({
      status: 'applied',
      steps: [{ action: 'create', key: BRIDGE, reason: expect.stringContaining('missing in the kernel') }],
    });
    expect(stage.entries).toContainEqual({
      message: 'others changed something of ours in the kernel',
      fields: { changes: ['route 10.244.2.0/24, protocol 80: gone'], count: 1 },
    });
    expect(stage.entries).toContainEqual({
      message: 'sync applied: the kernel was not as it had been left',
      fields: expect.objectContaining({
        reasons: [expect.stringMatching(/^(kernel|doubt)$/)],
        steps: 1,
        repaired: 1,
        first: [expect.stringMatching(`^create ${BRIDGE}: missing in the kernel`)],
      }),
    });
    const figures = await stage.metrics.registry.metrics();
    expect(figures).toContain('portolan_agent_kernel_events_total{outcome="ours"} 1');
    expect(figures).toContain('portolan_agent_drift_repaired_total{kind="bridge"} 1');
  });

  it('of which no event tells are set right within a second, by what is doubted alone, and without asking anybody', async () => {
    await resting(stateWith('a'));
    const { observed } = stage.kernel.counts;
    const asked = stage.plane.requests.state;
    stage.plane.mode = 'down';
    stage.kernel.tamper(BRIDGE, 'otherwise');
    await until(() => stage.kernel.objects.get(BRIDGE)?.hash !== 'otherwise', 'the bridge', 1_000);
    expect(stage.kernel.counts.observed).toBe(observed);
    expect(stage.plane.requests.state).toBe(asked);
    stage.plane.mode = 'up';
    await until(() => stage.plane.reports.length > 1, 'the report');
    expect(stage.lastReport()).toMatchObject({
      steps: [{ action: 'replace', key: BRIDGE }],
      drift: { open: [], repaired: [{ key: BRIDGE, kind: 'different' }] },
    });
  });

  it('lead nowhere when they are no business of ours, however many', async () => {
    await resting(stateWith('a'));
    const { observed } = stage.kernel.counts;
    for (let i = 0; i < 1_000; i += 1) stage.tell(foreign);
    await pause(300);
    expect(stage.kernel.counts.observed).toBe(observed);
    expect(await stage.metrics.registry.metrics()).toContain('portolan_agent_kernel_events_total{outcome="foreign"} 1000');
  });

  it('lead to one look a second, though they never end', async () => {
    await resting(stateWith('a'));
    const { observed, partlyObserved } = stage.kernel.counts;
    for (let i = 0; i < 22; i += 1) {
      stage.tell(ours);
      await pause(50);
    }
    expect(stage.kernel.counts.partlyObserved - partlyObserved).toBeGreaterThanOrEqual(2);
    expect(stage.kernel.counts.partlyObserved - partlyObserved).toBeLessThanOrEqual(3);
    expect(stage.kernel.counts.observed).toBe(observed);
    expect(stage.plane.reports).toHaveLength(1);
  });

  it('are not what the agent does itself: it comes to rest', async () => {
    const agent = await resting(stateWith('a'));
    stage.kernel.onBatch = () => {
      stage.tell(ours);
      setTimeout(() => stage.tell(ours), 100);
      return 0;
    };
    stage.kernel.tamper(BRIDGE, undefined);
    await agent.sync();
    const { observed } = stage.kernel.counts;
    await pause(1_300);
    expect(stage.kernel.counts.observed).toBe(observed);
    expect(await stage.metrics.registry.metrics()).toMatch(/kernel_events_total\{outcome="own-work"\} [2-9]/);
  });

  it('are looked for though the state changed at the same time', async () => {
    await resting(stateWith('a'));
    stage.offer(2, stateWith('a', 'b'));
    stage.kernel.tamper(BRIDGE, undefined);
    stage.tell(ours);
    await until(() => stage.lastReport().generation === 2, 'the new state');
    await until(() => stage.plane.reports.some(({ steps }) => steps.some(({ key }) => key === BRIDGE)), 'the bridge');
    // What a new state brings is no drift; what it has as before, and is gone, is.
    expect((await stage.metrics.registry.metrics()).match(/drift_repaired_total\{.*/g)).toEqual(['drift_repaired_total{kind="bridge"} 1']);
  });

  it('are no endpoints that come', async () => {
    await resting(stateWith('a'));
    stage.kernel.setPresence('a', 'absent');
    stage.tell(ours);
    await until(() => stage.lastReport().waiting.length > 0, 'absent');
    await pause(1_000);
    stage.kernel.setPresence('a', 'present');
    stage.tell(ours);
    await until(() => stage.lastReport().endpoints.a === 'present', 'back');
    expect(await stage.metrics.registry.metrics()).not.toContain('drift_repaired_total{');
  });
});

describe('the timer', () => {
  it('is that of the state where it has one', async () => {
    const agent = await resting(watching(stateWith('a'), { everySeconds: 0.2 }), { resync: 60_000 });
    expect(agent.status().resync).toBe(200);
    stage.kernel.tamper(BRIDGE, '0000000000000000');
    await until(() => stage.lastReport().steps.length === 1, 'repaired', 1_000);
    expect(stage.lastReport().steps).toMatchObject([{ action: 'replace', key: BRIDGE }]);
    stage.offer(2, stateWith('a'));
    await agent.sync();
    expect(agent.status().resync).toBe(60_000);
    const { observed } = stage.kernel.counts;
    await pause(500);
    expect(stage.kernel.counts.observed).toBe(observed);
  });

  it('goes on when the time of day jumps, and nothing counts as old or new by it', async () => {
    const agent = await resting(stateWith('a'), { resync: 150, presence: 50, quickPresence: 20 });
    const day = 86_400_000;
    for (const jump of [day, -2 * day]) {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + jump });
      const { observed } = stage.kernel.counts;
      const count = stage.plane.reports.length;
      // Between two timers nothing is looked at, as before.
      await pause(50);
      expect(stage.kernel.counts.observed - observed).toBeLessThanOrEqual(1);
      stage.kernel.tamper(BRIDGE, undefined);
      await until(() => stage.plane.reports.length > count, 'repaired', 1_000);
      const report = stage.lastReport();
      expect(report.steps).toMatchObject([{ key: BRIDGE }]);
      expect(Math.abs(Date.parse(report.startedAt) - Date.now())).toBeLessThan(5_000);
      expect(agent.idleFor()).toBeLessThan(1_000);
      stage.kernel.setPresence('a', 'absent');
      await until(() => stage.lastReport().endpoints.a === 'absent', 'gone', 1_000);
      stage.kernel.setPresence('a', 'present');
      await until(() => stage.lastReport().endpoints.a === 'present', 'back', 1_000);
    }
  });
});

describe('a state', () => {
  it('has its files read back', async () => {
    const requests: ObserveRequest[] = [];
    const { observe } = stage.kernel;
    stage.kernel.observe = (request) => {
      requests.push(request);
      return observe(request);
    };
    await resting(withObjects(stateWith('a'), { kind: 'file', path: '/run/flannel/subnet.env', content: 'FLANNEL_IPMASQ=true\n' }));
    expect(requests.map(({ files }) => files)).toEqual(requests.map(() => ['/run/flannel/subnet.env']));
  });

  it('that balances needs more of the host, which is asked for then', async () => {
    const asked: boolean[] = [];
    stage.kernel.probe = async ({ balances }) => {
      asked.push(balances);
      return { balances: String(balances) };
    };
    const agent = await resting(stateWith('a'));
    await agent.sync();
    stage.offer(2, withObjects(stateWith('a'), { kind: 'virtual-server', mark: 256, scheduler: 'rr' }));
    await agent.sync();
    await agent.sync();
    expect(asked).toEqual([false, true]);
    await until(() => stage.lastReport().facts.balances === 'true', 'told');
  });
});
