import { PortolanError, portolanError, problem } from '@portolan/model';
import type { Context } from './context.js';
import { type ClusterStatus, clusterStatus, type NodeStatus } from './status.js';

export const DEFAULT_WAIT_SECONDS = 30;
export const LONGEST_WAIT_SECONDS = 600;
/** What another process of the control plane took in is found after at most this many milliseconds. */
const REREAD_MS = 1000;
/** Nodes that a time-out names one by one. */
const MOST_NAMED = 50;

/**
 * Resolves when every node of the cluster has applied the revision. Fails with `wait-timeout`, naming the nodes that have
 * not and why, with `not-found` when the cluster goes, and with `store-unavailable` when the control plane stops.
 */
export async function waitApplied(ctx: Context, cluster: string, revision: number, timeoutSeconds: number, gone: AbortSignal): Promise<ClusterStatus> {
  const end = ctx.clock.now().getTime() + timeoutSeconds * 1000;
  const ended = AbortSignal.any([gone, ctx.stopping]);
  for (;;) {
    const count = ctx.changes.count(cluster);
    const start = ctx.clock.now().getTime();
    const status = await clusterStatus(ctx, cluster);
    if (status.intentRevision < revision) {
      throw portolanError('invalid-document', '?revision', `cluster ${cluster} is at revision ${status.intentRevision}: there is no revision ${revision} yet`);
    }
    const behind = status.nodes.filter((node) => node.appliedRevision < revision);
    if (behind.length === 0) return status;
    const now = ctx.clock.now().getTime();
    if (now >= end) throw timedOut(status, revision, behind, timeoutSeconds);
    if (ctx.stopping.aborted) throw portolanError('store-unavailable', '', 'the control plane is stopping; the revision is committed', { fix: 'Wait again.' });
    if (gone.aborted) throw timedOut(status, revision, behind, timeoutSeconds);
    await ctx.changes.beyond(cluster, count, Math.min(REREAD_MS, end - now), ended);
    // Many nodes report at the same time: whoever waits reads at most half of its time.
    await ctx.clock.sleep(Math.min(now - start, Math.max(0, end - now)), ended);
  }
}

function timedOut(status: ClusterStatus, revision: number, behind: readonly NodeStatus[], seconds: number): PortolanError {
  const reasons = behind.map((node) => `${node.name} ${reasonOf(node, revision)}`);
  const named = reasons.slice(0, MOST_NAMED).join('; ');
  const more = reasons.length > MOST_NAMED ? `; and ${reasons.length - MOST_NAMED} more` : '';
  const summary = `revision ${revision} is committed, but ${behind.length} of ${status.nodes.length} nodes have not applied it within ${seconds} s: ${named}${more}`;
  return new PortolanError([problem('wait-timeout', '', summary), ...reasons.slice(0, MOST_NAMED).map((reason) => problem('wait-timeout', '', reason))]);
}

function reasonOf(node: NodeStatus, revision: number): string {
  const down = node.alive === false ? ' and is down' : '';
  if (node.computedRevision < revision) return `has no state computed from it yet (computed: ${node.computedRevision})${down}`;
  if (node.lastReportAt === null) return `has never reported${down}`;
  const error = node.lastErrors[0];
  if (node.lastStatus === 'failed' && error !== undefined) return `failed: ${error.message} [${error.code}]${down}`;
  return `has applied revision ${node.appliedRevision}, last report at ${node.lastReportAt}${down}`;
}
