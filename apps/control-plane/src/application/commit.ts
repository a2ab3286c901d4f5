import { type Change, changesOf, type Snapshot } from '@portolan/model';
import type { Context } from './context.js';

/** Who acts, and through which door; it is written to the audit trail. */
export type Actor = string;

export interface Outcome {
  readonly snapshot: Snapshot;
  readonly revision: number;
  /** False when everything was as wanted already: there is no new revision. */
  readonly changed: boolean;
  readonly changes: readonly Change[];
}

/** Commits an edit and wakes everybody whom it concerns. Every change of intent goes through here. */
export async function commitEdit(ctx: Context, actor: Actor, cluster: string, summary: string, edit: (snapshot: Snapshot) => Snapshot): Promise<Outcome> {
  const seen: { before?: Snapshot } = {};
  const { snapshot, changed } = await ctx.store.commit(cluster, { actor, summary }, (current) => {
    seen.before = current;
    return edit(current);
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
export async function dryRun(ctx: Context, cluster: string, edit: (snapshot: Snapshot) => Snapshot): Promise<Outcome> {
  const before = await ctx.store.snapshot(cluster);
  const after = edit(before);
  return outcomeOf(before, after, after !== before);
}

function outcomeOf(before: Snapshot, after: Snapshot, changed: boolean): Outcome {
  return { snapshot: after, revision: after.cluster.revision, changed, changes: changed ? changesOf(before, after) : [] };
}
