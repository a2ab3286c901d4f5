import { finishDrains } from '@portolan/intent';
import type { Id, Snapshot } from '@portolan/model';
import { notingTask } from '../application/actor.js';
import { commitEdit } from '../application/commit.js';
import type { Context } from '../application/context.js';
import { acknowledgementOf, connectionsOf, type Leaving, leavingEndpoints, type ProgressByNode, progressByNode } from '../application/drains.js';
import { forEachCluster } from './each-cluster.js';

const ACTOR = notingTask('drain');
/**
 * Agents count connections every so often, so a zero that was counted before the last node acknowledged may hide a connection that
 * came by that node. And IPVS remembers where the first packet of a connection went: one that was lost is sent again after a second
 * (RFC 6298 §2.1), to the same endpoint, whatever its weight is by then. So a zero is believed only when it still holds after this many milliseconds.
 */
const SETTLE_MS = 2000;

/**
 * Ends the drains that are done: acknowledged by every node that takes part, and without connections or past the deadline (which also
 * excuses hosts of which the agent is gone). Answers
 * with the milliseconds until the next one may be.
 *
 * ```
 * names gone, weight 0 ─► every node acknowledges ─► no connections for a while ─┬─► drained: safe to stop; deleted where that was asked for
 *                                                └─► deadline ───────────────────┘
 * ```
 */
export function drainTask(ctx: Context): (signal: AbortSignal) => Promise<number | undefined> {
  /** When this process first saw that everybody had acknowledged. Lost, a drain takes a moment longer. */
  let acknowledgedAt = new Map<string, number>();

  return async (signal) => {
    const now = ctx.clock.now().getTime();
    const seen = new Map<string, number>();
    let next: number | undefined;
    await forEachCluster(ctx, signal, async (cluster) => {
      const snapshot = await ctx.store.snapshot(cluster);
      if (leavingEndpoints(snapshot).length === 0) return;
      const progress = progressByNode(await ctx.store.progress(snapshot.cluster.id));
      const done = new Map<Id, number>();
      for (const { id, drain, due } of duesOf(snapshot, progress, (key) => {
        const at = acknowledgedAt.get(key) ?? now;
        seen.set(key, at);
        return at;
      })) {
        if (due <= now) done.set(id, drain.revision);
        else next = Math.min(next ?? due - now, due - now);
      }
      if (done.size > 0) await finish(ctx, cluster, snapshot, done);
    });
    acknowledgedAt = seen;
    return next;
  };
}

/** Each acknowledged drain with the time from when on it is done. */
function duesOf(snapshot: Snapshot, progress: ProgressByNode, acknowledgedAt: (key: string) => number) {
  return leavingEndpoints(snapshot).flatMap((endpoint) => {
    const { id, drain } = endpoint;
    const { pending, silent } = acknowledgementOf(snapshot, endpoint, drain.revision, progress);
    if (pending.length > 0) return [];
    if (silent.length > 0) return [{ id, drain, due: drain.deadline }];
    const settled = acknowledgedAt(`${id}/${drain.revision}`) + settlingMilliseconds(snapshot, endpoint);
    const due = connectionsOf(snapshot, endpoint, progress) === 0 ? Math.min(settled, drain.deadline) : drain.deadline;
    return [{ id, drain, due }];
  });
}

/** Without a VIP, clients may hold the address of the endpoint until the name's time to live is over. */
function settlingMilliseconds({ cluster, services }: Snapshot, { serviceId }: Leaving): number {
  const isNamed = serviceId === null || services.get(serviceId)?.endpointMode === 'dnsrr';
  return isNamed ? Math.max(SETTLE_MS, cluster.settings.dnsTtl * 1000) : SETTLE_MS;
}

/** `done`: the revision of the drain by endpoint: one that was cancelled and begun again meanwhile goes on. */
async function finish(ctx: Context, cluster: string, { endpoints }: Snapshot, done: ReadonlyMap<Id, number>): Promise<void> {
  const names = [...done.keys()].map((id) => endpoints.get(id)?.name ?? id).sort();
  const summary = names.length === 1 ? `endpoint ${names[0]} is drained` : `${names.length} endpoints are drained`;
  await commitEdit(ctx, ACTOR, cluster, summary, (current) =>
    finishDrains(
      current,
      [...done].filter(([id, revision]) => current.endpoints.get(id)?.drain?.revision === revision).map(([id]) => id),
    ),
  );
}
