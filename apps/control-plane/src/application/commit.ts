import { releaseRetired } from '@portolan/ipam';
import { type Change, changesOf, portolanError, type Snapshot } from '@portolan/model';
import { type ChangeNote, type Changeset, settledRevisionOf } from '@portolan/store';
import { type Actor, isObservation } from './actor.js';
import type { Context } from './context.js';

export interface Outcome {
  readonly snapshot: Snapshot;
  readonly revision: number;
  /** False when everything was as wanted already: there is no new revision. */
  readonly changed: boolean;
  readonly changes: readonly Change[];
}

/** Pure; answers with the very snapshot that it was given when there is nothing to change. */
export type Edit = (snapshot: Snapshot) => Snapshot;

/**
 * Commits an edit and wakes everybody whom it concerns. What people want waits until a rollout is over (`rollout-in-progress`), what is
 * observed does not. With `report`, nothing is done once a later one of its node was saved.
 */
export async function commitEdit(ctx: Context, actor: Actor, cluster: string, summary: string, edit: Edit, report?: ChangeNote['report']): Promise<Outcome> {
  if (isObservation({ actor: actor.name, from: actor.from })) return committed(ctx, { actor: actor.name, summary, report }, cluster, edit);
  for (;;) {
    const snapshot = await ctx.store.snapshot(cluster);
    const active = await ctx.store.activeChangeset(snapshot.cluster.id);
    if (active !== null) throw rolloutInProgress(active);
    const outcome = await commitAt(ctx, actor, snapshot, summary, edit);
    if (outcome !== undefined) return outcome;
  }
}

/**
 * Commits an edit on exactly this revision; undefined, and nothing is done, when there is a newer one. So what was seen after the snapshot
 * was read still holds: a rollout, too, begins with a revision.
 */
export async function commitAt(
  ctx: Context,
  { name, from }: Actor,
  { cluster: { name: cluster, revision } }: Snapshot,
  summary: string,
  edit: Edit,
  changeset?: ChangeNote['changeset'],
): Promise<Outcome | undefined> {
  let moved = false;
  const note = { actor: name, summary, ...(from === null ? {} : { from }), ...(changeset === undefined ? {} : { changeset }) };
  const outcome = await committed(ctx, note, cluster, (current) => {
    moved = current.cluster.revision !== revision;
    return moved ? current : edit(current);
  });
  return moved ? undefined : outcome;
}

/** Commits an edit by which a changeset moves. The changeset may not have moved meanwhile, so no rollout is disturbed. */
export function commitMove(
  ctx: Context,
  { name, from }: Actor,
  cluster: string,
  summary: string,
  edit: Edit,
  changeset: NonNullable<ChangeNote['changeset']>,
): Promise<Outcome> {
  return committed(ctx, { actor: name, summary, ...(from === null ? {} : { from }), changeset }, cluster, edit);
}

/** Every change of intent goes through here. */
async function committed(ctx: Context, note: ChangeNote, cluster: string, edit: Edit): Promise<Outcome> {
  const seen: { before?: Snapshot } = {};
  const { snapshot, changed } = await ctx.store.commit(cluster, note, (current, settledRevision) => {
    seen.before = current;
    return edited(current, settledRevision, edit);
  });
  const outcome = outcomeOf(seen.before ?? snapshot, snapshot, changed);
  if (changed) {
    const { actor, from, summary } = note;
    ctx.counters.committed(cluster);
    ctx.log.info({ cluster, revision: outcome.revision, actor, ...(from === undefined ? {} : { from }), changes: outcome.changes.length }, summary);
    ctx.changes.notify('committed', cluster);
  }
  return outcome;
}

/** What an edit would do, without doing it. */
export async function dryRun(ctx: Context, cluster: string, edit: Edit): Promise<Outcome> {
  const before = await ctx.store.snapshot(cluster);
  return dryRunOn(ctx, before, edit);
}

/** The same on a snapshot that was read: the newest. */
export async function dryRunOn(ctx: Context, before: Snapshot, edit: Edit): Promise<Outcome> {
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

export function rolloutInProgress({ id, status, summary }: Changeset): Error {
  return portolanError('rollout-in-progress', '', `the changeset ${id} (${summary}) is ${status}`);
}
