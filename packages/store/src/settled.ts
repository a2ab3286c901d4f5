import type { Snapshot } from '@portolan/model';
import type { NodeProgress } from './ports.js';

/**
 * What was given up till this revision is held by nobody: the least revision that a node has applied, where it was ever given a state. One that has applied none
 * counts as far as the moment when it was first given one; one that was never asked for a state holds nothing. The newest where there are none.
 */
export function settledRevisionOf(
  { cluster }: Snapshot,
  progress: readonly Pick<NodeProgress, 'lastReportAt' | 'appliedRevision' | 'handedRevision'>[],
): number {
  const settled = progress.flatMap(({ lastReportAt, appliedRevision, handedRevision }) =>
    lastReportAt === null && handedRevision === null ? [] : [Math.max(appliedRevision, handedRevision ?? 0)],
  );
  return Math.min(cluster.revision, ...settled);
}
