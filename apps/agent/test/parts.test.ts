import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noSignals, PROTOCOL_VERSION } from '@portolan/protocol';
import { describe, expect, it } from 'vitest';
import { backOff, type Clock, systemClock } from '../src/clock.js';
import { readSettings } from '../src/config.js';
import { serveHealth } from '../src/health.js';
import { emptyLedger, ledgerFile } from '../src/ledger.js';
import { agentMetrics } from '../src/metrics.js';
import { singleFlight } from '../src/single-flight.js';
import { openStage, stateWith, until } from './stage.js';

describe('settings', () => {
  it('come from flags before the environment before their defaults', () => {
    const settings = readSettings(['--node', 'flag', 'purge'], {
      PORTOLAN_NODE: 'variable',
      PORTOLAN_CLUSTER: 'c',
      ETCD_ENDPOINTS: 'http://a:1,http://b:2',
      PORTOLAN_AGENT_LISTEN: '[::1]:9470',
    });
    expect(settings).toMatchObject({
      command: 'purge',
      node: 'flag',
      cluster: 'c',
      etcdEndpoints: ['http://a:1', 'http://b:2'],
      listen: { host: '::1', port: 9470 },
      runDirectory: '/run/portolan',
      fileRoot: '/',
      resync: 30_000,
      redisUrl: undefined,
    });
  });

  it('are refused with all that is wrong', () => {
    expect(() => readSettings(['--url', 'ftp://x'], { REDIS_URL: 'http://x' })).toThrow(
      expect.objectContaining({ problems: [expect.objectContaining({ path: '/url' }), expect.objectContaining({ path: '/redis' })] }),
    );
    expect(readSettings([], { PORTOLAN_FILE_ROOT: '/srv/a' }).fileRoot).toBe('/srv/a');
    expect(() => readSettings(['--file-root', 'here'], {})).toThrow('"here" is no absolute path');
    expect(() => readSettings(['fly'], {})).toThrow('"fly" is no command');
    expect(() => readSettings(['--nonsense'], {})).toThrow(expect.objectContaining({ code: 'unknown-field' }));
  });
});

