import { bulkhead } from 'cockatiel';
import type { Etcd3 } from 'etcd3';
import { answerOf, deadlineOf } from './client.js';

/** Leases that are renewed on one stream, and streams and calls at a time. A follower passes each renewal on to the leader. */
const BATCH = 500;
const STREAMS = 4;
const CALLS = 50;

/** Renews leases without writing their keys; answers with those that etcd no longer knows. */
export type Renew = (leases: readonly string[]) => Promise<readonly string[]>;

/**
 * Renews over streams, which etcd3 opens to any member by chance, also to one that has gone, and then leaves to themselves. So each
 * member has a client of its own here: what one fails is tried with the next, and the one that answered is asked first. Leases are renewed
 * in batches of 500; all attempts for one batch together have 3 s.
 */
export function leaseRenewer(members: readonly Etcd3[]): Renew {
  const limit = bulkhead(STREAMS, Number.POSITIVE_INFINITY);
  let first = 0;

  async function renewBatch(leases: readonly string[]): Promise<readonly string[]> {
    let failure: unknown;
    const order = members.map((_, i) => (first + i) % members.length);
    for (const i of order) {
      const member = members[i];
      if (member === undefined) continue;
      try {
        const gone = await renewOnce(member, leases, deadlineOf(members.length));
        first = i;
        return gone;
      } catch (cause) {
        failure = cause;
      }
    }
    throw failure;
  }

  return async (leases) => {
    const batches: (readonly string[])[] = [];
    for (let start = 0; start < leases.length; start += BATCH) batches.push(leases.slice(start, start + BATCH));
    return (await Promise.all(batches.map((batch) => limit.execute(() => renewBatch(batch))))).flat();
  };
}

async function renewOnce(etcd: Etcd3, leases: readonly string[], milliseconds: number): Promise<readonly string[]> {
  const stream = await etcd.leaseClient.leaseKeepAlive({ deadline: Date.now() + milliseconds });
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

/** Seconds that each lease has left; those that etcd does not know are missing. etcd has no call for several, so they are asked 50 at a time, each with a deadline of its own. */
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
