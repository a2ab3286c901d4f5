import { PortolanError } from '@portolan/model';
import { rolloutTaskActor as ACTOR } from '../application/actor.js';
import { noteMove } from '../application/changesets.js';
import type { Context } from '../application/context.js';
import { heldNodes } from '../application/held-nodes.js';
import { confirmationAfter, type RolloutStep, rolloutAfter } from '../application/rollout.js';
import { rolloutEvidence } from '../application/rollout-evidence.js';
import { snapshotWithRollout, type Underway } from '../application/rollout-view.js';
import { takeBack } from '../application/take-back.js';
import { forEachCluster, isOutage } from './each-cluster.js';

/**
 * Moves the changesets that are under way, by what is true now: whoever is asked twice, late, or after a restart goes on where the row says. Answers with
 * the milliseconds until time alone moves one.
 *
 * ```
 * waiting ─► a batch may have it: compute gives it the newest state ─► it has applied it, and nothing fails for a while ─► the next batch
 *                                                                └─► too many fail: pause, go on, or commit what was wanted before
 * the last batch ─► applied, or confirming ─► not confirmed in time: commit what was wanted before
 * ```
 */
export function rolloutTask(ctx: Context): (signal: AbortSignal) => Promise<number | undefined> {
  return async (signal) => {
    let next: number | undefined;
    await forEachCluster(ctx, signal, async (cluster) => {
      const due = await advance(ctx, cluster, signal);
      if (due !== undefined) next = Math.min(next ?? due, due);
    });
    return next;
  };
}

/** One step after the other, as far as what is known goes. */
async function advance(ctx: Context, cluster: string, signal: AbortSignal): Promise<number | undefined> {
  while (!signal.aborted) {
    const { snapshot, underway } = await snapshotWithRollout(ctx, cluster);
    if (underway === null || underway.status === 'paused') return undefined;
    const now = ctx.clock.now();
    const step =
      underway.status === 'confirming'
        ? confirmationAfter(underway.rollout, now)
        : rolloutAfter(underway.rollout, await rolloutEvidence(ctx, snapshot, await heldNodes(ctx).baseOf(ctx, snapshot, underway), underway), now);
    if (step.status === underway.status && step.rollout === underway.rollout) return step.dueIn;
    await move(ctx, cluster, underway, step);
  }
  return undefined;
}

/** Another process, or a person, may have moved it meanwhile: then nothing is done, and it is looked at anew. */
async function move(ctx: Context, cluster: string, underway: Underway, { status, rollout }: RolloutStep): Promise<void> {
  if (status === 'rolled-back') return revert(ctx, cluster, { ...underway, rollout });
  if (await ctx.store.updateChangeset(underway.id, underway.version, { status, rollout })) noteMove(ctx, cluster, { ...underway, status, rollout }, ACTOR);
}

async function revert(ctx: Context, cluster: string, underway: Underway): Promise<void> {
  try {
    await takeBack(ctx, ACTOR, cluster, underway);
  } catch (error) {
    if (!(error instanceof PortolanError) || isOutage(error) || error.code === 'not-found') throw error;
    if (error.code === 'precondition-failed') return;
    // A person has to look at it.
    const reason = `${underway.rollout.reason ?? ''}; it cannot be rolled back: ${error.message}`;
    await move(ctx, cluster, underway, { status: 'paused', rollout: { ...underway.rollout, reason } });
  }
}
