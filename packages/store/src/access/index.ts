import { createHmac } from 'node:crypto';
import type { Id } from '@portolan/model';
import type { GrantedNode, NodeAccess } from '../credentials.js';
import type { EtcdUser } from '../etcd/client.js';
import type { StoreLog } from '../ports.js';
import { openEtcdUsers } from './etcd.js';
import { openRedisUsers } from './redis.js';

export interface NodeAccessOptions {
  /** Of a user that may use ACL. */
  readonly redisUrl: string;
  /** What agents are told; `redisUrl` and `etcdEndpoints` unless given. */
  readonly publicRedisUrl?: string | undefined;
  readonly publicEtcdEndpoints?: readonly string[] | undefined;
  readonly etcdEndpoints: readonly string[];
  /** root; left out where etcd does not ask for users: then agents need none either. */
  readonly etcdUser?: EtcdUser | undefined;
  /** What passwords follow from, so that no table holds them and any control plane that knows it can set them again. At least 32 bytes. */
  readonly secret: Uint8Array;
  readonly log?: StoreLog | undefined;
}

/** How many users of etcd are made at a time; each costs it a slow hash of the password. */
const ETCD_AT_A_TIME = 4;

/** Users of nodes in Redis and, where its users are used, in etcd. */
export function openNodeAccess(options: NodeAccessOptions): NodeAccess {
  const passwordFor =
    (server: string) =>
    ({ nodeId, credential }: Pick<GrantedNode, 'nodeId' | 'credential'>): string =>
      createHmac('sha256', options.secret)
        .update(JSON.stringify(['portolan access', server, nodeId, credential]))
        .digest('base64url');
  const { redisUrl, etcdEndpoints, etcdUser, log } = options;
  const etcdPassword = passwordFor('etcd');
  const redis = openRedisUsers({ redisUrl, publicUrl: options.publicRedisUrl ?? redisUrl, passwordOf: passwordFor('redis'), log });
  const etcd = etcdUser === undefined ? undefined : openEtcdUsers({ endpoints: etcdEndpoints, user: etcdUser, passwordOf: etcdPassword });
  const endpoints = options.publicEtcdEndpoints ?? etcdEndpoints;
  // By node what this process has set last.
  const setInRedis = new Map<Id, string>();
  const setInEtcd = new Map<Id, string>();
  let turn: Promise<unknown> = Promise.resolve();

  /** One after another: a comparison that read what is wanted before a change must not undo it. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work, work);
    turn = mine.catch(() => undefined);
    return mine;
  }

  async function set(nodes: readonly GrantedNode[]): Promise<void> {
    await redis.set(nodes);
    for (const node of nodes) setInRedis.set(node.nodeId, identityOf(node));
  }

  async function setEtcd(node: GrantedNode): Promise<void> {
    await etcd?.set(node);
    setInEtcd.set(node.nodeId, identityOf(node));
  }

  /** Both are tried, whichever fails. */
  async function remove(nodes: readonly Id[]): Promise<void> {
    const results = await Promise.allSettled([redis.delete(nodes), ...nodes.map((id) => etcd?.delete(id))]);
    for (const id of nodes) for (const known of [setInRedis, setInEtcd]) known.delete(id);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async function reconcileEtcd(wanted: readonly GrantedNode[], users: ReadonlySet<Id>): Promise<void> {
    const due = wanted.filter((node) => {
      const known = setInEtcd.get(node.nodeId);
      // What an earlier process set is believed: to set it again costs etcd a slow hash each.
      return !users.has(node.nodeId) || (known !== undefined && known !== identityOf(node));
    });
    for (const node of wanted) if (!setInEtcd.has(node.nodeId)) setInEtcd.set(node.nodeId, identityOf(node));
    for (let start = 0; start < due.length; start += ETCD_AT_A_TIME) await Promise.all(due.slice(start, start + ETCD_AT_A_TIME).map(setEtcd));
  }

  return {
    grant: (node, noted = async () => undefined) =>
      inTurn(async () => {
        await Promise.all([set([node]), setEtcd(node)]);
        try {
          await noted();
        } catch (error) {
          // Whatever stays of them is deleted by the next comparison.
          await remove([node.nodeId]).catch(() => undefined);
          throw error;
        }
        const user = etcd === undefined ? { user: '', password: '' } : { user: `portolan.node.${node.nodeId}`, password: etcdPassword(node) };
        return { redisUrl: redis.urlOf(node), etcd: { endpoints, ...user } };
      }),
    revoke: (nodeId) => inTurn(() => remove([nodeId])),
    reconcile: (readWanted) =>
      inTurn(async () => {
        // Users first: one that is made meanwhile is that of a credential that was there before it.
        const [inRedis, inEtcd] = await Promise.all([redis.list(), etcd?.list() ?? new Set<Id>()]);
        const wanted = await readWanted();
        const ids = new Set(wanted.map(({ nodeId }) => nodeId));
        await set(wanted.filter((node) => !inRedis.has(node.nodeId) || setInRedis.get(node.nodeId) !== identityOf(node)));
        if (etcd !== undefined) await reconcileEtcd(wanted, inEtcd);
        await remove([...new Set([...inRedis, ...inEtcd])].filter((id) => !ids.has(id)));
      }),
    async close() {
      await turn;
      redis.close();
      etcd?.close();
    },
  };
}

function identityOf({ cluster, node, credential }: GrantedNode): string {
  return `${cluster}/${node}/${credential}`;
}
