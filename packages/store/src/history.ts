import { type PortolanError, portolanError } from '@portolan/model';

/** Generations of node states that are kept for each node. */
export const KEPT_STATES = 20;
/** Jobs that are kept for each node; there is one a generation. */
export const KEPT_JOBS = 200;
/** Times of drift that are over, kept for each node. */
export const KEPT_DRIFT = 1000;
/** Reports that are kept for each node, beside those of its jobs. */
export const KEPT_REPORTS = 20;

export function revisionNotFound(cluster: string, revision: number): PortolanError {
  return portolanError('not-found', '', `cluster ${cluster} has no revision ${revision}`, { fix: 'List the revisions (portolan history).' });
}

/** Requests that were refused. */
export const KEPT_REFUSALS = 10_000;
