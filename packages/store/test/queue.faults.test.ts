import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RunningServer, startRedis } from '@portolan/harness';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HintQueue, OutboxMessage } from '../src/ports.js';
import { openHintQueue, openHintSource } from '../src/queue/index.js';

let server: RunningServer;
let directory: string;
let queue: HintQueue;
let warnings: string[];
const closing: (() => Promise<void> | void)[] = [];
const unhandled: unknown[] = [];
const note = (fault: unknown): void => void unhandled.push(fault);

beforeEach(async () => {
  process.on('unhandledRejection', note).on('uncaughtException', note);
  directory = mkdtempSync(join(tmpdir(), 'portolan-redis-'));
  server = await startRedis({ directory, durable: false });
  warnings = [];
  queue = openHintQueue({ redisUrl: server.url, log });
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await queue.close();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
  process.off('unhandledRejection', note).off('uncaughtException', note);
  expect(unhandled.splice(0)).toEqual([]);
});

const log = { warn: (_: object, text: string) => void warnings.push(text), info: () => undefined };
const message = (generation: number, node = 'n1'): OutboxMessage => ({
  id: String(generation),
  cluster: 'c',
  node,
  hint: { jobId: `job-${generation}`, generation, revision: generation },
});

/** The generations that an agent in this process takes. */
function taken(): number[] {
  const seen: number[] = [];
  const source = openHintSource({ redisUrl: server.url, cluster: 'c', node: 'n1', log });
  closing.push(() => source.close());
  source.start(async ({ generation }) => void seen.push(generation));
  return seen;
}

async function publishWithin(milliseconds: number, generation: number): Promise<void> {
  await vi.waitFor(() => queue.publish([message(generation)]), { timeout: milliseconds, interval: 100 });
}

/** An agent in a process of its own that never ends what it has taken. */
async function slowAgentWithHint(): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('fixtures/slow-agent.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', program, server.url, 'c', 'n1'], { stdio: ['ignore', 'pipe', 'inherit'] });
  closing.push(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

describe('an agent that is killed in the middle', () => {
  it('has its hint taken again by its successor within some 3 s', async () => {
    await queue.publish([message(1)]);
    const child = await slowAgentWithHint();
    child.kill('SIGKILL');
    const killed = performance.now();
    const seen = taken();
    await vi.waitFor(() => expect(seen).toEqual([1]), { timeout: 8_000, interval: 20 });
    expect(performance.now() - killed).toBeLessThan(5_000);
  });

  it('keeps no newer hint waiting, not even that long', async () => {
    await queue.publish([message(1)]);
    const child = await slowAgentWithHint();
    child.kill('SIGKILL');
    await queue.publish([message(2)]);
    const seen = taken();
    await vi.waitFor(() => expect(seen[0]).toBe(2), { timeout: 1_500, interval: 20 });
  });
});

describe('a Redis that goes away', () => {
  it('fails publishing within 3 s, and all is well again after its restart', async () => {
    const seen = taken();
    await queue.publish([message(1)]);
    await vi.waitFor(() => expect(seen).toEqual([1]));
    await server.kill('SIGKILL');
    const begun = performance.now();
    const failures = await Promise.allSettled([queue.publish([message(2)]), queue.publish([message(2, 'n2')]), queue.ping()]);
    expect(performance.now() - begun).toBeLessThan(3_500);
    for (const failure of failures) expect(failure).toMatchObject({ status: 'rejected', reason: { code: 'store-unavailable' } });
    await server.restart();
    await publishWithin(3_000, 3);
    await vi.waitFor(() => expect(seen.at(-1)).toBe(3), { timeout: 3_000 });
    await publishWithin(1_000, 4);
    await vi.waitFor(() => expect(seen.at(-1)).toBe(4), { timeout: 1_000 });
    // At most one line of each end, however many calls failed.
    expect(warnings.length).toBeGreaterThan(0);
    expect(warnings.length).toBeLessThanOrEqual(2);
  });

  it('may be absent at the start of both ends', async () => {
    await server.kill('SIGKILL');
    const late = openHintQueue({ redisUrl: server.url, log });
    closing.push(() => late.close());
    const seen = taken();
    await expect(late.publish([message(1)])).rejects.toMatchObject({ code: 'store-unavailable' });
    await server.restart();
    await vi.waitFor(() => late.publish([message(2)]), { timeout: 3_000 });
    await vi.waitFor(() => expect(seen).toEqual([2]), { timeout: 3_000 });
  });

  it('may be absent when both ends are closed', async () => {
    const source = openHintSource({ redisUrl: server.url, cluster: 'c', node: 'n1' });
    source.start(async () => undefined);
    await queue.publish([message(1)]);
    await server.kill('SIGKILL');
    const begun = performance.now();
    await Promise.all([source.close(), queue.close()]);
    expect(performance.now() - begun).toBeLessThan(5_000);
  });
});

describe('a Redis that accepts and never answers', () => {
  it('fails publishing within 3 s, and is used again when it wakes', async () => {
    const seen = taken();
    await publishWithin(1_000, 1);
    await vi.waitFor(() => expect(seen).toEqual([1]));
    server.pause();
    const begun = performance.now();
    await expect(queue.publish([message(2)])).rejects.toMatchObject({ code: 'store-unavailable' });
    expect(performance.now() - begun).toBeLessThan(3_500);
    server.resume();
    await publishWithin(3_000, 3);
    await vi.waitFor(() => expect(seen.at(-1)).toBe(3), { timeout: 5_000 });
  });
});

describe('a Redis that is emptied', () => {
  it('costs what was waiting, and nothing else', async () => {
    const redis = new Redis(server.url);
    closing.push(() => redis.disconnect());
    const seen = taken();
    await publishWithin(1_000, 1);
    await vi.waitFor(() => expect(seen).toEqual([1]));
    await redis.flushall();
    await redis.script('FLUSH');
    await publishWithin(1_000, 2);
    await vi.waitFor(() => expect(seen.at(-1)).toBe(2), { timeout: 7_000 });
  });

  it('may be emptied while an agent works on a hint', async () => {
    const redis = new Redis(server.url);
    closing.push(() => redis.disconnect());
    const seen: number[] = [];
    const source = openHintSource({ redisUrl: server.url, cluster: 'c', node: 'n1', log });
    closing.push(() => source.close());
    source.start(async ({ generation }) => {
      seen.push(generation);
      if (generation === 1) await redis.flushall();
    });
    await publishWithin(1_000, 1);
    await vi.waitFor(() => expect(seen).toEqual([1]));
    await publishWithin(1_000, 2);
    await vi.waitFor(() => expect(seen).toEqual([1, 2]), { timeout: 7_000 });
  });
});
