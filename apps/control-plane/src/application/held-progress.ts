import type { Snapshot } from '@portolan/model';
import type { NodeProgress } from '@portolan/store';
import type { Context } from './context.js';
import { heldNodes, waitingNodes } from './held-nodes.js';
import { underwayIn } from './rollout-view.js';

/**
 * How far what was seen has come to each node. One that is held in a rollout stays at the revision before the change, but it gets what was
 * seen since: it counts as far as the newest of that is in a state that it has applied.
 */
export async function progressOfSeen(ctx: Context, snapshot: Snapshot): Promise<readonly NodeProgress[]> {
  const rows = await ctx.store.progress(snapshot.cluster.id);
  const underway = await underwayIn(ctx, snapshot);
  const held = new Set(underway === null ? [] : waitingNodes(underway));
  if (held.size === 0) return rows;
  return Promise.all(
    rows.map(async (row) => {
      const seen = held.has(row.nodeId) && row.lastStatus === 'applied' ? heldNodes(ctx).seenUpTo(row) : undefined;
      if (seen === undefined || seen <= row.appliedRevision) return row;
      const [job] = await ctx.store.jobs(snapshot.cluster.id, { nodeId: row.nodeId, limit: 1 });
      return job?.generation === row.generation && job.status === 'applied' ? { ...row, appliedRevision: seen } : row;
    }),
  );
}
