import type { Coordination } from '@portolan/store';
import type { Context } from '../application/context.js';
import { waitingNodes } from '../application/held-nodes.js';
import { snapshotWithRollout } from '../application/rollout-view.js';
import { statusOf } from '../application/status.js';

/** Published again after this many milliseconds even when it has not moved: etcd may have been restored from a backup. */
const REPEAT_MS = 30_000;

/** Tells the agents through etcd up to which revision every node's state is computed. Nodes that are held in a rollout hold up nobody. */
export function revisionPublisher(ctx: Context, coordination: Coordination): (signal: AbortSignal) => Promise<void> {
  const published = new Map<string, { readonly revision: number; readonly at: number }>();
  return async (signal) => {
    const clusters = await ctx.store.listClusters();
    for (const gone of [...published.keys()].filter((name) => !clusters.some((cluster) => cluster.name === name))) published.delete(gone);
    for (const { name } of clusters) {
      if (signal.aborted) return;
      const revision = await computedRevision(ctx, name);
      const now = ctx.clock.now().getTime();
      const last = published.get(name);
      if (last?.revision === revision && now - last.at < REPEAT_MS) continue;
      await coordination.publishRevision(name, revision);
      published.set(name, { revision, at: now });
    }
  };
}

async function computedRevision(ctx: Context, cluster: string): Promise<number> {
  const { snapshot, underway } = await snapshotWithRollout(ctx, cluster);
  const held = new Set(underway === null ? [] : waitingNodes(underway));
  const { nodes, intentRevision } = await statusOf(ctx, snapshot);
  return Math.min(intentRevision, ...nodes.flatMap((node) => (held.has(node.id) ? [] : [node.computedRevision])));
}
