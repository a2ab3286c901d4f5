import { manifestOf, type ObjectDifference, rollbackEdit, snapshotDifference } from '@portolan/intent';
import type { Manifest, Snapshot } from '@portolan/model';
import { Type } from 'typebox';
import type { Actor } from './actor.js';
import { RollbackSchema, rollbackSummary } from './changeset-document.js';
import { commitEdit, dryRun, type Edit, type Outcome } from './commit.js';
import type { Context } from './context.js';
import { atRevision } from './objects.js';
import { parsed } from './parse.js';
import { revisionToRestore } from './wishes.js';

/** The whole intent as it was at a revision; the newest unless given. */
export async function manifestAt(
  ctx: Context,
  cluster: string,
  revision?: number,
): Promise<{ readonly revision: number; readonly manifest: Required<Manifest> }> {
  const snapshot = revision === undefined ? await ctx.store.snapshot(cluster) : await ctx.store.snapshotAt(cluster, revision);
  return { revision: snapshot.cluster.revision, manifest: manifestOf(snapshot) };
}

export interface RevisionDifference {
  readonly from: number;
  readonly to: number;
  readonly objects: readonly ObjectDifference[];
}

/** What is wanted otherwise at `to` (the newest unless given) than at `from` (the one before it unless given). */
export async function differenceBetween(
  ctx: Context,
  cluster: string,
  range: { readonly from?: number | undefined; readonly to?: number | undefined },
): Promise<RevisionDifference> {
  const newest = await ctx.store.snapshot(cluster);
  const to = range.to ?? newest.cluster.revision;
  const from = range.from ?? Math.max(0, to - 1);
  const at = (revision: number): Promise<Snapshot> =>
    revision === newest.cluster.revision ? Promise.resolve(newest) : ctx.store.snapshotAt(cluster, revision);
  return { from, to, objects: snapshotDifference(await at(from), await at(to)) };
}

export const RollbackRequestSchema = Type.Object(
  {
    ...RollbackSchema.properties,
    force: Type.Optional(Type.Boolean({ default: false, description: 'Delete endpoints at once instead of draining them.' })),
  },
  { additionalProperties: false },
);

export interface RollbackOutcome extends Outcome {
  readonly to: number;
}

/** Commits what was wanted at an earlier revision, on all nodes at once. It is a new revision, and can be rolled back like any other. */
export async function rollbackCluster(
  ctx: Context,
  actor: Actor,
  cluster: string,
  request: unknown,
  options: { readonly dryRun?: boolean; readonly revision?: number | undefined } = {},
): Promise<RollbackOutcome> {
  const { to: wanted, force = false } = parsed(RollbackRequestSchema, request ?? {});
  const to = wanted ?? (await revisionToRestore(ctx, cluster));
  const past = await ctx.store.snapshotAt(cluster, to);
  const how = { now: ctx.clock.now().getTime(), force };
  const edit: Edit = (snapshot) => rollbackEdit(atRevision(snapshot, options.revision), past, ctx.newId, how);
  const outcome = options.dryRun === true ? await dryRun(ctx, cluster, edit) : await commitEdit(ctx, actor, cluster, rollbackSummary(to), edit);
  return { ...outcome, to };
}
