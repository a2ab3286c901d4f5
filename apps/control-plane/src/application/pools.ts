import { type PoolUsage, poolUsage, releaseRetired } from '@portolan/ipam';
import type { Id, Snapshot } from '@portolan/model';
import { settledRevisionOf } from '@portolan/store';
import type { Context } from './context.js';

/** The last count of each snapshot, with the revision up to which values had been released for it. */
const counts = new WeakMap<Snapshot, { readonly settled: number; readonly usages: readonly PoolUsage[] }>();

/** How much of each pool is used, and by what; what no node holds any more is free. */
export async function poolsOf(ctx: Context, snapshot: Snapshot): Promise<readonly PoolUsage[]> {
  const settled = snapshot.retired.length === 0 ? 0 : settledRevisionOf(snapshot, await ctx.store.progress(snapshot.cluster.id));
  const known = counts.get(snapshot);
  if (known?.settled === settled) return known.usages;
  const usages = poolUsage(releaseRetired(snapshot, settled));
  counts.set(snapshot, { settled, usages });
  return usages;
}

/** The addresses of each network, by its id. */
export async function networkUsages(ctx: Context, snapshot: Snapshot): Promise<ReadonlyMap<Id, PoolUsage>> {
  const addresses = (await poolsOf(ctx, snapshot)).filter(({ pool }) => pool === 'addresses');
  return new Map(addresses.flatMap((usage) => (usage.networkId === null ? [] : [[usage.networkId, usage] as const])));
}
