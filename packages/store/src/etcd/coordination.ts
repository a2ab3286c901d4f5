import { etcdKeys, type Liveness } from '@portolan/protocol';
import { type Etcd3, Range } from 'etcd3';
import { storeUnavailable, watchOutage } from '../outage.js';
import type { Coordination, StoreLog } from '../ports.js';
import { answerOf, connectEtcd, connectMembers, type EtcdAccess } from './client.js';
import type { Lasting } from './lasting.js';
import { leaseRenewer } from './leases.js';
import { holdKey, parseLiveness } from './liveness.js';
import { followKeys, textOf } from './watch.js';

export interface CoordinationOptions extends EtcdAccess {
  /** Client URLs of the members of one etcd cluster, such as `http://127.0.0.1:2379`. */
  readonly endpoints: readonly string[];
  readonly log?: StoreLog;
  /** Hears of each time that etcd does not let this user in, or not to a key. */
  readonly onDenied?: () => void;
}

/** Compare-and-set, so that of two control planes the slower one cannot set the revision back. */
async function raiseRevision(etcd: Etcd3, key: string, revision: number): Promise<void> {
  // Each failed round means that somebody else raised it.
  for (let round = 0; round < 20; round += 1) {
    const [held] = (await answerOf(etcd.get(key).exec())).kvs;
    if (held !== undefined && Number(held.value.toString()) >= revision) return;
    const put = await answerOf(
      etcd
        .if(key, 'Mod', '==', held?.mod_revision ?? 0)
        .then(etcd.put(key).value(String(revision)))
        .commit(),
    );
    if (put.succeeded) return;
  }
  throw storeUnavailable('etcd', new Error(`${key} is written by too many at once`));
}

/** The revision key, liveness leases and their watches, over etcd3. */
export function openCoordination({ endpoints, log, onDenied, ...access }: CoordinationOptions): Coordination {
  const etcd = connectEtcd(endpoints, access);
  const members = connectMembers(etcd, endpoints, access);
  const renew = leaseRenewer(members);
  const outage = watchOutage('etcd', log, onDenied);
  const lasting = new Set<Lasting>();

  /** Waits for the first attempt; returns how to stop it. */
  async function keep(begun: Lasting): Promise<() => Promise<void>> {
    lasting.add(begun);
    await begun.begun;
    return async () => {
      lasting.delete(begun);
      await begun.stop();
    };
  }

  async function noting(call: Promise<unknown>): Promise<void> {
    try {
      await call;
    } catch (cause) {
      outage.failed(cause);
      throw cause;
    }
    outage.recovered();
  }

  return {
    publishRevision: (cluster, revision) => noting(raiseRevision(etcd, etcdKeys.revision(cluster), revision)),
    watchRevision(cluster, onRevision) {
      const key = etcdKeys.revision(cluster);
      let newest = -1;
      return keep(
        followKeys(etcd, new Range(key), outage, {
          read: textOf,
          onState(values) {
            const revision = Number(values.get(key) ?? Number.NaN);
            if (!(revision > newest)) return;
            newest = revision;
            onRevision(revision);
          },
        }),
      );
    },
    keepAlive: (cluster, node, liveness) => keep(holdKey(etcd, renew, etcdKeys.alive(cluster, node), liveness, outage)),
    watchAlive(cluster, onChange) {
      const prefix = etcdKeys.alivePrefix(cluster);
      return keep(
        followKeys(etcd, Range.prefix(prefix), outage, {
          read: textOf,
          onState(values) {
            const alive = new Map<string, Liveness>();
            for (const [key, value] of values) {
              const liveness = parseLiveness(value);
              if (liveness !== undefined) alive.set(key.slice(prefix.length), liveness);
            }
            onChange(alive);
          },
        }),
      );
    },
    ping: () => noting(answerOf(etcd.get('/portolan/v1').exec())),
    async close() {
      await Promise.all([...lasting].map((one) => one.stop()));
      lasting.clear();
      for (const client of new Set([etcd, ...members])) client.close();
    },
  };
}
