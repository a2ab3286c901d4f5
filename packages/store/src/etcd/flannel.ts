import type { RegistryEntry, RegistryView } from '@portolan/flannel';
import { type Etcd3, type IKeyValue, Range } from 'etcd3';
import { storeUnavailable, watchOutage } from '../outage.js';
import { FLANNEL_TTL_SECONDS, type FlannelRegistry, type StoreLog } from '../ports.js';
import { answerOf, connectEtcd, connectMembers, type EtcdAccess } from './client.js';
import type { Lasting } from './lasting.js';
import { leaseRenewer, remainingSeconds, revokeUnused } from './leases.js';
import { paced } from './pace.js';
import { followKeys, textOf } from './watch.js';

export interface FlannelRegistryOptions extends EtcdAccess {
  /** Client URLs of the members of one etcd cluster, such as `http://127.0.0.1:2379`. */
  readonly endpoints: readonly string[];
  readonly log?: StoreLog;
}

/** A thousand entries that are written at once are a few views, not a thousand; a single one is told at once. In ms. */
const PAUSE = 50;

const configKey = (prefix: string): string => `${prefix}/config`;
const subnetKey = (prefix: string, key: string): string => `${prefix}/subnets/${key}`;
const rangeOf = (prefix: string): Range => Range.prefix(`${prefix}/`);

/** flannel's registry over etcd3. */
export function openFlannelRegistry({ endpoints, log, ...access }: FlannelRegistryOptions): FlannelRegistry {
  const etcd = connectEtcd(endpoints, access);
  const members = connectMembers(etcd, endpoints, access);
  const renew = leaseRenewer(members);
  const outage = watchOutage('etcd', log);
  const lasting = new Set<Lasting>();

  async function noting<T>(call: Promise<T>): Promise<T> {
    try {
      const answer = await call;
      outage.recovered();
      return answer;
    } catch (cause) {
      outage.failed(cause);
      throw storeUnavailable('etcd', cause);
    }
  }

  return {
    read: (prefix) => noting(answerOf(readView(etcd, prefix))),
    async watch(prefix, onView) {
      const following = followView(etcd, prefix, outage, onView);
      lasting.add(following);
      await following.begun;
      return async () => {
        lasting.delete(following);
        await following.stop();
      };
    },
    writeConfig: (prefix, value, seen) => noting(answerOf(writeConfig(etcd, prefix, value, seen))),
    write: (prefix, entry, seen) => noting(answerOf(writeEntry(etcd, prefix, entry, seen))),
    remove: (prefix, seen) => noting(answerOf(removeEntry(etcd, prefix, seen))),
    // Thousands take longer than one call may; each batch and each question has its own deadline.
    renew: (leaseIds) => noting(renew(leaseIds)),
    remaining: (leaseIds) => noting(remainingSeconds(etcd, leaseIds)),
    async close() {
      await Promise.all([...lasting].map((one) => one.stop()));
      lasting.clear();
      for (const client of new Set([etcd, ...members])) client.close();
    },
  };
}

async function readView(etcd: Etcd3, prefix: string): Promise<RegistryView> {
  const { kvs } = await answerOf(etcd.getAll().inRange(rangeOf(prefix)).exec());
  return viewOf(
    prefix,
    kvs.map((kv) => readEntry(prefix, kv)),
  );
}

/** A key of the registry; its name is that below PREFIX/subnets/, else the whole. */
function readEntry(prefix: string, kv: IKeyValue): RegistryEntry {
  const key = kv.key.toString();
  const subnets = subnetKey(prefix, '');
  return {
    key: key.startsWith(subnets) ? key.slice(subnets.length) : key,
    value: textOf(kv),
    modRevision: kv.mod_revision,
    leaseId: kv.lease === '0' ? null : kv.lease,
  };
}

function viewOf(prefix: string, entries: Iterable<RegistryEntry>): RegistryView {
  let config: RegistryView['config'] = null;
  const subnets = new Map<string, RegistryEntry>();
  for (const entry of entries) {
    if (entry.key === configKey(prefix)) config = { value: entry.value, modRevision: entry.modRevision };
    // Something else below the prefix, such as another registry.
    else if (!entry.key.startsWith(`${prefix}/`)) subnets.set(entry.key, entry);
  }
  return { config, subnets };
}

/** Views of the registry until it is stopped, at most one each `PAUSE`. */
function followView(etcd: Etcd3, prefix: string, outage: ReturnType<typeof watchOutage>, onView: (view: RegistryView | undefined) => void): Lasting {
  let current: ReadonlyMap<string, RegistryEntry> | undefined;
  const pace = paced(PAUSE, () => onView(current === undefined ? undefined : viewOf(prefix, current.values())));
  const following = followKeys(etcd, rangeOf(prefix), outage, {
    read: (kv) => readEntry(prefix, kv),
    onState(state) {
      current = state;
      pace.offer();
    },
    onLoss() {
      current = undefined;
      pace.offer();
    },
  });
  return {
    begun: following.begun,
    stop() {
      pace.stop();
      return following.stop();
    },
  };
}

async function writeConfig(etcd: Etcd3, prefix: string, value: string | null, seen: string | null): Promise<boolean> {
  const key = configKey(prefix);
  const change = value === null ? etcd.delete().key(key) : etcd.put(key).value(value);
  const { succeeded } = await answerOf(
    etcd
      .if(key, 'Mod', '==', seen ?? 0)
      .then(change)
      .commit(),
  );
  return succeeded;
}

async function writeEntry(etcd: Etcd3, prefix: string, entry: Parameters<FlannelRegistry['write']>[1], seen: RegistryEntry | null): Promise<boolean> {
  const key = subnetKey(prefix, entry.key);
  const lease = entry.reserved ? null : (await answerOf(etcd.leaseClient.leaseGrant({ TTL: FLANNEL_TTL_SECONDS }))).ID;
  const put = etcd.put(key).value(entry.value);
  let written = false;
  try {
    const call = etcd.if(key, 'Mod', '==', seen?.modRevision ?? 0).then(lease === null ? put : put.lease(lease));
    written = (await answerOf(call.commit())).succeeded;
  } finally {
    // After an error nobody knows whether it was written; then the lease says.
    if (!written && lease !== null) await revokeUnused(etcd, lease);
  }
  if (written && seen !== null && seen.leaseId !== null) await revokeUnused(etcd, seen.leaseId);
  return written;
}

async function removeEntry(etcd: Etcd3, prefix: string, seen: RegistryEntry): Promise<boolean> {
  const key = subnetKey(prefix, seen.key);
  const { succeeded } = await answerOf(etcd.if(key, 'Mod', '==', seen.modRevision).then(etcd.delete().key(key)).commit());
  if (succeeded && seen.leaseId !== null) await revokeUnused(etcd, seen.leaseId);
  return succeeded;
}
