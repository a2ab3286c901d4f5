import { nodeQueueName, type SyncHint } from '@portolan/protocol';
import { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { watchOutage, within } from '../outage.js';
import type { HintSource, StoreLog } from '../ports.js';
import { connectRedis } from './connection.js';

export interface SourceOptions {
  /** With user and password, where Redis asks for them. */
  readonly redisUrl: string;
  /** PEM: what `rediss` is verified by; the system's authorities unless given. */
  readonly authority?: string | undefined;
  readonly cluster: string;
  readonly node: string;
  readonly log?: StoreLog;
  /** Hears of each time that Redis does not let this user in. */
  readonly onDenied?: () => void;
}

/** The agent's end: a BullMQ worker that takes one hint at a time. */
export function openHintSource({ redisUrl, authority, cluster, node, log, onDenied }: SourceOptions): HintSource {
  const outage = watchOutage('Redis', log, onDenied);
  // BullMQ asks for null: its blocking command must outlive a reconnect.
  const redis = connectRedis(redisUrl, outage, {
    maxRetriesPerRequest: null,
    ...(authority === undefined || !redisUrl.startsWith('rediss:') ? {} : { tls: { ca: authority } }),
  });
  let worker: Worker<SyncHint> | undefined;

  return {
    start(take) {
      if (worker !== undefined) return;
      worker = new Worker<SyncHint>(nodeQueueName(cluster, node), async (job) => take(job.data), {
        connection: redis,
        concurrency: 1,
        // A job of an agent that was killed runs again after its lock and one or two looks for stalled jobs: 3 s.
        lockDuration: 2_000,
        stalledInterval: 1_000,
        // An agent that dies in the middle is no reason to give the hint up.
        maxStalledCount: 100,
        // BullMQ's own 15 s would be 15 s of standstill after each outage.
        runRetryDelay: 500,
      });
      worker.on('error', (error) => {
        // With the connection in order it is about one job: a lock or a job that an emptied Redis no longer has.
        if (redis.status === 'ready') log?.warn({ cluster, node, error: error.message }, 'the queue lost track of a hint');
        else outage.failed(error);
      });
      worker.on('failed', (job, error) => log?.warn({ cluster, node, jobId: job?.data.jobId, error: error.message }, 'hint failed; it is tried again'));
    },
    async close() {
      if (worker !== undefined) await closeWorker(worker, redis);
      redis.disconnect();
    },
  };
}

/**
 * Waits up to 3 s for the hint that is worked on, then gives it back. BullMQ's orderly close waits for the end of a connection,
 * and one that is between two attempts never says that; so it is asked only of a Redis that answers right now.
 */
async function closeWorker(worker: Worker<SyncHint>, redis: Redis): Promise<void> {
  async function isReachable(): Promise<boolean> {
    await redis.ping();
    return (await worker.getBackend().blockingClient)?.status === 'ready';
  }
  const isOrderly = await within(500, isReachable()).catch(() => false);
  await within(3_000, worker.close(!isOrderly)).catch(() => worker.getBackend().close(true));
}
