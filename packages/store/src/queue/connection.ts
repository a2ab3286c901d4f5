import { Redis, type RedisOptions } from 'ioredis';
import { DENIED_PAUSE, isDenial, type Outage } from '../outage.js';

/**
 * A connection that comes back by itself within 1 s of its server's return, and whose errors have a listener. User and password are those of
 * the URL.
 */
export function connectRedis(redisUrl: string, outage: Outage, options: Pick<RedisOptions, 'maxRetriesPerRequest' | 'commandTimeout' | 'tls'>): Redis {
  let isDenied = false;
  const redis = new Redis(redisUrl, {
    retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, isDenied ? DENIED_PAUSE : 1_000),
    // A reconnect meets a server that is still reading its log: wait for it, do not fail on -LOADING.
    enableReadyCheck: true,
    connectTimeout: 2_000,
    // A peer that vanished without a word: seconds, not the quarter of an hour that TCP takes. BullMQ blocks for up to 10 s.
    socketTimeout: 15_000,
    ...options,
  });
  redis.on('error', (error) => {
    isDenied = isDenial(error);
    outage.failed(error);
  });
  redis.on('ready', () => {
    isDenied = false;
    outage.recovered();
  });
  return redis;
}
