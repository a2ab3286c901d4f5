import { leasesOf, type RegistryView } from '@portolan/flannel';
import type { Snapshot } from '@portolan/model';
import { FLANNEL_TTL_SECONDS } from '@portolan/store';
import type { Context } from '../application/context.js';
import { forEachCluster } from './each-cluster.js';

/** A lease is renewed each time when a 24th of its life is over: it outlasts an outage of almost a day. */
const RENEW_MS = (FLANNEL_TTL_SECONDS / 24) * 1000;

/**
 * Renews the leases of our nodes, so that they do not end while the node is there, and answers with the milliseconds until the next is
 * due. After a start all are: nobody knows when they were renewed last. Entries are not written by it, so peers see no event.
 */
export function renewalTask(ctx: Context): (signal: AbortSignal) => Promise<number | undefined> {
  return async (signal) => {
    let next: number | undefined;
    await forEachCluster(ctx, signal, async (cluster) => {
      const view = ctx.registryViews.of(cluster);
      if (view === undefined) return;
      const held = ownLeaseIds(await ctx.store.snapshot(cluster), view);
      ctx.renewals.keep(cluster, new Set(held));
      const now = ctx.clock.monotonic();
      const due = held.filter((id) => now - (ctx.renewals.at(cluster, id) ?? Number.NEGATIVE_INFINITY) >= RENEW_MS);
      if (due.length > 0) await renew(cluster, due, now);
      const oldest = ctx.renewals.oldest(cluster);
      if (oldest !== undefined) next = Math.min(next ?? RENEW_MS, oldest + RENEW_MS - now);
    });
    return next;
  };

  async function renew(cluster: string, leaseIds: readonly string[], now: number): Promise<void> {
    const gone = await ctx.registry.renew(leaseIds);
    // One that is gone is written anew, with another id.
    ctx.renewals.note(cluster, leaseIds, now);
    ctx.log.debug({ cluster, renewed: leaseIds.length - gone.length, gone: gone.length }, 'leases of flannel renewed');
    if (gone.length > 0) ctx.changes.notify('registry', cluster);
  }
}

/** Ids of the leases that our nodes hold. That of a host that is unreachable ends by itself, as it would with flanneld. */
function ownLeaseIds(snapshot: Snapshot, view: RegistryView): readonly string[] {
  const { flannel, nodes } = snapshot;
  if (flannel === null || flannel.leaving) return [];
  return [...leasesOf(snapshot, view).values()].flatMap(({ key, nodeId }) => {
    const node = nodeId === null ? undefined : nodes.get(nodeId);
    const leaseId = view.subnets.get(key)?.leaseId ?? null;
    return node === undefined || node.condition === 'unreachable' || leaseId === null ? [] : [leaseId];
  });
}
