import type { NodeProgress } from '@portolan/store';

/** One failure is no news: a container that ends in the middle of a run gives one, and so does a device that another program holds for a moment. */
const DEGRADED_FAILURES = 3;
/** The back-off of an agent grows, so a node that fails for so long need not have failed three times. */
const DEGRADED_MS = 10_000;

export type NodeError = NodeProgress['lastErrors'][number];

/** A node that keeps failing: it does not mend itself. What can be applied of its state is. */
export interface Degradation {
  readonly since: string;
  readonly failures: number;
  /** By the last report. `key` null: not of one object alone. */
  readonly errors: readonly { readonly key: string | null; readonly message: string; readonly command?: NonNullable<NodeError['command']> }[];
}

/** null: the node has applied its state, or has failed for a moment only. */
export function degradationOf({ failures, failingSince, lastErrors }: NodeProgress, now: Date): Degradation | null {
  if (failures === 0 || failingSince === null) return null;
  if (failures < DEGRADED_FAILURES && now.getTime() - Date.parse(failingSince) < DEGRADED_MS) return null;
  return {
    since: failingSince,
    failures,
    errors: lastErrors.map(({ key, message, command }) => ({ key: key ?? null, message, ...(command === undefined ? {} : { command }) })),
  };
}
