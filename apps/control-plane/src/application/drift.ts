import { checkSnapshot, type Finding, type Subject, subjectOf } from '@portolan/check';
import { type Id, portolanError, type Snapshot } from '@portolan/model';
import type { Drift, Report } from '@portolan/protocol';
import type { DriftFilter, DriftRow } from '@portolan/store';
import type { Context } from './context.js';
import { objectNamed, type Page } from './objects.js';

export const driftKinds = ['missing', 'unexpected', 'different', 'obstructed'] as const satisfies readonly Drift['kind'][];
export const driftOutcomes = ['open', 'repaired', 'gone'] as const satisfies readonly DriftRow['outcome'][];

/** Rows that one question to the store asks for, where all are wanted. */
const ROWS_AT_ONCE = 1000;

/** One time that something of ours was not as it was applied. */
export interface DriftEvent extends Omit<DriftRow, 'nodeId' | 'expected' | 'found'> {
  /** Name of the node; its id when it is gone. */
  readonly node: string;
  /** Body of the object as it should be; null where there should be none. */
  readonly expected: unknown;
  /** As it was found; null where nothing was, or where only its hash is known. */
  readonly found: unknown;
}

export interface DriftQuery {
  /** Name. */
  readonly node?: string;
  readonly outcome?: DriftRow['outcome'];
}

/** Newest first; the cursor names the last event of the page before. */
export async function listDrift(ctx: Context, snapshot: Snapshot, query: DriftQuery, limit: number, cursor?: string): Promise<Page<DriftEvent>> {
  const rows = await ctx.store.drift(snapshot.cluster.id, {
    ...(query.node === undefined ? {} : { nodeId: objectNamed(snapshot, 'node', query.node).id }),
    ...(query.outcome === undefined ? {} : { outcome: query.outcome }),
    limit: limit + 1,
    ...(cursor === undefined ? {} : { before: placeFrom(cursor) }),
  });
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map((row) => eventFrom(snapshot, row)), nextCursor: rows.length > limit && last !== undefined ? cursorOf(last) : null };
}

/** The newest `limit` of each node, by the node's id; newest first. */
export async function newestDrift(
  ctx: Context,
  snapshot: Snapshot,
  nodeIds: readonly Id[],
  filter: Pick<DriftFilter, 'outcome' | 'limit'>,
): Promise<ReadonlyMap<Id, readonly DriftEvent[]>> {
  const events = new Map<Id, DriftEvent[]>(nodeIds.map((id) => [id, []]));
  for (const row of await ctx.store.newestDrift(nodeIds, filter)) events.get(row.nodeId)?.push(eventFrom(snapshot, row));
  return events;
}

/** Everything that is not as it was applied at the moment, over all nodes. */
export async function openDrift(ctx: Context, snapshot: Snapshot): Promise<readonly DriftRow[]> {
  const rows: DriftRow[] = [];
  let page: readonly DriftRow[];
  let before: DriftFilter['before'];
  do {
    page = await ctx.store.drift(snapshot.cluster.id, { outcome: 'open', limit: ROWS_AT_ONCE, ...(before === undefined ? {} : { before }) });
    rows.push(...page);
    before = page.at(-1);
  } while (page.length === ROWS_AT_ONCE);
  return rows;
}

function eventFrom(snapshot: Snapshot, { nodeId, expected, found, ...row }: DriftRow): DriftEvent {
  return { ...row, node: snapshot.nodes.get(nodeId)?.name ?? nodeId, expected: expected ?? null, found: found ?? null };
}

type Place = NonNullable<DriftFilter['before']>;

function cursorOf({ since, nodeId, key }: Place): string {
  return Buffer.from(JSON.stringify([since, nodeId, key])).toString('base64url');
}

function placeFrom(cursor: string): Place {
  const parts = partsOf(cursor);
  const [since, nodeId, key] = parts;
  const isPlace = parts.length === 3 && typeof since === 'string' && typeof nodeId === 'string' && typeof key === 'string';
  if (!isPlace || Number.isNaN(Date.parse(since))) throw portolanError('invalid-document', '?cursor', `"${cursor}" is not a cursor of this list`);
  return { since, nodeId, key };
}

function partsOf(cursor: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

/** A foreign rule in a kernel that swallows what ours should carry. Only a person can say whether it is meant. */
export interface Obstruction {
  readonly severity: 'warn';
  readonly code: 'obstructed';
  readonly subject: Subject;
  readonly field: '';
  readonly message: string;
  readonly fix: string;
}

/** What a person should know about a cluster: what its intent leads to, and what stands in the way in its kernels. */
export async function findingsOf(ctx: Context, snapshot: Snapshot): Promise<readonly (Finding | Obstruction)[]> {
  const obstructed = (await openDrift(ctx, snapshot)).filter(({ kind }) => kind === 'obstructed');
  return [...checkSnapshot(snapshot), ...obstructed.flatMap((row) => obstructionFrom(snapshot, row))];
}

function obstructionFrom(snapshot: Snapshot, { nodeId, key, reason, found }: DriftRow): readonly Obstruction[] {
  const node = snapshot.nodes.get(nodeId);
  if (node === undefined) return [];
  const rule = typeof found === 'string' && !reason.includes(found) ? `: ${found}` : '';
  return [
    {
      severity: 'warn',
      code: 'obstructed',
      subject: subjectOf('node', node),
      field: '',
      message: `${reason}${rule} (${key})`,
      fix: 'Remove the rule, or move it behind the rules of Portolan; rules of others are never touched.',
    },
  ];
}

/** A repair that was not heard of before. */
export interface Repair {
  readonly kind: Drift['kind'];
  readonly seconds: number;
}

/** The repairs of a report that is not yet stored: agents tell each at least once, and it counts once. */
export async function newRepairs(ctx: Context, snapshot: Snapshot, nodeId: Id, { drift }: Report): Promise<readonly Repair[]> {
  const repaired = drift?.repaired ?? [];
  if (repaired.length === 0) return [];
  const known = await ctx.store.drift(snapshot.cluster.id, { nodeId, outcome: 'repaired', limit: ROWS_AT_ONCE });
  const told = new Set(known.map(({ key, since }) => timeOf(key, since)));
  return repaired
    .filter(({ key, since }) => !told.has(timeOf(key, since)))
    .map(({ kind, since, repairedAt }) => ({ kind, seconds: Math.max(0, Date.parse(repairedAt) - Date.parse(since)) / 1000 }));
}

/** One object may drift many times. */
function timeOf(key: string, since: string): string {
  return `${Date.parse(since)} ${key}`;
}
