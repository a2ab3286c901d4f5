import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningServer, startRedis } from '@portolan/harness';
import { nodeQueueName, type SyncHint } from '@portolan/protocol';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createMemoryQueue } from '../src/memory/index.js';
import type { HintQueue, HintSource, OutboxMessage } from '../src/ports.js';
import { openHintQueue, openHintSource } from '../src/queue/index.js';

// What both twins promise, and what is kept in Redis. Redis that goes away is in queue.faults.test.ts.

let server: RunningServer;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'portolan-redis-'));
  server = await startRedis({ directory, durable: false });
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface Twin {
  readonly queue: HintQueue;
  source(cluster: string, node: string): HintSource;
}
const twins: readonly { readonly name: string; open(): Twin }[] = [
  {
    name: 'memory',
    open: () => {
      const queue = createMemoryQueue();
      return { queue, source: queue.source };
    },
  },
  {
    name: 'redis',
    open: () => ({ queue: openHintQueue({ redisUrl: server.url }), source: (cluster, node) => openHintSource({ redisUrl: server.url, cluster, node }) }),
  },
];

const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one.close();
});
function closed<T extends { close(): Promise<void> }>(one: T): T {
  closing.push(one);
  return one;
}

const message = (cluster: string, node: string, generation: number): OutboxMessage => ({
  id: String(generation),
  cluster,
  node,
  hint: { jobId: `job-${generation}`, generation, revision: generation + 1_000 },
});

describe.each(twins)('queue of hints over $name', ({ name, open }) => {
  it('brings each node its own hints, in order, as they were sent', async () => {
    const { queue, source } = open();
    closed(queue);
    const seen: Record<string, SyncHint[]> = { n1: [], n2: [] };
    for (const node of ['n1', 'n2']) closed(source(name, node)).start(async (hint) => void seen[node]?.push(hint));
    for (const generation of [1, 2, 3]) {
      await queue.publish([message(name, 'n1', generation), message(name, 'n2', generation + 10), message('other', 'n1', 99)]);
      await vi.waitFor(() => expect(seen).toMatchObject({ n1: { length: generation }, n2: { length: generation } }));
    }
    expect(seen.n1).toEqual([1, 2, 3].map((generation) => message(name, 'n1', generation).hint));
    expect(seen.n2?.map(({ generation }) => generation)).toEqual([11, 12, 13]);
  });

  it('keeps only the newest for a node that does not listen', async () => {
    const { queue, source } = open();
    closed(queue);
    for (const generation of [1, 2, 3]) await queue.publish([message(name, 'absent', generation)]);
    await queue.publish([message(name, 'absent', 5), message(name, 'absent', 4)]);
    const seen: number[] = [];
    closed(source(name, 'absent')).start(async ({ generation }) => void seen.push(generation));
    await vi.waitFor(() => expect(seen).toEqual([5]));
    await queue.publish([message(name, 'absent', 6)]);
    await vi.waitFor(() => expect(seen).toEqual([5, 6]));
  });

  it('tries a failed hint again, later', async () => {
    const { queue, source } = open();
    closed(queue);
    const tries: number[] = [];
    closed(source(name, 'failing')).start(async () => {
      tries.push(performance.now());
      if (tries.length < 3) throw new Error('not yet');
    });
    await queue.publish([message(name, 'failing', 1)]);
    await vi.waitFor(() => expect(tries.length).toBe(3), { timeout: 8_000 });
    const [first = 0, second = 0] = tries;
    expect(second - first).toBeGreaterThan(5);
  });

  it('does not let a hint wait behind one that fails', async () => {
    const { queue, source } = open();
    closed(queue);
    const seen: number[] = [];
    closed(source(name, 'stuck')).start(async ({ generation }) => {
      seen.push(generation);
      if (generation === 1) throw new Error('never');
    });
    await queue.publish([message(name, 'stuck', 1)]);
    await vi.waitFor(() => expect(seen.length).toBeGreaterThan(1), { timeout: 5_000 });
    await queue.publish([message(name, 'stuck', 2)]);
    await vi.waitFor(() => expect(seen.at(-1)).toBe(2), { timeout: 500 });
  });

  it('takes one hint at a time', async () => {
    const { queue, source } = open();
    closed(queue);
    let running = 0;
    let most = 0;
    let done = 0;
    closed(source(name, 'slow')).start(async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 50));
      running -= 1;
      done += 1;
    });
    for (const generation of [1, 2, 3]) {
      await queue.publish([message(name, 'slow', generation)]);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await vi.waitFor(() => expect(done).toBeGreaterThan(1));
    await vi.waitFor(() => expect(running).toBe(0));
    expect(most).toBe(1);
  });

  it('answers a ping', async () => {
    await closed(open().queue).ping();
  });
});

describe('what is kept in Redis', () => {
  it('stays small for a node that is there and for one that never comes', async () => {
    const queue = closed(openHintQueue({ redisUrl: server.url }));
    let taken = 0;
    closed(openHintSource({ redisUrl: server.url, cluster: 'small', node: 'here' })).start(async () => {
      taken += 1;
    });
    for (let generation = 1; generation <= 60; generation += 1) {
      const before = taken;
      await queue.publish([message('small', 'here', generation), message('small', 'gone', generation)]);
      await vi.waitFor(() => expect(taken).toBe(before + 1), { interval: 2 });
    }
    const redis = new Redis(server.url);
    const jobs = async (node: string): Promise<number> =>
      (await redis.keys(`bull:${nodeQueueName('small', node)}:*`)).filter((key) => /:\d+$/.test(key)).length;
    await vi.waitFor(async () => expect(await jobs('here')).toBeLessThanOrEqual(20));
    expect(await jobs('gone')).toBe(1);
    redis.disconnect();
  });

  it('takes one round of 500 nodes in well under a second', async () => {
    const queue = closed(openHintQueue({ redisUrl: server.url }));
    const messages = Array.from({ length: 500 }, (_, index) => message('many', `n${index}`, 1));
    await queue.publish(messages);
    const begun = performance.now();
    await queue.publish(messages);
    // 0.2 s alone; other tests run beside.
    expect(performance.now() - begun).toBeLessThan(2_500);
  });
});
