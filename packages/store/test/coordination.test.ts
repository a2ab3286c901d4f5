import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningServer, startEtcd } from '@portolan/harness';
import type { Liveness } from '@portolan/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openCoordination } from '../src/etcd/index.js';
import { createMemoryCoordination } from '../src/memory/index.js';
import type { Coordination } from '../src/ports.js';

// What both twins promise. What only real servers can do to us is in etcd.*.test.ts.

let server: RunningServer;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'portolan-etcd-'));
  server = await startEtcd({ directory, durable: false });
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

const twins: readonly { readonly name: string; open(): Coordination }[] = [
  { name: 'memory', open: createMemoryCoordination },
  { name: 'etcd', open: () => openCoordination({ endpoints: [server.url] }) },
];

const agent = (startedAt: string, pid = 1): Liveness => ({ version: '0.1.0', startedAt, pid });

describe.each(twins)('coordination over $name', ({ name, open }) => {
  let coordination: Coordination;
  const opened = (): Coordination => {
    coordination = open();
    return coordination;
  };
  afterEach(() => coordination.close());

  it('tells the current revision and newer ones up to the newest, and never one twice', async () => {
    const { publishRevision, watchRevision } = opened();
    const cluster = `${name}-revision`;
    const early: number[] = [];
    const late: number[] = [];
    await watchRevision(cluster, (revision) => early.push(revision));
    await publishRevision(cluster, 7);
    await publishRevision(cluster, 9);
    await publishRevision(cluster, 9);
    // One that is overwritten at once may be skipped.
    await vi.waitFor(() => expect(early.filter((revision) => revision !== 7)).toEqual([9]));
    expect(early).toEqual([...new Set(early)].sort((a, b) => a - b));
    early.splice(0, early.length);
    await watchRevision(cluster, (revision) => late.push(revision));
    expect(late).toEqual([9]);
    await publishRevision(cluster, 10);
    await vi.waitFor(() => expect([early, late]).toEqual([[10], [9, 10]]));
  });

  it('never moves a revision backwards, whoever comes last', async () => {
    const { publishRevision, watchRevision } = opened();
    const cluster = `${name}-backwards`;
    await publishRevision(cluster, 100);
    await publishRevision(cluster, 99);
    // As text "99" is more than "100".
    await Promise.all([101, 9, 105, 103, 99].map((revision) => publishRevision(cluster, revision)));
    let seen = 0;
    await watchRevision(cluster, (revision) => {
      seen = revision;
    });
    expect(seen).toBe(105);
  });

  it('keeps the clusters apart', async () => {
    const { publishRevision, watchRevision, keepAlive, watchAlive } = opened();
    const seen: number[] = [];
    let alive: ReadonlyMap<string, Liveness> = new Map();
    await watchRevision(`${name}-lab`, (revision) => seen.push(revision));
    await watchAlive(`${name}-lab`, (nodes) => {
      alive = nodes;
    });
    await publishRevision(`${name}-lab-2`, 3);
    await keepAlive(`${name}-lab-2`, 'n1', agent('2026-01-01T00:00:00Z'));
    await publishRevision(`${name}-lab`, 1);
    await keepAlive(`${name}-lab`, 'n2', agent('2026-01-01T00:00:00Z'));
    await vi.waitFor(() => expect([seen, [...alive.keys()]]).toEqual([[1], ['n2']]));
  });

  it('shows who is alive, from the present ones on, and who has gone', async () => {
    const { keepAlive, watchAlive } = opened();
    const cluster = `${name}-alive`;
    const seen: string[][] = [];
    const stopFirst = await keepAlive(cluster, 'n1', agent('2026-01-01T00:00:00Z', 17));
    const unwatch = await watchAlive(cluster, (alive) => seen.push([...alive].map(([node, { pid }]) => `${node}:${pid}`).sort()));
    expect(seen).toEqual([['n1:17']]);
    await keepAlive(cluster, 'n2', agent('2026-01-01T00:00:00Z', 18));
    await vi.waitFor(() => expect(seen.at(-1)).toEqual(['n1:17', 'n2:18']));
    await stopFirst();
    await vi.waitFor(() => expect(seen.at(-1)).toEqual(['n2:18']));
    await unwatch();
    const before = seen.length;
    await keepAlive(cluster, 'n3', agent('2026-01-01T00:00:00Z'));
    expect(seen.length).toBe(before);
  });

  it('gives the key of a node to the later of two holders, and back when that one goes', async () => {
    const { keepAlive, watchAlive } = opened();
    const cluster = `${name}-takeover`;
    let pid: number | undefined;
    await watchAlive(cluster, (alive) => {
      pid = alive.get('n1')?.pid;
    });
    await keepAlive(cluster, 'n1', agent('2026-01-01T00:00:05Z', 5));
    const stopLater = await keepAlive(cluster, 'n1', agent('2026-01-01T00:00:06Z', 6));
    await vi.waitFor(() => expect(pid).toBe(6));
    const stopEarlier = await keepAlive(cluster, 'n1', agent('2026-01-01T00:00:04Z', 4));
    await stopEarlier();
    expect(pid).toBe(6);
    await stopLater();
    await vi.waitFor(() => expect(pid).toBe(5), { timeout: 5_000 });
  });

  it('answers a ping', async () => {
    await opened().ping();
  });
});
