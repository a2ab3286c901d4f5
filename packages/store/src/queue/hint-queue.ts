import { nodeQueueName, type SyncHint } from '@portolan/protocol';
import { Queue } from 'bullmq';
import { storeUnavailable, watchOutage, within } from '../outage.js';
import type { HintQueue, OutboxMessage, StoreLog } from '../ports.js';
import { connectRedis } from './connection.js';

const service = 'Redis';
const deadline = 3_000;

/** The newest message of each queue. */
function newestOfEach(messages: readonly OutboxMessage[]): ReadonlyMap<string, SyncHint> {
  const newest = new Map<string, SyncHint>();
  for (const { cluster, node, hint } of messages) {
    const name = nodeQueueName(cluster, node);
    const known = newest.get(name);
    if (known === undefined || known.generation <= hint.generation) newest.set(name, hint);
  }
  return newest;
}

export interface QueueOptions {
  readonly redisUrl: string;
  readonly log?: StoreLog;
}

/** The control plane's end: one BullMQ queue a node, all over one connection. */
export function openHintQueue({ redisUrl, log }: QueueOptions): HintQueue {
  const outage = watchOutage(service, log);
  // Commands are failed rather than kept for later: what is not in Redis stays in the outbox, and is published again.
  const redis = connectRedis(redisUrl, outage, { maxRetriesPerRequest: 0, commandTimeout: deadline - 500 });
  const queues = new Map<string, Queue<SyncHint>>();
  let ready: Promise<void> | undefined;

  /** One listener for all who wait, or an outage of a night would leave thousands. */
  function whenReady(): Promise<void> {
    if (redis.status === 'ready') return Promise.resolve();
    ready ??= new Promise((resolve) => {
      redis.once('ready', () => {
        ready = undefined;
        resolve();
      });
    });
    return ready;
  }

  function queueOf(name: string): Queue<SyncHint> {
    const known = queues.get(name);
    if (known !== undefined) return known;
    const queue = new Queue<SyncHint>(name, {
      connection: redis,
      // The version was good enough for the first queue; each would ask again.
      skipVersionCheck: queues.size > 0,
      streams: { events: { maxLen: 100 } },
      defaultJobOptions: {
        // 0.5 s, 1 s, … 64 s: two minutes in all. After that the agent's own timer is what brings it back.
        attempts: 8,
        backoff: { type: 'exponential', delay: 500 },
        removeOnComplete: { count: 20 },
        removeOnFail: { count: 20 },
      },
    });
    queue.on('error', (error) => outage.failed(error));
    queues.set(name, queue);
    return queue;
  }

  async function replaceWaiting(name: string, hint: SyncHint): Promise<void> {
    const queue = queueOf(name);
    try {
      // Not one transaction: a hint lost between the two calls is still in the outbox, or replaced by a newer one.
      await queue.drain(true);
      await queue.add('sync', hint);
    } catch (error) {
      // A queue whose first contact failed stays broken for good; the next publish makes a new one.
      queues.delete(name);
      void queue.close().catch(() => undefined);
      throw error;
    }
  }

  /** Runs commands as soon as Redis is there. What could not begin in time never begins: its caller was told so. */
  async function withinDeadline(commands: () => Promise<unknown>): Promise<void> {
    const expired = new AbortController();
    try {
      await within(
        deadline,
        whenReady().then(() => (expired.signal.aborted ? undefined : commands())),
      );
    } catch (cause) {
      expired.abort();
      outage.failed(cause);
      throw storeUnavailable(service, cause);
    }
    outage.recovered();
  }

  return {
    publish: (messages) => withinDeadline(() => Promise.all([...newestOfEach(messages)].map(([name, hint]) => replaceWaiting(name, hint)))),
    ping: () => withinDeadline(() => redis.ping()),
    async close() {
      await Promise.allSettled([...queues.values()].map((queue) => queue.close()));
      queues.clear();
      redis.disconnect();
    },
  };
}
