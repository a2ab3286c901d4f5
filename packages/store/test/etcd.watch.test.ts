import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningServer, startEtcd } from '@portolan/harness';
import { type Etcd3, Range } from 'etcd3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectEtcd } from '../src/etcd/client.js';
import { openCoordination } from '../src/etcd/index.js';
import { followKeys, textOf } from '../src/etcd/watch.js';
import { watchOutage } from '../src/outage.js';
import type { Coordination } from '../src/ports.js';

let server: RunningServer;
let directory: string;
let coordination: Coordination;
let warnings: string[];
let notes: string[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'portolan-etcd-'));
  server = await startEtcd({ directory, durable: false });
  warnings = [];
  notes = [];
  const log = { warn: (_: object, message: string) => void warnings.push(message), info: (_: object, message: string) => void notes.push(message) };
  coordination = openCoordination({ endpoints: [server.url], log });
});
afterEach(async () => {
  await coordination.close();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Revisions as they are seen from now on. */
async function watched(): Promise<number[]> {
  const seen: number[] = [];
  await coordination.watchRevision('c', (revision) => seen.push(revision));
  return seen;
}

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Follows a key of ten versions, the last '1', where `between` happens after the list and before the first watch. */
async function followedWith(between: (etcd: Etcd3) => Promise<void>): Promise<{ etcd: Etcd3; seen: (string | undefined)[] }> {
  const etcd = connectEtcd([server.url]);
  for (let version = 0; version < 10; version += 1) await etcd.put('key').value('1');
  const watch = etcd.watchClient.watch.bind(etcd.watchClient);
  const spy = vi.spyOn(etcd.watchClient, 'watch').mockImplementationOnce(async () => {
    await between(etcd);
    return watch();
  });
  const seen: (string | undefined)[] = [];
  const following = followKeys(etcd, new Range('key'), watchOutage('etcd', undefined), {
    read: textOf,
    onState: (values) => void seen.push(values.get('key')),
  });
  closing.push(async () => {
    await following.stop();
    etcd.close();
  });
  await following.begun;
  expect(seen).toEqual(['1']);
  await vi.waitFor(() => expect(spy.mock.calls.length).toBeGreaterThan(1), { timeout: 5_000 });
  return { etcd, seen };
}

describe('watches over etcd', () => {
  it('see what was written while the server was killed and restarted, time and again', async () => {
    const seen = await watched();
    for (let round = 1; round <= 3; round += 1) {
      await coordination.publishRevision('c', round);
      await vi.waitFor(() => expect(seen.at(-1)).toBe(round), { timeout: 5_000 });
      await server.kill('SIGKILL');
      await expect(coordination.publishRevision('c', round + 1)).rejects.toMatchObject({ code: 'store-unavailable' });
      await server.restart();
      await vi.waitFor(() => coordination.publishRevision('c', round + 1), { timeout: 5_000 });
      await vi.waitFor(() => expect(seen.at(-1)).toBe(round + 1), { timeout: 5_000 });
    }
    expect(seen).toEqual([1, 2, 3, 4]);
    // A line at the beginning and at the end of each outage, however many calls failed in it.
    await vi.waitFor(() => expect([warnings.length, notes.length]).toEqual([3, 3]));
  });

  it('go on when the history behind the list was compacted away before the watch began', async () => {
    const { etcd, seen } = await followedWith(async (raw) => {
      for (let revision = 2; revision <= 5; revision += 1) await raw.put('key').value(String(revision));
      const { header } = await raw.get('key').exec();
      await raw.kv.compact({ revision: header.revision, physical: true });
    });
    await vi.waitFor(() => expect(seen.at(-1)).toBe('5'), { timeout: 5_000 });
    await etcd.put('key').value('6');
    await vi.waitFor(() => expect(seen.at(-1)).toBe('6'), { timeout: 5_000 });
  });

  it('go on when the server lost its data between the list and the watch', async () => {
    const { etcd, seen } = await followedWith(async () => {
      await server.stop();
      rmSync(join(directory, 'member'), { recursive: true });
      await server.restart();
    });
    await vi.waitFor(() => etcd.put('key').value('new'), { timeout: 5_000 });
    await vi.waitFor(() => expect(seen.at(-1)).toBe('new'), { timeout: 5_000 });
  });

  it('see a server that lost all its data', async () => {
    const seen = await watched();
    for (let revision = 1; revision <= 20; revision += 1) await coordination.publishRevision('c', revision);
    await vi.waitFor(() => expect(seen.at(-1)).toBe(20));
    await server.stop();
    rmSync(join(directory, 'member'), { recursive: true });
    await server.restart();
    // The history of the new server is far shorter than that of the old one.
    await vi.waitFor(() => coordination.publishRevision('c', 21), { timeout: 5_000 });
    await vi.waitFor(() => expect(seen.at(-1)).toBe(21), { timeout: 5_000 });
  });

  it('stop when told to', async () => {
    const seen: number[] = [];
    const stop = await coordination.watchRevision('c', (revision) => seen.push(revision));
    await stop();
    await coordination.publishRevision('c', 1);
    await sleep(100);
    expect(seen).toEqual([]);
  });

  it('begin while the server is down', async () => {
    await server.kill('SIGKILL');
    const seen = await watched();
    await server.restart();
    await vi.waitFor(() => coordination.publishRevision('c', 3), { timeout: 5_000 });
    await vi.waitFor(() => expect(seen).toEqual([3]), { timeout: 5_000 });
  });
});

describe('one member of several that is down', () => {
  it('is not noticed by anybody', async () => {
    // Nobody listens on port 1. Which member a call tries first is left to chance, hence the many.
    const several = openCoordination({
      endpoints: ['http://127.0.0.1:1', server.url],
      log: { warn: (_, message) => void warnings.push(message), info: () => undefined },
    });
    closing.push(() => several.close());
    const seen: number[] = [];
    await several.watchRevision('c', (revision) => seen.push(revision));
    await several.keepAlive('c', 'n1', { version: '0.1.0', startedAt: '2026-01-01T00:00:00Z', pid: 1 });
    for (let revision = 1; revision <= 10; revision += 1) await several.publishRevision('c', revision);
    await vi.waitFor(() => expect(seen.at(-1)).toBe(10), { timeout: 5_000 });
    let alive: string[] = [];
    await coordination.watchAlive('c', (nodes) => {
      alive = [...nodes.keys()];
    });
    expect(alive).toEqual(['n1']);
    expect(warnings).toEqual([]);
  });
});

describe('a server that accepts and never answers', () => {
  it('fails calls within 4 s, and is used again when it wakes', async () => {
    const seen = await watched();
    await coordination.publishRevision('c', 1);
    server.pause();
    const begun = performance.now();
    const failures = await Promise.allSettled([coordination.publishRevision('c', 2), coordination.ping()]);
    const milliseconds = performance.now() - begun;
    for (const failure of failures) expect(failure).toMatchObject({ status: 'rejected', reason: { code: 'store-unavailable' } });
    expect(milliseconds).toBeGreaterThan(1_000);
    expect(milliseconds).toBeLessThan(4_000);
    server.resume();
    await vi.waitFor(() => coordination.publishRevision('c', 3), { timeout: 5_000 });
    await vi.waitFor(() => expect(seen.at(-1)).toBe(3), { timeout: 5_000 });
  });
});
