import type { Coordination } from '@portolan/store';
import type { Context } from '../application/context.js';
import { clusterStatus } from '../application/status.js';

/** Published again after this many milliseconds even when it has not moved: etcd may have been restored from a backup. */
const REPEAT_MS = 30_000;

/** Tells the agents through etcd up to which revision every node's state is computed. */
export function revisionPublisher(ctx: Context, coordination: Coordination): (signal: AbortSignal) => Promise<void> {
  const published = new Map<string, { readonly revision: number; readonly at: number }>();
  return async (signal) => {
    const clusters = await ctx.store.listClusters();
    for (const gone of [...published.keys()].filter((name) => !clusters.some((cluster) => cluster.name === name))) published.delete(gone);
    for (const { name } of clusters) {
      if (signal.aborted) return;
      const revision = (await clusterStatus(ctx, name)).computedRevision;
      const now = ctx.clock.now().getTime();
      const last = published.get(name);
      if (last?.revision === revision && now - last.at < REPEAT_MS) continue;
      await coordination.publishRevision(name, revision);
      published.set(name, { revision, at: now });
    }
  };
}
