import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type NodeState, nodeState } from '@portolan/node-state';
import type { DesiredState, Report } from '@portolan/protocol';
import { Compile } from 'typebox/compile';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closed, ReportSchemaV3 } from '../../../packages/protocol/test/v3/wire.js';
import { httpControlPlane } from '../src/control-plane.js';
import { openStage, type Stage, until } from './stage.js';

const { state: recorded } = JSON.parse(readFileSync(new URL('../../../packages/protocol/test/v3/state.json', import.meta.url), 'utf8')) as DesiredState;
const v3 = Compile(closed(ReportSchemaV3));

/** The recorded state without the last so many objects. */
function without(objects: number): NodeState {
  const { hash: _hash, ...rest } = recorded;
  return nodeState({ ...rest, objects: rest.objects.slice(0, rest.objects.length - objects) });
}

describe('an agent and a control plane of the release before', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage();
    stage.plane.speaks = 3;
  });
  afterEach(() => stage.dispose());

  async function applied(generation: number): Promise<Report> {
    const find = () => stage.plane.reports.find((report) => report.generation === generation && report.status === 'applied');
    await until(() => find() !== undefined, `generation ${generation}`);
    return find() ?? stage.lastReport();
  }

  it('work together: its states are applied, and it is told what it knows', async () => {
    stage.kernel.onBatch = () => 2;
    stage.offer(1, recorded);
    const agent = stage.agent();
    await agent.start();
    await until(() => stage.plane.reports.some(({ status }) => status === 'failed'), 'a failed run');
    stage.kernel.onBatch = () => 0;
    await applied(1);
    expect([...stage.kernel.objects.keys()].sort()).toEqual(recorded.objects.map(({ key }) => key).sort());
    // Drift is mended, and told in no words that it would refuse.
    stage.kernel.tamper(recorded.objects.at(-1)?.key ?? '', undefined);
    expect(await agent.sync()).toBe(true);
    stage.offer(2, without(1));
    await stage.publish(2);
    await applied(2);
    expect(stage.plane.reports.length).toBeGreaterThanOrEqual(4);
    for (const report of stage.plane.reports) {
      expect(report.protocol).toBe(3);
      expect(v3.Errors(report)).toEqual([]);
    }
    expect(stage.logged.filter((line) => line.includes('refused'))).toEqual([]);
  });

  it('go over to the newest version as soon as it has it, and back', async () => {
    stage.offer(1, recorded);
    const agent = stage.agent();
    await agent.start();
    await applied(1);
    // The state is the same, so the answer is 304, and only its header tells.
    stage.plane.speaks = 4;
    await agent.sync();
    await until(() => stage.lastReport().protocol === 4, 'a report of protocol 4');
    expect(stage.plane.requests.notModified).toBe(1);
    stage.plane.speaks = 3;
    await agent.sync();
    await until(() => stage.lastReport().protocol === 3, 'a report of protocol 3');
    expect(stage.plane.requests.notModified).toBe(2);
  });

  it('readings of traffic go to a control plane that may know of them, and one that does not know is left alone; reports go on', async () => {
    stage.plane.counts = false;
    stage.sight.serverCounters = () => [
      { mark: 256, address: '10.0.0.2', connections: 1, active: 0, inactive: 1, inPackets: 5, outPackets: 4, inBytes: 300, outBytes: 900 },
    ];
    expect(recorded.objects.some(({ body }) => body.kind === 'virtual-server')).toBe(true);
    stage.offer(1, recorded);
    const agent = stage.agent({ traffic: 50 });
    await agent.start();
    await applied(1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(stage.plane.requests.traffic).toBe(0);
    // Of protocol 4, but without this path.
    stage.plane.speaks = 4;
    await agent.sync();
    await until(() => stage.plane.requests.traffic === 1, 'a reading that is refused');
    stage.plane.mode = 'refuse';
    await until(() => stage.plane.requests.traffic === 2, 'another');
    stage.plane.mode = 'up';
    stage.plane.counts = true;
    await until(() => stage.plane.readings.length === 1, 'a reading that is taken');
    expect(stage.plane.readings[0]).toMatchObject({
      protocol: 4,
      servers: expect.arrayContaining([expect.objectContaining({ address: '10.0.0.2', connections: 1 })]),
    });
    expect(await agent.sync()).toBe(true);
    await until(() => stage.lastReport().protocol === 4, 'a report of protocol 4');
  });

  it('go on together after a restart of the agent, before it has asked', async () => {
    stage.offer(1, recorded);
    const first = stage.agent();
    await first.start();
    await applied(1);
    await first.stop();
    const before = stage.plane.reports.length;
    await stage.agent().start();
    await until(() => stage.plane.reports.length > before, 'a report');
    expect(stage.lastReport().protocol).toBe(3);
  });
});

describe('an agent and a control plane that have no version in common', () => {
  it('keep the data path as it is, and say so', async () => {
    const stage = await openStage();
    try {
      stage.offer(1, recorded);
      const agent = stage.agent();
      await agent.start();
      await until(() => stage.plane.reports.length > 0, 'a report');
      stage.plane.speaks = 5;
      stage.plane.offer(2, without(1));
      expect(await agent.sync()).toBe(false);
      expect(agent.status()).toMatchObject({ generation: 1, status: 'applied' });
      expect(stage.kernel.objects.size).toBe(recorded.objects.length);
      const [entry] = stage.entries.filter(({ message }) => message.startsWith('no usable state'));
      expect(entry?.fields).toMatchObject({ err: { code: 'protocol-unsupported', message: expect.stringContaining('version 5') } });
    } finally {
      await stage.dispose();
    }
  });

  it('the answer 426 is told as what it is', async () => {
    const server = createServer((_request, response) => response.writeHead(426).end('{"detail":"release 0.9.0, 5 to 6"}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const asked = httpControlPlane({ url, cluster: 'lab', node: 'node1' }).fetchState(undefined);
      await expect(asked).rejects.toMatchObject({ code: 'protocol-unsupported', message: expect.stringContaining('release 0.9.0') });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
