import { blockersOf } from '@portolan/check';
import type { Snapshot } from '@portolan/model';
import type { ChangesetPlan } from '@portolan/store';
import type { Outcome } from './commit.js';
import type { Context } from './context.js';
import { foreignMarksFor } from './foreign-marks.js';
import { nodePlansOf } from './node-plans.js';

/** What a change does: to the intent, to each node (looked at unless it is given), and what it would break. */
export async function changesetPlanOf(
  ctx: Context,
  before: Snapshot,
  { snapshot: after, changed, changes }: Outcome,
  nodes?: ChangesetPlan['nodes'],
): Promise<ChangesetPlan> {
  if (!changed) return { changes: [], nodes: [], blockers: [] };
  const foreignMarks = await foreignMarksFor(ctx, before, after);
  return { changes, nodes: nodes ?? (await nodePlansOf(before, after)), blockers: blockersOf(before, after, { foreignMarks }) };
}
