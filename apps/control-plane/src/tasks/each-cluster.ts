import { PortolanError } from '@portolan/model';
import type { Context } from '../application/context.js';

/**
 * Does `work` for each cluster, one after the other. One for which it fails does not hold up the others: the first failure is
 * thrown at the end. An outage of the store ends it at once.
 */
export async function forEachCluster(ctx: Context, signal: AbortSignal, work: (cluster: string) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (const { name } of await ctx.store.listClusters()) {
    if (signal.aborted) return;
    try {
      await work(name);
    } catch (error) {
      if (isOutage(error)) throw error;
      // A cluster that was deleted meanwhile needs nothing.
      if (!(error instanceof PortolanError && error.code === 'not-found')) failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

export function isOutage(error: unknown): boolean {
  return error instanceof PortolanError && error.code === 'store-unavailable';
}
