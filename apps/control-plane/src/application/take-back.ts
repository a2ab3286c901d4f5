import { rollbackEdit } from '@portolan/intent';
import { portolanError } from '@portolan/model';
import type { Actor } from './actor.js';
import { noteMove } from './changesets.js';
import { commitMove } from './commit.js';
import type { Context } from './context.js';
import type { Underway } from './rollout-view.js';

/**
 * Commits what was wanted before a changeset, which ends with it; why is in its rollout. Fails with `precondition-failed` when the changeset has moved. While it
 * is under way nobody can want anything else, so nothing else is undone.
 */
export async function takeBack(ctx: Context, actor: Actor, cluster: string, changeset: Underway, force = false): Promise<void> {
  const { id, version, revision, summary } = changeset;
  const past = await ctx.store.snapshotAt(cluster, revision - 1);
  const now = ctx.clock.now().getTime();
  const status = 'rolled-back';
  const rollout = { ...changeset.rollout, nextBatchAt: null, confirmBy: null };
  const { changed } = await commitMove(
    ctx,
    actor,
    cluster,
    `roll back "${summary}": ${rollout.reason ?? 'no reason is given'}`,
    (current) => rollbackEdit(current, past, ctx.newId, { now, force }),
    { id, version, status, rollout },
  );
  // What it did is gone already, by what was observed since.
  if (!changed && !(await ctx.store.updateChangeset(id, version, { status, rollout }))) {
    throw portolanError('precondition-failed', '', `the changeset ${id} has moved meanwhile`);
  }
  noteMove(ctx, cluster, { ...changeset, status, rollout }, actor);
}
