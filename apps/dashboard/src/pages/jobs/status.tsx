import { StateBadge } from '../../parts/state-badge.js';

export const jobStatuses = ['queued', 'applied', 'failed', 'superseded'] as const;

const tones = { queued: 'busy', applied: 'good', failed: 'bad', superseded: 'idle' } as const;

export function JobStatus({ status }: { readonly status: (typeof jobStatuses)[number] }) {
  return <StateBadge tone={tones[status]}>{status}</StateBadge>;
}
