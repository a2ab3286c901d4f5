import { kernelObject, type NodeState, nodeState } from '@portolan/node-state';
import type { Report } from '@portolan/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStage, type Stage, stateWith, until, watching } from './stage.js';

const BRIDGE = 'bridge/own:1-net/br0';
const NAMESPACE = 'namespace/own:1-net';
const STRAY = 'route/host/10.9.0.0/24';
const address = (id: string, n: number): string => `address/endpoint:${id}/ov1/10.0.0.${n}`;

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.dispose());

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

type Agent = ReturnType<Stage['agent']>;

async function applied(state: NodeState): Promise<Agent> {
  stage.offer(1, state);
  const agent = stage.agent();
  await agent.start();
  await until(() => stage.plane.reports.length > 0, 'a report');
  return agent;
}

function drift(report: Report = stage.lastReport()): NonNullable<Report['drift']> {
  if (report.drift === undefined) throw new Error('a report without drift');
  return report.drift;
}

const reporting = (state: NodeState): NodeState => watching(state, { driftPolicy: 'report' });

/** Something with our mark that nobody wants. */
function stray(): void {
  const { key, hash, space, body } = kernelObject('host', { kind: 'route', destination: '10.9.0.0/24', link: 'eth0' }, { computedBy: 'gateway' });
  stage.kernel.put({ key, hash, space, kind: body.kind, body });
}

describe('drift', () => {
  it('is told per object with what was expected and found, and as repaired once', async () => {
    const agent = await applied(stateWith('a'));
    expect(drift()).toEqual({ open: [], repaired: [] });
    stage.kernel.tamper(BRIDGE, undefined);
    stage.kernel.tamper(address('a', 2), '0000000000000000');
    stray();
    const before = Date.now();
    await agent.sync();
    await until(() => drift().repaired.length > 0, 'told');
    const { open, repaired } = drift();
    expect(open).toEqual([]);
    expect(repaired.map(({ key, kind, expected, found }) => [key, kind, expected !== undefined, found !== undefined]).sort()).toEqual([
      [address('a', 2), 'different', true, true],
      [BRIDGE, 'missing', true, false],
      [STRAY, 'unexpected', false, true],
    ]);
    for (const { since, repairedAt } of repaired) {
      expect(Date.parse(since)).toBeGreaterThanOrEqual(before - 1);
      expect(Date.parse(repairedAt)).toBeGreaterThanOrEqual(Date.parse(since));
    }
    expect(stage.kernel.objects.has(STRAY)).toBe(false);
    const count = stage.plane.reports.length;
    await agent.sync();
    await until(() => stage.plane.reports.length > count, 'the next report');
    expect(drift()).toEqual({ open: [], repaired: [] });
  });

  it('is told as repaired again until a report with it was delivered', async () => {
    const agent = await applied(stateWith('a'));
    stage.plane.mode = 'down';
    stage.kernel.tamper(BRIDGE, undefined);
    await agent.sync();
    stage.kernel.tamper(BRIDGE, undefined);
    await agent.sync();
    stage.plane.mode = 'up';
    // The report that was on its way, and what came since.
    const told = (): Set<string> => new Set(stage.plane.reports.flatMap((report) => drift(report).repaired.map(({ key, since }) => `${key} ${since}`)));
    await until(() => told().size === 2, 'told');
    const count = stage.plane.reports.length;
    await agent.sync();
    await until(() => stage.plane.reports.length > count, 'the next report');
    expect(drift()).toEqual({ open: [], repaired: [] });
  });

  it('that cannot be repaired stays open since it was first seen, and is told with what fails', async () => {
    const agent = await applied(stateWith('a'));
    stage.kernel.tamper(BRIDGE, undefined);
    stage.kernel.refuses = (key) => (key === BRIDGE ? 'no bridges today' : undefined);
    await agent.sync();
    await until(() => stage.lastReport().status === 'failed', 'failed');
    const [first] = drift().open;
    expect(first).toMatchObject({ key: BRIDGE, kind: 'missing' });
    expect(stage.lastReport().errors).toMatchObject([
      { key: BRIDGE, code: 'apply-failed', command: { command: 'fake ip', exitCode: 1, stderr: 'no bridges today\n' } },
    ]);
    await pause(30);
    await agent.sync();
    expect(drift().open).toEqual([first]);
    stage.kernel.refuses = () => undefined;
    await agent.sync();
    await until(() => drift().open.length === 0, 'repaired');
    expect(stage.plane.reports.flatMap((report) => drift(report).repaired)).toMatchObject([{ key: BRIDGE, since: first?.since }]);
  });

  it('is told before it is repaired, when that takes long', async () => {
    const agent = await applied(stateWith('a'));
    stage.kernel.tamper(BRIDGE, undefined);
    const { apply } = stage.kernel;
    stage.kernel.apply = async (batches) => {
      await pause(450);
      return apply(batches);
    };
    const count = stage.plane.reports.length;
    const running = agent.sync();
    await until(() => stage.plane.reports.length > count, 'told early');
    expect(drift()).toMatchObject({ open: [{ key: BRIDGE }], repaired: [] });
    await running;
    await until(() => drift().repaired.length === 1, 'repaired');
    expect(drift().open).toEqual([]);
  });

  it('is told by an agent that was started anew', async () => {
    await (await applied(stateWith('a'))).stop();
    stage.kernel.tamper(BRIDGE, undefined);
    await stage.agent().start();
    await until(() => drift().repaired.length > 0, 'told');
    expect(drift().repaired).toMatchObject([{ key: BRIDGE, kind: 'missing' }]);
  });

  it('is neither what a new state brings nor what a failed one left', async () => {
    const agent = await applied(stateWith('a'));
    stage.kernel.refuses = (key) => (key === address('b', 3) ? 'no' : undefined);
    stage.offer(2, stateWith('a', 'b'));
    await agent.sync();
    stage.kernel.refuses = () => undefined;
    stage.offer(3, stateWith('a'));
    await agent.sync();
    await until(() => stage.lastReport().generation === 3, 'applied');
    expect(stage.plane.reports.flatMap((report) => [...drift(report).open, ...drift(report).repaired])).toEqual([]);
  });

  it('is not what comes and goes with an endpoint, though nobody looked in between', async () => {
    const agent = await applied(stateWith('a'));
    stage.kernel.setPresence('a', 'absent');
    stage.kernel.setPresence('a', 'present');
    await agent.sync();
    expect(stage.lastReport().steps.length).toBeGreaterThan(0);
    expect(stage.plane.reports.flatMap((report) => [...drift(report).open, ...drift(report).repaired])).toEqual([]);
  });

  it('is a foreign rule before ours, as long as it is there', async () => {
    const agent = await applied(stateWith('a'));
    const text = '-A FORWARD -s 192.0.2.0/24 -j DROP';
    stage.kernel.obstruct('host', 'filter/FORWARD', text);
    await agent.sync();
    await until(() => drift().open.length > 0, 'told');
    expect(stage.lastReport()).toMatchObject({ status: 'applied', steps: [], errors: [] });
    expect(drift().open).toMatchObject([{ key: 'obstructed/host/filter/FORWARD', kind: 'obstructed', found: text }]);
    stage.kernel.obstruct('host', 'filter/FORWARD', undefined);
    await agent.sync();
    await until(() => drift().open.length === 0, 'gone');
    expect(drift().repaired).toMatchObject([{ key: 'obstructed/host/filter/FORWARD' }]);
  });
});