describe('ledger', () => {
  it('gives back what was written, and is empty when nothing was', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-ledger-'));
    try {
      const damaged: unknown[] = [];
      const file = ledgerFile(join(folder, 'deep', 'ledger.json'), (error) => damaged.push(error));
      expect(await file.read()).toEqual(emptyLedger);
      const ledger = {
        desired: { protocol: PROTOCOL_VERSION, nodeId: 'n1', generation: 2, revision: 3, state: stateWith('a') },
        applied: { generation: 1, revision: 2, hashes: { 'namespace/own:1-net': 'a' } },
        retiring: stateWith('b').endpoints,
        start: 1_800_000_000_000,
      };
      await file.write(ledger);
      expect(await file.read()).toEqual(ledger);
      expect(readdirSync(join(folder, 'deep'))).toEqual(['ledger.json']);
      // A state that is not that of its hash.
      writeFileSync(
        join(folder, 'deep', 'ledger.json'),
        JSON.stringify({ format: 1, ...ledger, desired: { ...ledger.desired, state: { ...ledger.desired.state, hash: 'other' } } }),
      );
      expect(await file.read()).toEqual(emptyLedger);
      expect(damaged).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('singleFlight', () => {
  it('runs one at a time and answers a poke with the run that begins after it', async () => {
    const begun: string[][] = [];
    let inFlight = 0;
    let finish: () => void = () => undefined;
    const flight = singleFlight(
      async ({ reasons }) => {
        inFlight += 1;
        expect(inFlight).toBe(1);
        begun.push([...reasons]);
        await new Promise<void>((resolve) => (finish = resolve));
        inFlight -= 1;
        return begun.length !== 2;
      },
      () => 60_000,
      systemClock,
      () => 60_000,
    );
    const first = flight.poke('start');
    const second = flight.poke('job');
    const third = flight.poke('job');
    finish();
    expect(await first).toBe(true);
    await until(() => begun.length === 2, 'second run');
    finish();
    expect(await Promise.all([second, third])).toEqual([false, false]);
    expect(begun).toEqual([['start'], ['job']]);
    await flight.stop();
    expect(await flight.poke('late')).toBe(false);
  });

  it('waits longer after each failure in a row, and the resync time after a success', async () => {
    const waits: number[] = [];
    let fire: () => void = () => undefined;
    const clock: Clock = {
      now: () => 0,
      today: () => 0,
      random: () => 0.5,
      after: (milliseconds, then) => {
        waits.push(milliseconds);
        fire = then;
        return () => undefined;
      },
    };
    const answers = [false, false, false, true, true];
    const flight = singleFlight(
      () => Promise.resolve(answers.shift() ?? true),
      () => 30_000,
      clock,
      (failures) => backOff(failures, 1_000, 30_000, clock.random()),
    );
    await flight.poke('start');
    for (let i = 0; i < 4; i += 1) {
      await until(() => waits.length === i + 1, 'scheduled');
      fire();
    }
    await until(() => waits.length === 5, 'scheduled');
    expect(waits).toEqual([1_000, 2_000, 4_000, 30_000, 30_000]);
    await flight.stop();
  });

  it('never waits longer than the last delay', () => {
    expect(backOff(40, 1_000, 30_000, 0.5)).toBe(30_000);
    expect(backOff(40, 1_000, 30_000, 1)).toBeLessThanOrEqual(37_500);
  });
});

describe('health', () => {
  it('is well while runs end, and gives figures', async () => {
    const stage = await openStage();
    const metrics = agentMetrics();
    stage.offer(1, stateWith('a'));
    const agent = stage.agent();
    let passed = 0;
    const health = await serveHealth({
      agent: { status: agent.status, idleFor: () => agent.idleFor() + passed },
      metrics,
      patience: 4,
      host: '127.0.0.1',
      port: 0,
    });
    try {
      await agent.start();
      await until(() => agent.status().status === 'applied', 'applied');
      const url = `http://127.0.0.1:${health.port}`;
      const well = await fetch(`${url}/healthz`);
      expect(well.status).toBe(200);
      expect(await well.json()).toMatchObject({ ok: true, generation: 1, status: 'applied', resync: 60_000 });
      metrics.syncEnded('applied', 0.1);
      const text = await (await fetch(`${url}/metrics`)).text();
      for (const name of ['syncs_total{outcome="applied"} 1', 'commands_total', 'applied_revision', 'foreign_objects'])
        expect(text).toContain(`portolan_agent_${name}`);
      passed = 220_000;
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      passed = 241_000;
      expect((await fetch(`${url}/healthz`)).status).toBe(503);
    } finally {
      await health.close();
      await stage.dispose();
    }
  });
});

describe('figures', () => {
  it('of the relay are what it counted itself, and none where there is none', async () => {
    const metrics = agentMetrics();
    const relay = { sent: 7, received: 5, sentBytes: 700, receivedBytes: 500, dropped: { ttl: 2 }, queued: 42 };
    metrics.signalsSeen({ ...noSignals, relay });
    metrics.signalsSeen({ ...noSignals, relay: { ...relay, sent: 8 } });
    const text = await metrics.registry.metrics();
    for (const line of [
      'packets_total{direction="sent"} 8',
      'packets_total{direction="received"} 5',
      'bytes_total{direction="sent"} 700',
      'bytes_total{direction="received"} 500',
      'dropped_total{reason="ttl"} 2',
      'queued_bytes 42',
    ])
      expect(text).toContain(`portolan_agent_relay_${line}\n`);
    metrics.signalsSeen(noSignals);
    expect(await metrics.registry.metrics()).not.toMatch(/relay_(packets|bytes|dropped)_total\{/);
  });
});
