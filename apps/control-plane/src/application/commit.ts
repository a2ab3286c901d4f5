import { releaseRetired } from '@portolan/ipam';
import { type Change, changesOf, type Snapshot } from '@portolan/model';
import type { Context } from './context.js';
import { settledRevisionOf } from './status.js';

/** Who acts, and through which door; it is written to the audit trail. */
export type Actor = string;

export interface Outcome {
  readonly snapshot: Snapshot;
  readonly revision: number;
  /** False when everything was as wanted already: there is no new revision. */
  readonly changed: boolean;
  readonly changes: readonly Change[];
}

/** Pure; answers with the very snapshot that it was given when there is nothing to change. */
export type Edit = (snapshot: Snapshot) => Snapshot;

/** Commits an edit and wakes everybody whom it concerns. Every change of intent goes through here. */
export async function commitEdit(ctx: Context, actor: Actor, cluster: string, summary: string, edit: Edit): Promise<Outcome> {
  const seen: { before?: Snapshot } = {};
  const { snapshot, changed } = await ctx.store.commit(cluster, { actor, summary }, (current, settledRevision) => {
    seen.before = current;
    return edited(current, settledRevision, edit);
  });
  const outcome = outcomeOf(seen.before ?? snapshot, snapshot, changed);
  if (changed) {
    ctx.counters.committed(cluster);
    ctx.log.info({ cluster, revision: outcome.revision, actor, changes: outcome.changes.length }, summary);
    ctx.changes.notify('committed', cluster);
  }
  return outcome;
}

/** What an edit would do, without doing it. */
export async function dryRun(ctx: Context, cluster: string, edit: Edit): Promise<Outcome> {
  const before = await ctx.store.snapshot(cluster);
  const after = edited(before, settledRevisionOf(before, await ctx.store.progress(before.cluster.id)), edit);
  return outcomeOf(before, after, after !== before);
}

/** What no node holds any more is free before the edit; to give it free is no change by itself, so nothing is committed for it alone. */
function edited(base: Snapshot, settledRevision: number, edit: Edit): Snapshot {
  const released = releaseRetired(base, settledRevision);
  const after = edit(released);
  return after === released ? base : after;
}

function outcomeOf(before: Snapshot, after: Snapshot, changed: boolean): Outcome {
  return { snapshot: after, revision: after.cluster.revision, changed, changes: changed ? changesOf(before, after) : [] };
}
