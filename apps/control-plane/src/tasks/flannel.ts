import { leasesOf, type RegistryView, registryPlan } from '@portolan/flannel';
import { finishFlannel, observeRegistry } from '@portolan/intent';
import type { Flannel, Snapshot } from '@portolan/model';
import { notingTask } from '../application/actor.js';
import { commitEdit } from '../application/commit.js';
import type { Context } from '../application/context.js';
import { type ProgressByNode, progressByNode } from '../application/drains.js';
import { acknowledgedNodes, isEmptyPlan, retiredPaths } from '../application/flannel-progress.js';
import { writeRegistry } from '../application/registry-writes.js';
import { forEachCluster } from './each-cluster.js';
import { mirrorSummary } from './mirror-summary.js';

const ACTOR = notingTask('flannel');
/** After so many refused plans in a row the next poke, or the timer, goes on. */
const MOST_ROUNDS = 6;

/**
 * Brings flannel's registry in etcd and the snapshots together. etcd says who owns which subnet, the intent who should:
 *
 * ```
 * snapshot ─► read the registry ─► plan ─► compare-and-set ─┬─ refused: somebody was first, again from the start
 *                                                           └─ read again ─► mirror into the snapshot ─► end what is over
 * ```
 *
 * Several control planes may do it at once: an entry is written by one of them, and what they read is mirrored in the order of etcd's
 * revisions, because a snapshot is taken before the registry is read and a mirror that moved since is left alone.
 */
export function flannelTask(ctx: Context): (signal: AbortSignal) => Promise<void> {
  /** The view with which a snapshot was found to be in step, whatever the nodes report. */
  const inStep = new WeakMap<Snapshot, RegistryView>();

  return (signal) =>
    forEachCluster(ctx, signal, async (cluster) => {
      for (let round = 0; round < MOST_ROUNDS && !signal.aborted; round++) if (await reconcile(cluster)) return;
      if (!signal.aborted) ctx.log.warn({ cluster, rounds: MOST_ROUNDS }, "flannel's registry changes faster than it is written; going on later");
    });

  /** False: something else moved meanwhile, so it has to be planned again. */
  async function reconcile(cluster: string): Promise<boolean> {
    const snapshot = await ctx.store.snapshot(cluster);
    const watched = ctx.registryViews.of(cluster);
    const { flannel } = snapshot;
    if (flannel === null || watched === undefined || inStep.get(snapshot) === watched) return true;
    if (isInStep(snapshot, flannel, watched)) {
      inStep.set(snapshot, watched);
      return true;
    }
    const progress = progressByNode(await ctx.store.progress(snapshot.cluster.id));
    const before = await ctx.registry.read(flannel.prefix);
    const plan = registryPlan(snapshot, before, acknowledgedNodes(snapshot, flannel, progress));
    const refused = await writeRegistry(ctx, cluster, flannel.prefix, plan);
    const view = isEmptyPlan(plan) ? before : await ctx.registry.read(flannel.prefix);
    const mirrored = await mirror(cluster, snapshot, view);
    // The commit pokes this task again.
    if (mirrored === 'committed') return refused === 0;
    if (mirrored === 'moved' || !isEmptyPlan(plan)) return false;
    await finish(cluster, snapshot, flannel, view, progress);
    return true;
  }

  /** moved: another process has mirrored something meanwhile. */
  async function mirror(cluster: string, snapshot: Snapshot, view: RegistryView): Promise<'same' | 'committed' | 'moved'> {
    const leases = leasesOf(snapshot, view);
    if (observeRegistry(snapshot, leases) === snapshot) return 'same';
    const { changed } = await commitEdit(ctx, ACTOR, cluster, mirrorSummary(snapshot, leases), (current) =>
      isSameMirror(snapshot, current) ? observeRegistry(current, leasesOf(current, view)) : current,
    );
    return changed ? 'committed' : 'moved';
  }

  /** Nothing is left to be written or mirrored: ends what has become of no use. */
  async function finish(cluster: string, snapshot: Snapshot, flannel: Flannel, view: RegistryView, progress: ProgressByNode): Promise<void> {
    const left = flannel.leaving;
    const retired = left ? [] : retiredPaths(snapshot, leasesOf(snapshot, view), progress);
    if (!left && retired.length === 0) return;
    const summary = left ? `the flannel network ${flannel.network} is gone` : `${retired.join(', ')} is used by nobody any more`;
    await commitEdit(ctx, ACTOR, cluster, summary, (current) => {
      const isSame = isSameMirror(snapshot, current) && current.flannel?.backendRevision === flannel.backendRevision;
      return isSame && current.flannel?.leaving === flannel.leaving ? finishFlannel(current, { retired, left }) : current;
    });
  }
}

/** Nothing is to be written, mirrored or ended, whatever nodes have applied. */
function isInStep(snapshot: Snapshot, flannel: Flannel, view: RegistryView): boolean {
  if (flannel.leaving || flannel.retiring.length > 0) return false;
  return isEmptyPlan(registryPlan(snapshot, view, new Set(snapshot.nodes.keys()))) && observeRegistry(snapshot, leasesOf(snapshot, view)) === snapshot;
}

/** Nobody has mirrored anything between the two. */
function isSameMirror({ flannel: before }: Snapshot, { flannel: now }: Snapshot): boolean {
  return now !== null && before !== null && now.prefix === before.prefix && now.leasesRevision === before.leasesRevision;
}
