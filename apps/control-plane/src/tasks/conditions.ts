import { watchersOf } from '@portolan/compute';
import { setConditions } from '@portolan/intent';
import type { Id, Node, Snapshot } from '@portolan/model';
import { notingTask } from '../application/actor.js';
import { commitEdit } from '../application/commit.js';
import { conditionsToNote } from '../application/conditions.js';
import type { Context } from '../application/context.js';
import { progressByNode } from '../application/drains.js';
import { progressOfSeen } from '../application/held-progress.js';
import { forEachCluster } from './each-cluster.js';

const ACTOR = notingTask('conditions');

/** Notes which hosts are up, silent or unreachable, by their leases and by what other nodes say of them. */
export function conditionsTask(ctx: Context): (signal: AbortSignal) => Promise<void> {
  /** Of this process: after a restart what was reported before counts, as far as the nodes did not say otherwise since. */
  const silentSince = new Map<Id, number>();

  return (signal) =>
    forEachCluster(ctx, signal, async (cluster) => {
      const snapshot = await ctx.store.snapshot(cluster);
      const conditions = conditionsToNote(snapshot, {
        isAlive: (node) => ctx.liveness.isAlive(cluster, node.name),
        watchersOf: (node) => watchersOf(snapshot, node.id),
        progress: progressByNode(hasSilent(snapshot) ? await progressOfSeen(ctx, snapshot) : []),
        silentSince,
      });
      if (conditions.size === 0) return;
      const seen = new Map([...conditions.keys()].map((id) => [id, snapshot.nodes.get(id)?.condition]));
      const { revision } = await commitEdit(ctx, ACTOR, cluster, summaryOf(snapshot, conditions), (current) =>
        // What another process noted meanwhile was noted by newer evidence.
        setConditions(current, new Map([...conditions].filter(([id]) => current.nodes.get(id)?.condition === seen.get(id)))),
      );
      for (const [id, condition] of conditions) {
        if (condition === 'silent') silentSince.set(id, revision);
        else silentSince.delete(id);
      }
    });
}

function hasSilent({ nodes }: Snapshot): boolean {
  return [...nodes.values()].some(({ condition }) => condition === 'silent');
}

/** Names as many as a line holds. */
const MOST_NAMED = 3;

function summaryOf({ nodes }: Snapshot, conditions: ReadonlyMap<Id, Node['condition']>): string {
  const lines = [...conditions].map(([id, condition]) => `${nodes.get(id)?.name ?? id} is ${condition}`).sort();
  return lines.length <= MOST_NAMED ? lines.join(', ') : `${lines.slice(0, MOST_NAMED).join(', ')} and ${lines.length - MOST_NAMED} more`;
}