describe('where drift is only reported', () => {
  it('it is left, told with the status applied, and mended at once when that changes', async () => {
    const agent = await applied(reporting(stateWith('a')));
    stage.kernel.tamper(BRIDGE, '0000000000000000');
    stage.kernel.tamper(address('a', 2), undefined);
    stray();
    await agent.sync();
    await until(() => drift().open.length === 3, 'told');
    expect(stage.lastReport()).toMatchObject({ status: 'applied', steps: [], errors: [] });
    expect(stage.kernel.objects.get(BRIDGE)?.hash).toBe('0000000000000000');
    const { batches } = stage.kernel.counts;
    await agent.sync();
    expect(stage.kernel.counts.batches).toBe(batches);
    expect(stage.logged.filter((line) => line.includes('stays so'))).toHaveLength(1);

    stage.offer(2, stateWith('a'));
    await agent.sync();
    await until(() => stage.lastReport().generation === 2, 'applied');
    expect(drift().open).toEqual([]);
    expect(stage.kernel.objects.get(BRIDGE)?.hash).not.toBe('0000000000000000');
    expect(stage.kernel.objects.has(STRAY)).toBe(false);
  });

  it('changes of the state are made, with what they need and nothing else', async () => {
    const agent = await applied(reporting(stateWith('a')));
    for (const key of [NAMESPACE, BRIDGE, 'veth/own:1-net/vetha', address('a', 2)]) stage.kernel.tamper(key, undefined);
    await agent.sync();
    await until(() => drift().open.length === 4, 'told');
    expect(stage.kernel.objects.size).toBe(0);
    stage.offer(2, reporting(stateWith('a', 'b')));
    await agent.sync();
    await until(() => stage.lastReport().generation === 2, 'applied');
    expect(stage.lastReport().status).toBe('applied');
    expect([...stage.kernel.objects.keys()].sort()).toEqual([address('b', 3), BRIDGE, NAMESPACE, 'veth/own:1-net/vethb'].sort());
    expect(drift().open.map(({ key }) => key)).toEqual(['veth/own:1-net/vetha', address('a', 2)]);
  });

  it('an agent that is started anew leaves it, too', async () => {
    await (await applied(reporting(stateWith('a')))).stop();
    stage.kernel.tamper(BRIDGE, '0000000000000000');
    stage.kernel.tamper(address('a', 2), undefined);
    const count = stage.plane.reports.length;
    await stage.agent().start();
    await until(() => stage.plane.reports.length > count, 'a report');
    expect(stage.lastReport()).toMatchObject({ status: 'applied', steps: [] });
    expect(drift().open.map(({ key, kind }) => [key, kind])).toEqual([
      [BRIDGE, 'different'],
      [address('a', 2), 'missing'],
    ]);
  });

  it('what is wanted otherwise is changed, although somebody else changed it', async () => {
    const agent = await applied(reporting(stateWith('a')));
    stage.kernel.tamper(BRIDGE, '0000000000000000');
    const { hash: _hash, ...rest } = reporting(stateWith('a'));
    const wider = nodeState({
      ...rest,
      objects: rest.objects.map((object) =>
        object.key === BRIDGE ? kernelObject('own:1-net', { kind: 'bridge', name: 'br0', mtu: 9000 }, object.origin) : object,
      ),
    });
    stage.offer(2, wider);
    await agent.sync();
    await until(() => stage.lastReport().generation === 2, 'applied');
    expect(stage.kernel.objects.get(BRIDGE)?.hash).toBe(wider.objects.find(({ key }) => key === BRIDGE)?.hash);
    expect(drift().open).toEqual([]);
  });
});
