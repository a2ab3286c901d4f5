import type { Id } from '@portolan/model';
import type { Report } from '@portolan/protocol';
import { KEPT_DRIFT } from '../history.js';
import type { DriftFilter, DriftRow } from '../ports.js';

const sameTime = (a: Pick<DriftRow, 'key' | 'since'>) => (b: Pick<DriftRow, 'key' | 'since'>) => a.key === b.key && a.since === b.since;

/** Rows of a node after a report. */
export function driftAfter(rows: readonly DriftRow[], nodeId: Id, drift: NonNullable<Report['drift']>, now: string): readonly DriftRow[] {
  const told: DriftRow[] = [
    ...drift.open.map((seen): DriftRow => ({ ...seen, nodeId, seenAt: now, outcome: 'open', endedAt: null })),
    ...drift.repaired.map(({ repairedAt, ...seen }): DriftRow => ({ ...seen, nodeId, seenAt: now, outcome: 'repaired', endedAt: repairedAt })),
  ];
  const rest = rows
    .filter((row) => row.outcome !== 'open' || !told.some(sameTime(row)))
    .map((row): DriftRow => (row.outcome === 'open' ? { ...row, outcome: 'gone', endedAt: now } : row));
  // What is over stays so, however often it is told.
  const fresh = told.filter((row) => !rest.some(sameTime(row)));
  const over = [...rest, ...fresh]
    .filter(({ outcome }) => outcome !== 'open')
    .sort(newestFirst)
    .slice(0, KEPT_DRIFT);
  return [...over, ...fresh.filter(({ outcome }) => outcome === 'open')];
}

/** By `since`, then node and key. */
function newestFirst(a: NonNullable<DriftFilter['before']>, b: NonNullable<DriftFilter['before']>): number {
  return compared(b.since, a.since) || compared(b.nodeId, a.nodeId) || compared(b.key, a.key);
}

function compared(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function driftPage(rows: readonly DriftRow[], { nodeId, outcome, limit, before }: DriftFilter): readonly DriftRow[] {
  return rows
    .filter((row) => (nodeId ?? row.nodeId) === row.nodeId && (outcome ?? row.outcome) === row.outcome)
    .filter((row) => before === undefined || newestFirst(before, row) < 0)
    .sort(newestFirst)
    .slice(0, limit);
}
