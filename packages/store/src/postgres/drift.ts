import type { Id } from '@portolan/model';
import type { Report } from '@portolan/protocol';
import type { Prisma, Drift as Row } from '../generated/prisma/client.js';
import { KEPT_DRIFT } from '../history.js';
import type { DriftFilter, DriftRow } from '../ports.js';
import type { Connections, Transaction } from './connections.js';

type Told = NonNullable<Report['drift']>;

/** $1: array of {node_id, key, since, kind, reason, expected, found, repaired_at}. What is over stays so, however often it is told. */
const toldSql = `INSERT INTO drift (node_id, cluster_id, key, since, kind, reason, expected, found, seen_at, outcome, ended_at)
  SELECT n.id, n.cluster_id, r.key, r.since, r.kind, r.reason, r.expected, r.found, now(), (CASE WHEN r.repaired_at IS NULL THEN 'open' ELSE 'repaired' END)::drift_outcome, r.repaired_at
  FROM json_to_recordset($1::json) AS r(node_id text, key text, since timestamptz, kind drift_kind, reason text, expected json, found json, repaired_at timestamptz)
  JOIN nodes n ON n.id = r.node_id
  ON CONFLICT (node_id, key, since) DO UPDATE SET kind = excluded.kind, reason = excluded.reason, expected = excluded.expected, found = excluded.found,
  seen_at = excluded.seen_at, outcome = excluded.outcome, ended_at = excluded.ended_at WHERE drift.outcome = 'open'`;

/** $1: nodes, $2: array of {node_id, key, since} of what is still open. */
const goneSql = `UPDATE drift d SET outcome = 'gone', ended_at = now() WHERE d.node_id = ANY($1::text[]) AND d.outcome = 'open'
  AND NOT EXISTS (SELECT FROM json_to_recordset($2::json) AS r(node_id text, key text, since timestamptz) WHERE r.node_id = d.node_id AND r.key = d.key AND r.since = d.since)
  RETURNING d.node_id AS node`;

const pruneSql = `DELETE FROM drift d WHERE d.node_id = $1 AND d.outcome <> 'open' AND (d.since, d.key) < (
  SELECT since, key FROM drift WHERE node_id = $1 AND outcome <> 'open' ORDER BY since DESC, key DESC OFFSET ${KEPT_DRIFT - 1} LIMIT 1)`;

/** Takes in the drift of reports, of each node one; those of agents that tell none say nothing. */
export async function saveDrift(transaction: Transaction, reports: readonly { readonly nodeId: Id; readonly report: Report }[]): Promise<void> {
  const telling = reports.flatMap(({ nodeId, report: { drift } }) => (drift === undefined ? [] : [{ nodeId, drift }]));
  if (telling.length === 0) return;
  const told = telling.flatMap(({ nodeId, drift }) => toldRows(nodeId, drift));
  if (told.length > 0) await transaction.$executeRawUnsafe(toldSql, JSON.stringify(told));
  const open = telling.flatMap(({ nodeId, drift }) => drift.open.map(({ key, since }) => ({ node_id: nodeId, key, since })));
  const nodes = telling.map(({ nodeId }) => nodeId);
  const gone = await transaction.$queryRawUnsafe<{ node: Id }[]>(goneSql, nodes, JSON.stringify(open));
  const grown = new Set([...gone.map(({ node }) => node), ...telling.flatMap(({ nodeId, drift }) => (drift.repaired.length > 0 ? [nodeId] : []))]);
  for (const nodeId of grown) await transaction.$executeRawUnsafe(pruneSql, nodeId);
}

function toldRows(nodeId: Id, { open, repaired }: Told): readonly object[] {
  return [...open, ...repaired.map(({ repairedAt, ...drift }) => ({ ...drift, repaired_at: repairedAt }))].map((drift) => ({ node_id: nodeId, ...drift }));
}

function driftRow({ nodeId, key, since, kind, reason, expected, found, seenAt, outcome, endedAt }: Row): DriftRow {
  return {
    nodeId,
    key,
    kind,
    reason,
    ...(expected === null ? {} : { expected }),
    ...(found === null ? {} : { found }),
    since: since.toISOString(),
    seenAt: seenAt.toISOString(),
    outcome,
    endedAt: endedAt?.toISOString() ?? null,
  };
}

/** Newest first. */
export async function driftRows({ prisma }: Connections, cluster: Id, { nodeId, outcome, limit, before }: DriftFilter): Promise<readonly DriftRow[]> {
  const where: Prisma.DriftWhereInput = {
    clusterId: cluster,
    ...(nodeId === undefined ? {} : { nodeId }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(before === undefined ? {} : { OR: olderThan(before) }),
  };
  const rows = await prisma.drift.findMany({ where, orderBy: [{ since: 'desc' }, { nodeId: 'desc' }, { key: 'desc' }], take: limit });
  return rows.map(driftRow);
}

const newestSql = `SELECT d.node_id AS "nodeId", d.key, d.since, d.kind, d.reason, d.expected, d.found, d.seen_at AS "seenAt", d.outcome, d.ended_at AS "endedAt"
  FROM unnest($1::text[]) AS n(id) CROSS JOIN LATERAL (
    SELECT * FROM drift WHERE node_id = n.id AND ($2::text IS NULL OR outcome::text = $2) ORDER BY since DESC, key DESC LIMIT $3) d
  ORDER BY d.since DESC, d.node_id DESC, d.key DESC`;

/** The newest of each node, newest first. */
export async function newestDriftRows({ prisma }: Connections, nodeIds: readonly Id[], { outcome, limit }: DriftFilter): Promise<readonly DriftRow[]> {
  return (await prisma.$queryRawUnsafe<Row[]>(newestSql, [...new Set(nodeIds)], outcome ?? null, limit)).map(driftRow);
}

function olderThan({ since, nodeId, key }: NonNullable<DriftFilter['before']>): Prisma.DriftWhereInput[] {
  return [{ since: { lt: since } }, { since, nodeId: { lt: nodeId } }, { since, nodeId, key: { lt: key } }];
}
