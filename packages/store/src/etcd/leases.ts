import { bulkhead } from 'cockatiel';
import type { Etcd3 } from 'etcd3';
import { answerOf } from './client.js';

/** Leases that are renewed on one stream, and streams and calls at a time. A follower passes each renewal on to the leader. */
const BATCH = 500;
const STREAMS = 4;
const CALLS = 50;

/**
 * Renews leases without writing their keys; answers with those that etcd no longer knows. A stream goes to any member, also to one that
 * has gone; so with several, a failure is tried elsewhere, up to `attempts` times, before it counts. Each attempt has 3 s for 500 leases.
 */
export async function renewLeases(etcd: Etcd3, leases: readonly string[], attempts: number): Promise<readonly string[]> {
  const limit = bulkhead(STREAMS, Number.POSITIVE_INFINITY);
  const batches: (readonly string[])[] = [];
  for (let start = 0; start < leases.length; start += BATCH) batches.push(leases.slice(start, start + BATCH));
  return (await Promise.all(batches.map((batch) => limit.execute(() => renewBatch(etcd, batch, attempts))))).flat();
}

async function renewBatch(etcd: Etcd3, leases: readonly string[], attempts: number): Promise<readonly string[]> {
  for (let attempt = 1; attempt < attempts; attempt += 1) {
    try {
      return await renewOnce(etcd, leases);
    } catch {
      // The last attempt's error is the one that is told.
    }
  }
  return renewOnce(etcd, leases);
}

async function renewOnce(etcd: Etcd3, leases: readonly string[]): Promise<readonly string[]> {
  const stream = await etcd.leaseClient.leaseKeepAlive({ deadline: Date.now() + 3_000 });
  const waiting = new Set(leases);
  const gone: string[] = [];
  try {
    return await new Promise<readonly string[]>((resolve, reject) => {
      stream.on('error', reject);
      stream.on('end', () => reject(new Error('etcd ended the stream')));
      stream.on('data', ({ ID, TTL }) => {
        if (TTL === '0') gone.push(ID);
        waiting.delete(ID);
        if (waiting.size === 0) resolve(gone);
      });
      for (const lease of waiting) stream.write({ ID: lease });
    });
  } finally {
    stream.end();
  }
}

/** Seconds that each lease has left; those that etcd does not know are missing. */
export async function remainingSeconds(etcd: Etcd3, leases: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const limit = bulkhead(CALLS, Number.POSITIVE_INFINITY);
  const asked = leases.map((lease) =>
    limit.execute(async () => [lease, Number((await answerOf(etcd.leaseClient.leaseTimeToLive({ ID: lease }))).TTL)] as const),
  );
  // -1 where there is none.
  return new Map((await Promise.all(asked)).filter(([, seconds]) => seconds > 0));
}

/** Revokes a lease that no key goes with. It never fails: a lease that stays ends by itself. */
export async function revokeUnused(etcd: Etcd3, lease: string): Promise<void> {
  try {
    const { keys } = await answerOf(etcd.leaseClient.leaseTimeToLive({ ID: lease, keys: true }));
    if (keys.length === 0) await answerOf(etcd.leaseClient.leaseRevoke({ ID: lease }));
  } catch {
    // As good as done.
  }
}
