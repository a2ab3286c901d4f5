import { nodeQueueName, type SyncHint } from '@portolan/protocol';
import { Worker } from 'bullmq';
import { watchOutage, within } from '../outage.js';
import type { HintSource, StoreLog } from '../ports.js';
import { connectRedis, disconnectRedis } from './connection.js';

export interface SourceOptions {
  readonly redisUrl: string;
  readonly cluster: string;
  readonly node: string;
  readonly log?: StoreLog;
}

/** The agent's end: a BullMQ worker that takes one hint at a time. */
export function openHintSource({ redisUrl, cluster, node, log }: SourceOptions): HintSource {
  const outage = watchOutage('Redis', log);
  // BullMQ asks for null: its blocking command must outlive a reconnect.
  const redis = connectRedis(redisUrl, outage, { maxRetriesPerRequest: null });
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
      worker.on('error', (error) => outage.failed(error));
      worker.on('ready', () => outage.recovered());
      worker.on('active', () => outage.recovered());
      worker.on('failed', (job, error) => log?.warn({ cluster, node, jobId: job?.data.jobId, error: error.message }, 'hint failed; it is tried again'));
    },
    async close() {
      // Without Redis the worker waits for a farewell that never comes.
      await within(3_000, worker?.close() ?? Promise.resolve()).catch(() => worker?.close(true));
      disconnectRedis(redis);
    },
  };
}
