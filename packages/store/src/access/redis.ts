import { createHash } from 'node:crypto';
import type { Id } from '@portolan/model';
import { nodeQueueName } from '@portolan/protocol';
import type { GrantedNode } from '../credentials.js';
import { storeUnavailable, watchOutage, within } from '../outage.js';
import type { StoreLog } from '../ports.js';
import { connectRedis } from '../queue/connection.js';

const DEADLINE_MS = 3_000;
const PREFIX = 'portolan.node.';

/**
 * What a worker of BullMQ 6.7 calls, found by taking away what it never asked for. `info` is how it knows the version of its server, and
 * tells figures of the whole server; no other one of them works without keys.
 */
const commands =
  'info client|setname evalsha eval hmget exists zrangebyscore set zrem hget get bzpopmin xtrim rpoplpush lpush smembers zpopmin hexists xadd lrange del incr hset zrange sadd hmset zadd pexpire hincrby lrem rpush hgetall srem zscore scard hdel zcard zrevrangebyscore pttl zrevrange zremrangebyrank llen';

export interface RedisUsers {
  /** Makes users, or changes them: one password each, that of the credential. Connections that are open stay. */
  set(nodes: readonly GrantedNode[]): Promise<void>;
  /** Deletes users, and with them their connections. */
  delete(nodes: readonly Id[]): Promise<void>;
  list(): Promise<ReadonlySet<Id>>;
  /** What an agent connects by; null for a Redis that only this host reaches. */
  urlOf(node: GrantedNode): string | null;
  close(): void;
}

export interface RedisUsersOptions {
  /** Of a user that may use ACL. */
  readonly redisUrl: string;
  /** What agents are told; user and password in it are replaced. */
  readonly publicUrl: string;
  readonly passwordOf: (node: Pick<GrantedNode, 'nodeId' | 'credential'>) => string;
  readonly log?: StoreLog | undefined;
}

/** One user of Redis' own access control for each node: it reaches the keys of the node's queue, directly and in scripts, and no channel. */
export function openRedisUsers({ redisUrl, publicUrl, passwordOf, log }: RedisUsersOptions): RedisUsers {
  const outage = watchOutage('Redis', log);
  // A change that waits for its server would be made when it is no longer wanted.
  const redis = connectRedis(redisUrl, outage, { maxRetriesPerRequest: 1, commandTimeout: DEADLINE_MS - 500 });

  async function noting<T>(call: Promise<T>): Promise<T> {
    try {
      const result = await within(DEADLINE_MS, call);
      outage.recovered();
      return result;
    } catch (cause) {
      outage.failed(cause);
      throw storeUnavailable('Redis', cause);
    }
  }

  function rules(node: GrantedNode): readonly string[] {
    const hash = createHash('sha256').update(passwordOf(node)).digest('hex');
    const queue = `~bull:${nodeQueueName(node.cluster, node.node)}:*`;
    return ['reset', 'on', `#${hash}`, queue, 'resetchannels', '-@all', ...commands.split(' ').map((command) => `+${command}`)];
  }

  return {
    set: (nodes) => noting(Promise.all(nodes.map((node) => redis.call('ACL', 'SETUSER', `${PREFIX}${node.nodeId}`, ...rules(node)))).then(() => undefined)),
    async delete(nodes) {
      if (nodes.length > 0) await noting(redis.call('ACL', 'DELUSER', ...nodes.map((id) => `${PREFIX}${id}`)));
    },
    async list() {
      const names = await noting(redis.call('ACL', 'USERS'));
      const ours = Array.isArray(names) ? names.map(String).filter((name) => name.startsWith(PREFIX)) : [];
      return new Set(ours.map((name) => name.slice(PREFIX.length)));
    },
    urlOf(node) {
      const url = new URL(publicUrl);
      if (url.protocol === 'unix:') return null;
      url.username = `${PREFIX}${node.nodeId}`;
      url.password = passwordOf(node);
      return url.href;
    },
    close: () => redis.disconnect(),
  };
}
