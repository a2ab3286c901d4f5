import { LIVENESS_TTL_SECONDS, type Liveness } from '@portolan/protocol';
import type { Etcd3 } from 'etcd3';
import type { Outage } from '../outage.js';
import { answerOf } from './client.js';
import { type Lasting, repeat } from './lasting.js';
import type { Renew } from './leases.js';

/** What a liveness key holds; undefined for a value that no agent wrote. */
export function parseLiveness(value: string): Liveness | undefined {
  try {
    const { version, startedAt, pid } = JSON.parse(value) as Partial<Liveness>;
    return typeof version === 'string' && typeof startedAt === 'string' && typeof pid === 'number' ? { version, startedAt, pid } : undefined;
  } catch {
    return undefined;
  }
}

/** Puts the key under our lease, unless a holder that started later has it: then we are what a restart left behind. */
async function claimKey(etcd: Etcd3, key: string, lease: string, liveness: Liveness): Promise<void> {
  const [held] = (await answerOf(etcd.get(key).exec())).kvs;
  if (held?.lease === lease) return;
  const holder = held === undefined ? undefined : parseLiveness(held.value.toString());
  if (holder !== undefined && holder.startedAt > liveness.startedAt) return;
  // When the comparison fails somebody else wrote in between; the next round sees who.
  await answerOf(
    etcd
      .if(key, 'Mod', '==', held?.mod_revision ?? 0)
      .then(etcd.put(key).value(JSON.stringify(liveness)).lease(lease))
      .commit(),
  );
}

/** Holds a liveness key until stopped; then its lease is given back, and with it the key, if it is still ours. */
export function holdKey(etcd: Etcd3, renew: Renew, key: string, liveness: Liveness, outage: Outage): Lasting {
  let lease: string | undefined;
  const holding = repeat(
    async () => {
      if (lease !== undefined && (await answerOf(renew([lease]))).includes(lease)) lease = undefined;
      lease ??= (await answerOf(etcd.leaseClient.leaseGrant({ TTL: LIVENESS_TTL_SECONDS }))).ID;
      await claimKey(etcd, key, lease, liveness);
      outage.recovered();
    },
    // Two renewals may fail before the lease ends.
    (LIVENESS_TTL_SECONDS * 1_000) / 3,
    (cause) => outage.failed(cause),
  );
  return {
    begun: holding.begun,
    async stop() {
      await holding.stop();
      // Without etcd the lease ends by itself.
      if (lease !== undefined) await answerOf(etcd.leaseClient.leaseRevoke({ ID: lease })).catch(() => undefined);
    },
  };
}
