import type { Snapshot } from '@portolan/model';

/**
 * The snapshot in which what was given up until `settledRevision`, which every node has applied, may be given again;
 * the snapshot itself when there is nothing.
 */
export function releaseRetired(snapshot: Snapshot, settledRevision: number): Snapshot {
  const retired = snapshot.retired.filter((entry) => entry.revision > settledRevision);
  return retired.length === snapshot.retired.length ? snapshot : { ...snapshot, retired };
}
