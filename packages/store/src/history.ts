/** Generations of node states that are kept for each node. */
export const KEPT_STATES = 20;
/** Jobs that are kept for each node; there is one a generation. */
export const KEPT_JOBS = 200;
/** Reports that are kept for each node, beside those of its jobs. */
export const KEPT_REPORTS = 20;
