import { type Node, portolanError, type Snapshot } from '@portolan/model';
import type { Context } from './context.js';
import { type DesiredNodeState, desiredNodeState } from './nodes.js';
import { progressOf } from './status.js';

/**
 * The newest state of a node, for its agent. Before it is given for the first time, it is noted that it will be: from then on the node may hold values that are given
 * up, though it has reported nothing. What was given up before may be somebody else's by now, so it gets no state that is older. Throws `not-found`.
 */
export async function handedState(ctx: Context, snapshot: Snapshot, node: Node): Promise<DesiredNodeState> {
  const progress = await progressOf(ctx, snapshot, node.id);
  const isFirst = progress === undefined || (progress.handedRevision === null && progress.lastReportAt === null);
  const handedRevision = isFirst ? await ctx.store.noteHanded(node.id) : (progress.handedRevision ?? 0);
  const desired = await desiredNodeState(ctx, snapshot, node.name);
  if (desired.revision >= handedRevision) return desired;
  throw portolanError('not-found', '', `no state of revision ${handedRevision} is computed for node ${node.name} yet`);
}
