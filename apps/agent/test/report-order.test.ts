import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStage, type Stage, stateWith, until } from './stage.js';

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
  stage.offer(1, stateWith('a'));
});
afterEach(() => stage.dispose());

/** Starts an agent, and ends it when it has reported once more. Gives the order of its last report. */
async function startOnce() {
  const before = stage.plane.reports.length;
  const agent = stage.agent();
  await agent.start();
  await until(() => stage.plane.reports.length > before, 'a report of this start');
  await agent.stop();
  return stage.lastReport().order;
}

describe('the order of reports', () => {
  it('grows within a start, and from one start to the next', async () => {
    const now = Date.now();
    const agent = stage.agent();
    await agent.start();
    for (let i = 0; i < 3; i++) await agent.sync();
    await until(() => stage.plane.reports.length >= 3, 'three reports');
    const orders = stage.plane.reports.map(({ order }) => order);
    const [first] = orders;
    expect(first?.start).toBeGreaterThanOrEqual(now);
    expect(orders).toEqual(orders.map((_, i) => ({ start: first?.start, count: i + 1 })));
    await agent.stop();
    const next = await startOnce();
    expect(next?.start).toBeGreaterThan(first?.start ?? Number.POSITIVE_INFINITY);
  });

  it('goes on after the latest that the control plane holds, where disk or clock were lost', async () => {
    const start = Date.now() + 86_400_000;
    stage.plane.latest = { start, count: 50 };
    const first = await startOnce();
    expect(first?.start).toBe(start + 1);
    expect(stage.logged.filter((line) => line.includes('holds a later report'))).toHaveLength(1);
    const second = await startOnce();
    expect(second?.start).toBeGreaterThan(start + 1);
  });
});
