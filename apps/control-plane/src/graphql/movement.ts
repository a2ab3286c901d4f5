import type { Context } from '../application/context.js';
import { clusterStatus } from '../application/status.js';

/** As little as tells that something has moved, and how far the cluster has come. */
export interface Movement {
  readonly count: number;
  readonly intentRevision: number;
  readonly computedRevision: number;
  readonly appliedRevision: number;
}

/** GraphQL's integers have 32 bits. */
const INTEGERS = 2 ** 31;

/** Reports that came to another process of the control plane are seen by their times. */
export async function movementOf(ctx: Context, cluster: string): Promise<Movement> {
  const { intentRevision, computedRevision, appliedRevision, nodes } = await clusterStatus(ctx, cluster);
  const reported = nodes.reduce((sum, { lastReportAt }) => sum + (lastReportAt === null ? 0 : Date.parse(lastReportAt) % INTEGERS), 0);
  return { count: (ctx.changes.count(cluster) + reported) % INTEGERS, intentRevision, computedRevision, appliedRevision };
}
