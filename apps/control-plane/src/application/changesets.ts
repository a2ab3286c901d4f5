import { randomUUID } from 'node:crypto';
import { type PortolanError, portolanError, type Snapshot } from '@portolan/model';
import type { Changeset } from '@portolan/store';
import type { Actor } from './actor.js';
import { documentFrom, editOf } from './changeset-document.js';
import { changesetPlanOf } from './changeset-plan.js';
import { dryRunOn } from './commit.js';
import type { Context } from './context.js';
import type { Page } from './objects.js';

/** Plans a change and keeps the plan; nothing is changed. */
export async function createChangeset(ctx: Context, actor: Actor, cluster: string, request: unknown): Promise<Changeset> {
  const { document, summary } = await documentFrom(ctx, cluster, request);
  const edit = await editOf(ctx, cluster, document);
  const base = await ctx.store.snapshot(cluster);
  const plan = await changesetPlanOf(ctx, base, await dryRunOn(ctx, base, edit(ctx.newId)));
  const { id: clusterId, revision: baseRevision } = base.cluster;
  const changeset = await ctx.store.createChangeset({
    id: randomUUID(),
    clusterId,
    actor: actor.name,
    from: actor.from,
    summary,
    baseRevision,
    document,
    plan,
  });
  ctx.log.info({ cluster, changeset: changeset.id, actor: actor.name, nodes: plan.nodes.length, blockers: plan.blockers.length }, `plan: ${summary}`);
  ctx.changes.notify('rollout', cluster);
  return changeset;
}

/** Throws `not-found`, also for one of another cluster. */
export async function changesetWithId(ctx: Context, { cluster: { id: clusterId, name } }: Snapshot, id: string): Promise<Changeset> {
  const changeset = await ctx.store.changeset(clusterId, id);
  if (changeset === null) throw portolanError('not-found', '', `cluster ${name} has no changeset ${id}`);
  return changeset;
}

/** Newest first; the cursor is the id of the last of the page before. */
export async function listChangesets(ctx: Context, { cluster: { id } }: Snapshot, limit: number, before?: string): Promise<Page<Changeset>> {
  const rows = await ctx.store.changesets(id, { limit: limit + 1, ...(before === undefined ? {} : { before }) });
  const items = rows.slice(0, limit);
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
}

/** A plan that nobody is going to apply. */
export function discardChangeset(ctx: Context, actor: Actor, cluster: string, id: string): Promise<Changeset> {
  return moveChangeset(ctx, actor, cluster, id, 'discard', ['planned'], ({ rollout }) => ({ status: 'discarded', rollout }));
}

type Move = Pick<Changeset, 'status' | 'rollout'>;

/** Moves a changeset from one of these statuses, as it is then. Throws `not-found`, and `precondition-failed` where it has another status. */
export async function moveChangeset(
  ctx: Context,
  actor: Actor,
  cluster: string,
  id: string,
  deed: string,
  from: readonly Changeset['status'][],
  next: (changeset: Changeset) => Move,
): Promise<Changeset> {
  const snapshot = await ctx.store.snapshot(cluster);
  for (;;) {
    const changeset = await changesetWithId(ctx, snapshot, id);
    if (!from.includes(changeset.status)) throw wrongStatus(changeset, deed, from);
    const move = next(changeset);
    if (!(await ctx.store.updateChangeset(id, changeset.version, move))) continue;
    noteMove(ctx, cluster, { ...changeset, ...move }, actor);
    return changesetWithId(ctx, snapshot, id);
  }
}

export function wrongStatus({ id, status }: Changeset, deed: string, from: readonly Changeset['status'][]): PortolanError {
  return portolanError('precondition-failed', '', `the changeset ${id} is ${status}: it cannot be asked to ${deed}`, {
    fix: `That is possible while it is ${from.join(' or ')}.`,
  });
}

/** Tells the log and everybody who waits that a changeset has moved. */
export function noteMove(ctx: Context, cluster: string, { id, status, rollout, summary }: Changeset, { name }: Actor): void {
  const reason = rollout?.reason ?? null;
  ctx.log.info({ cluster, changeset: id, status, actor: name, ...(reason === null ? {} : { reason }) }, `changeset is ${status}: ${summary}`);
  ctx.changes.notify('rollout', cluster);
}
