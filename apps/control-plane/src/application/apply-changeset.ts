import { type Blocker, PortolanError, type Problem, portolanError, problem, type Snapshot } from '@portolan/model';
import type { Changeset, ChangesetPlan, Rollout } from '@portolan/store';
import type { Actor } from './actor.js';
import { editOf } from './changeset-document.js';
import { changesetPlanOf } from './changeset-plan.js';
import { changesetWithId, noteMove, wrongStatus } from './changesets.js';
import { commitAt, dryRunOn, type Edit, rolloutInProgress } from './commit.js';
import type { Context } from './context.js';
import { parsed } from './parse.js';
import { repeatableIds } from './repeatable-ids.js';
import { defaultRollout } from './rollout.js';
import { ApplyChangesetSchema } from './rollout-schemas.js';
import { underwayIn } from './rollout-view.js';
import { wishesSince } from './wishes.js';

/** Revisions or findings that a refusal names one by one. */
const MOST_NAMED = 20;
/** So often what changes on which node is looked at anew when agents saw something meanwhile; then what was found last counts. */
const EXACT_ATTEMPTS = 3;

/**
 * Makes a planned change, on the newest snapshot: refused with `stale-plan` when anybody wanted anything else since it was planned, and with
 * `plan-blocked` when it would break something that is not overridden. What was only observed since makes it no other change.
 */
export async function applyChangeset(ctx: Context, actor: Actor, cluster: string, id: string, request: unknown): Promise<Changeset> {
  const { override = [], rollout: wish = {}, confirmWithin = 0 } = parsed(ApplyChangesetSchema, request ?? {});
  const spec = { ...defaultRollout, ...wish, confirmWithin };
  const planned = await changesetWithId(ctx, await ctx.store.snapshot(cluster), id);
  const make = await editOf(ctx, cluster, planned.document);
  let nodes: ChangesetPlan['nodes'] | undefined;
  for (let attempt = 1; ; attempt++) {
    const snapshot = await ctx.store.snapshot(cluster);
    const changeset = await changesetWithId(ctx, snapshot, id);
    await refuseOvertaken(ctx, snapshot, changeset);
    const ids = repeatableIds(ctx.newId);
    const edit: Edit = (current) => make(ids())(current);
    const dry = await dryRunOn(ctx, snapshot, edit);
    const plan = await changesetPlanOf(ctx, snapshot, dry, attempt > EXACT_ATTEMPTS ? nodes : undefined);
    nodes = plan.nodes;
    const overrides = overriddenOf(plan.blockers, override);
    const rollout: Rollout = {
      spec,
      overrides,
      nodes: Object.fromEntries(plan.nodes.map(({ nodeId }) => [nodeId, { state: 'waiting' }])),
      nextBatchAt: null,
      confirmBy: null,
      reason: null,
    };
    if (await begin(ctx, actor, snapshot, changeset, rollout, dry.changed ? edit : undefined)) return changesetWithId(ctx, snapshot, id);
  }
}

/** False: it has moved, or there is a newer revision. Without an edit there is nothing to do: all is so already. */
async function begin(ctx: Context, actor: Actor, snapshot: Snapshot, changeset: Changeset, rollout: Rollout, edit: Edit | undefined): Promise<boolean> {
  const { id, version } = changeset;
  const status = edit === undefined ? 'applied' : 'rolling';
  if (edit === undefined) {
    if (!(await ctx.store.updateChangeset(id, version, { status, rollout }))) return false;
  } else {
    const outcome = await commitAt(ctx, actor, snapshot, summaryOf(changeset, rollout), edit, { id, version, status, rollout });
    if (outcome === undefined) return false;
  }
  noteMove(ctx, snapshot.cluster.name, { ...changeset, status, rollout }, actor);
  return true;
}

async function refuseOvertaken(ctx: Context, snapshot: Snapshot, changeset: Changeset): Promise<void> {
  if (changeset.status !== 'planned') throw wrongStatus(changeset, 'apply', ['planned']);
  const underway = await underwayIn(ctx, snapshot);
  if (underway !== null) throw rolloutInProgress(underway);
  const since = await wishesSince(ctx, snapshot.cluster.name, changeset.baseRevision);
  if (since.length === 0) return;
  const moved = since.map(({ revision, actor, from, summary }) => `revision ${revision} by ${actor}${from === null ? '' : ` from ${from}`}: ${summary}`);
  const more = moved.length > MOST_NAMED ? ` and ${moved.length - MOST_NAMED} more` : '';
  const named = moved.slice(0, MOST_NAMED);
  const whole = `the plan was made on revision ${changeset.baseRevision}, and since then the cluster was changed by ${named.join('; ')}${more}`;
  throw new PortolanError([problem('stale-plan', '', whole), ...named.map((line) => problem('stale-plan', '', line))]);
}

/** The findings that are overridden. Throws those that are not. */
function overriddenOf(blockers: readonly Blocker[], override: readonly string[]): readonly string[] {
  const left = blockers.filter((blocker) => !override.includes(blocker.override));
  const [first, ...others] = left
    .slice(0, MOST_NAMED)
    .map(({ message, fix, override: name }): Problem => problem('plan-blocked', '', message, `${fix} To apply it all the same, override ${name}.`));
  if (first === undefined) return [...new Set(blockers.map((blocker) => blocker.override))].sort();
  if (others.length === 0) throw new PortolanError(first);
  const whole = portolanError(
    'plan-blocked',
    '',
    `${left.length} findings block the plan: ${left
      .slice(0, MOST_NAMED)
      .map(({ message }) => message)
      .join('; ')}`,
  );
  throw new PortolanError([whole.problems[0], first, ...others]);
}

function summaryOf({ summary }: Changeset, { overrides }: Rollout): string {
  return overrides.length === 0 ? summary : `${summary} (in spite of ${overrides.join(', ')})`;
}
