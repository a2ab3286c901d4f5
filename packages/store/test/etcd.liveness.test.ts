import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RunningServer, startEtcd } from '@portolan/harness';
import { etcdKeys, LIVENESS_TTL_SECONDS, type Liveness } from '@portolan/protocol';
import { Etcd3 } from 'etcd3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openCoordination } from '../src/etcd/index.js';
import type { Coordination } from '../src/ports.js';

let server: RunningServer;
let directory: string;
let coordination: Coordination;
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'portolan-etcd-'));
  server = await startEtcd({ directory, durable: false });
  coordination = openCoordination({ endpoints: [server.url] });
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await coordination.close();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** An agent as a process of its own. */
async function startHolder(node: string): Promise<ChildProcess & { readonly pid: number }> {
  const program = fileURLToPath(new URL('fixtures/holder.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', program, server.url, 'c', node], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  return Object.assign(child, { pid: child.pid ?? 0 });
}

/** The pids of the live nodes, kept up to date. */
async function watched(): Promise<Map<string, number>> {
  const pids = new Map<string, number>();
  await coordination.watchAlive('c', (alive) => {
    pids.clear();
    for (const [node, { pid }] of alive) pids.set(node, pid);
  });
  return pids;
}

const agent = (startedAt: string): Liveness => ({ version: '0.1.0', startedAt, pid: 1 });

describe('liveness over etcd', () => {
  it('shows a killed agent as down within 10 s, not before its lease ends, and its successor at once', async () => {
    const alive = await watched();
    const [first, other] = await Promise.all([startHolder('n1'), startHolder('n2')]);
    await vi.waitFor(() =>
      expect([...alive].sort()).toEqual([
        ['n1', first.pid],
        ['n2', other.pid],
      ]),
    );
    first.kill('SIGKILL');
    other.kill('SIGKILL');
    const killed = performance.now();
    // The successor of n1 starts while the key of its predecessor is still there.
    const successor = await startHolder('n1');
    await vi.waitFor(() => expect(alive.get('n1')).toBe(successor.pid));
    expect(alive.get('n2')).toBe(other.pid);
    await vi.waitFor(() => expect(alive.has('n2')).toBe(false), { timeout: 10_000, interval: 20 });
    const seconds = (performance.now() - killed) / 1_000;
    expect(seconds).toBeLessThan(10);
    expect(seconds).toBeGreaterThan(LIVENESS_TTL_SECONDS / 2);
    // The end of the predecessor's lease did not take the successor's key along.
    expect(alive.get('n1')).toBe(successor.pid);
  });

  it('is there again after etcd lost all its data', async () => {
    await coordination.keepAlive('c', 'n1', agent('2026-01-01T00:00:00Z'));
    const alive = await watched();
    expect(alive.has('n1')).toBe(true);
    await server.stop();
    rmSync(join(directory, 'member'), { recursive: true });
    await server.restart();
    const raw = new Etcd3({ hosts: server.url });
    await vi.waitFor(async () => expect(await raw.get(etcdKeys.alive('c', 'n1'))).not.toBeNull(), { timeout: 6_000 });
    raw.close();
    await vi.waitFor(() => expect(alive.has('n1')).toBe(true));
  });

  it('is there again after its key or its lease was taken away, and after a start without etcd', async () => {
    await server.kill('SIGKILL');
    await coordination.keepAlive('c', 'n1', agent('2026-01-01T00:00:00Z'));
    await server.restart();
    const raw = new Etcd3({ hosts: server.url });
    const key = etcdKeys.alive('c', 'n1');
    const lease = (): Promise<string> =>
      vi.waitFor(
        async () => {
          const [kv] = (await raw.get(key).exec()).kvs;
          return kv?.lease ?? Promise.reject(new Error('no key'));
        },
        { timeout: 6_000 },
      );
    const first = await lease();
    await raw.delete().key(key);
    expect(await lease()).toBe(first);
    await raw.leaseClient.leaseRevoke({ ID: first });
    expect(await lease()).not.toBe(first);
    raw.close();
  });

  it('ends at once when the agent says so', async () => {
    const stop = await coordination.keepAlive('c', 'n1', agent('2026-01-01T00:00:00Z'));
    const alive = await watched();
    expect(alive.has('n1')).toBe(true);
    await stop();
    await vi.waitFor(() => expect(alive.has('n1')).toBe(false));
  });
});
