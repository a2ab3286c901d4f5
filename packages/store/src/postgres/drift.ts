import type { Id } from '@portolan/model';
import type { Report } from '@portolan/protocol';
import type { Prisma, Drift as Row } from '../generated/prisma/client.js';
import { KEPT_DRIFT } from '../history.js';
import type { DriftFilter, DriftRow } from '../ports.js';
import type { Connections, Transaction } from './connections.js';

type Told = NonNullable<Report['drift']>;

/** $1: node, $2: array of {key, since, kind, reason, expected, found, repaired_at}. What is over stays so, however often it is told. */
const toldSql = `INSERT INTO drift (node_id, cluster_id, key, since, kind, reason, expected, found, seen_at, outcome, ended_at)
  SELECT n.id, n.cluster_id, r.key, r.since, r.kind, r.reason, r.expected, r.found, now(), (CASE WHEN r.repaired_at IS NULL THEN 'open' ELSE 'repaired' END)::drift_outcome, r.repaired_at
  FROM nodes n, json_to_recordset($2::json) AS r(key text, since timestamptz, kind drift_kind, reason text, expected json, found json, repaired_at timestamptz) WHERE n.id = $1
  ON CONFLICT (node_id, key, since) DO UPDATE SET kind = excluded.kind, reason = excluded.reason, expected = excluded.expected, found = excluded.found,
  seen_at = excluded.seen_at, outcome = excluded.outcome, ended_at = excluded.ended_at WHERE drift.outcome = 'open'`;

/** $2: array of {key, since} of what is still open. */
const goneSql = `UPDATE drift d SET outcome = 'gone', ended_at = now() WHERE d.node_id = $1 AND d.outcome = 'open'
  AND NOT EXISTS (SELECT FROM json_to_recordset($2::json) AS r(key text, since timestamptz) WHERE r.key = d.key AND r.since = d.since)`;

const pruneSql = `DELETE FROM drift d WHERE d.node_id = $1 AND d.outcome <> 'open' AND (d.since, d.key) < (
  SELECT since, key FROM drift WHERE node_id = $1 AND outcome <> 'open' ORDER BY since DESC, key DESC OFFSET ${KEPT_DRIFT - 1} LIMIT 1)`;

/** Takes in the drift of a report. */
export async function saveDrift(transaction: Transaction, nodeId: Id, { open, repaired }: Told): Promise<void> {
  const told = [...open, ...repaired.map(({ repairedAt, ...drift }) => ({ ...drift, repaired_at: repairedAt }))];
  if (told.length > 0) await transaction.$executeRawUnsafe(toldSql, nodeId, JSON.stringify(told));
  const gone = await transaction.$executeRawUnsafe(goneSql, nodeId, JSON.stringify(open.map(({ key, since }) => ({ key, since }))));
  if (gone + repaired.length > 0) await transaction.$executeRawUnsafe(pruneSql, nodeId);
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

function olderThan({ since, nodeId, key }: NonNullable<DriftFilter['before']>): Prisma.DriftWhereInput[] {
  return [{ since: { lt: since } }, { since, nodeId: { lt: nodeId } }, { since, nodeId, key: { lt: key } }];
}
