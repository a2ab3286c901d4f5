import type { Tone } from '../../shell/theme.js';

export interface NodeHealth {
  readonly tone: Tone;
  readonly word: string;
}

/** How a node is, in a word: what is worst counts. `intent`: revision that is wanted. */
export function nodeHealth(
  {
    condition,
    status,
  }: { readonly condition: string; readonly status: { readonly alive?: boolean | null; readonly degraded?: unknown; readonly appliedRevision: number } },
  intent: number,
): NodeHealth {
  if (condition === 'unreachable') return { tone: 'bad', word: 'unreachable' };
  if (status.degraded != null) return { tone: 'bad', word: 'degraded' };
  if (status.alive === false) return { tone: 'warn', word: 'no agent' };
  if (status.appliedRevision < intent) return { tone: 'busy', word: `${intent - status.appliedRevision} behind` };
  return status.alive === true ? { tone: 'good', word: 'up to date' } : { tone: 'idle', word: 'unknown' };
}
