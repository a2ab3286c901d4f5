import { StateBadge } from '../../parts/state-badge.js';
import type { Tone } from '../../shell/theme.js';

const toneOfStatus: Readonly<Record<string, Tone>> = {
  planned: 'busy',
  discarded: 'idle',
  rolling: 'busy',
  paused: 'warn',
  confirming: 'warn',
  applied: 'good',
  'rolled-back': 'idle',
};

export function PlanStatus({ status }: { readonly status: string }) {
  return <StateBadge tone={toneOfStatus[status] ?? 'idle'}>{status}</StateBadge>;
}

const toneOfNode: Readonly<Record<string, Tone>> = { waiting: 'idle', skipped: 'idle', released: 'busy', applied: 'busy', updated: 'good', failed: 'bad' };

export function NodeProgress({ state }: { readonly state: string }) {
  return <StateBadge tone={toneOfNode[state] ?? 'idle'}>{state}</StateBadge>;
}

const risks = {
  none: { tone: 'good', word: 'no risk' },
  moves: { tone: 'warn', word: 'moves traffic' },
  cuts: { tone: 'bad', word: 'cuts connections' },
} as const;

/** What a step does to connections that are open. */
export function RiskBadge({ risk }: { readonly risk: keyof typeof risks }) {
  const { tone, word } = risks[risk];
  return <StateBadge tone={tone}>{word}</StateBadge>;
}

/** The worst of several; none of nothing. */
export function worstOf(all: readonly (keyof typeof risks)[]): keyof typeof risks {
  return all.includes('cuts') ? 'cuts' : all.includes('moves') ? 'moves' : 'none';
}
