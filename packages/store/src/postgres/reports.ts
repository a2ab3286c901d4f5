import { type Id, portolanError } from '@portolan/model';
import { isLater, type Report } from '@portolan/protocol';
import { KEPT_REPORTS } from '../history.js';
import type { JobRow, NodeProgress, ObservedRow } from '../ports.js';
import { progressOf } from './computed.js';
import type { Connections, Transaction } from './connections.js';
import { saveDrift } from './drift.js';

const observedSql = `INSERT INTO observed_states (node_id, hash, objects, "foreign", observed_at) VALUES ($1, $2, $3::json, $4::json, now())
  ON CONFLICT (node_id) DO UPDATE SET hash = excluded.hash, objects = excluded.objects, "foreign" = excluded."foreign", observed_at = excluded.observed_at`;
/** The objects were left out because they are those of the report before; of another hash they are unknown and asked for again. */
const observedAgainSql = `UPDATE observed_states SET "foreign" = $3::json, observed_at = now() WHERE node_id = $1 AND hash = $2`;

async function saveObserved(transaction: Transaction, nodeId: Id, { observed }: Report): Promise<void> {
  const { hash, objects } = observed;
  const foreign = JSON.stringify(observed.foreign);
  if (objects === undefined) await transaction.$executeRawUnsafe(observedAgainSql, nodeId, hash, foreign);
  else await transaction.$executeRawUnsafe(observedSql, nodeId, hash, JSON.stringify(objects), foreign);
}

/**
 * A state that was applied counts for the newest revision that gives it: all that is computed when it is the newest
 * state, else the revision that first gave its generation. It never goes back.
 */
const progressSql = `UPDATE node_progress p SET last_report_at = now(), last_status = $2::report_status, last_errors = $3::json, last_waiting = $4::json,
  report_start = coalesce($9::bigint, p.report_start), report_count = coalesce($10::int, p.report_count), facts = $5::json, signals = $8::json, failures = CASE WHEN $2 = 'applied' THEN 0 ELSE p.failures + 1 END,
  failing_since = CASE WHEN $2 = 'applied' THEN NULL ELSE coalesce(p.failing_since, now()) END,
  applied_revision = CASE WHEN $2 = 'applied' THEN greatest(p.applied_revision, CASE WHEN p.state_hash = $6 THEN p.computed_revision
    ELSE (SELECT s.revision FROM node_states s WHERE s.node_id = p.node_id AND s.generation = $7 AND s.hash = $6) END) ELSE p.applied_revision END
  WHERE p.node_id = $1`;

/**
 * A report speaks for the job of its generation and for the job that it names. Applied, it also ends the older ones.
 * What was applied stays so: a later report that found nothing to do must not hide the commands of the first.
 */
const jobsSql = `UPDATE jobs SET finished_at = now(),
  status = CASE WHEN generation < $3 AND $4 = 'applied' THEN 'superseded' ELSE $4 END::job_status,
  report_id = CASE WHEN generation = $3 OR id::text = $5 THEN $2::bigint ELSE report_id END
  WHERE node_id = $1 AND status IN ('queued', 'failed') AND generation <= $3 AND (generation = $3 OR id::text = $5 OR $4 = 'applied')`;

const pruneSql = `DELETE FROM reports r WHERE r.node_id = $1 AND NOT EXISTS (SELECT FROM jobs j WHERE j.report_id = r.id)
  AND r.id < (SELECT id FROM reports WHERE node_id = $1 ORDER BY id DESC OFFSET ${KEPT_REPORTS - 1} LIMIT 1)`;

/** Makes the row of the node where it is missing, and locks it. */
const lockSql = `INSERT INTO node_progress (node_id, cluster_id) SELECT id, cluster_id FROM nodes WHERE id = $1
  ON CONFLICT (node_id) DO UPDATE SET node_id = excluded.node_id RETURNING report_start AS start, report_count AS count`;

/** Commits hold the lock of their cluster from their first statement on, so this waits for the one that is under way. */
const handedSql = `INSERT INTO node_progress (node_id, cluster_id, handed_revision) SELECT n.id, c.id, c.revision FROM nodes n JOIN clusters c ON c.id = n.cluster_id
  WHERE n.id = $1 FOR SHARE OF c
  ON CONFLICT (node_id) DO UPDATE SET handed_revision = coalesce(node_progress.handed_revision, excluded.handed_revision) RETURNING handed_revision AS revision`;

/** See IntentStore.noteHanded. */
export async function noteHandedState({ prisma }: Connections, nodeId: Id): Promise<number> {
  const [row] = await prisma.$queryRawUnsafe<{ revision: number }[]>(handedSql, nodeId);
  if (row === undefined) throw portolanError('not-found', '', `there is no node with the id ${nodeId}`);
  return row.revision;
}

/** See IntentStore.saveReport. */
export async function saveNodeReport(connections: Connections, nodeId: Id, report: Report): Promise<NodeProgress> {
  const { observed, ...rest } = report;
  const body: Report = { ...rest, observed: { hash: observed.hash, foreign: observed.foreign } };
  return connections.transaction(async (transaction) => {
    const [latest] = await transaction.$queryRawUnsafe<{ start: bigint | null; count: number | null }[]>(lockSql, nodeId);
    if (latest === undefined) throw portolanError('not-found', '', `there is no node with the id ${nodeId}`);
    const order = latest.start === null || latest.count === null ? null : { start: Number(latest.start), count: latest.count };
    const isLate = report.order !== undefined && order !== null && !isLater(report.order, order);
    if (isLate) return progressOf(await transaction.nodeProgress.findUniqueOrThrow({ where: { nodeId } }));
    const { id } = await transaction.report.create({ data: { nodeId, body: body as object }, select: { id: true } });
    const { status, errors, waiting, facts, signals, stateHash, generation } = report;
    await transaction.$executeRawUnsafe(
      progressSql,
      nodeId,
      status,
      JSON.stringify(errors),
      JSON.stringify(waiting),
      JSON.stringify(facts),
      stateHash,
      generation,
      JSON.stringify(signals),
      report.order?.start ?? null,
      report.order?.count ?? null,
    );
    await transaction.$executeRawUnsafe(jobsSql, nodeId, id, generation, status, report.jobId ?? null);
    await saveObserved(transaction, nodeId, report);
    if (report.drift !== undefined) await saveDrift(transaction, nodeId, report.drift);
    await transaction.$executeRawUnsafe(pruneSql, nodeId);
    return progressOf(await transaction.nodeProgress.findUniqueOrThrow({ where: { nodeId } }));
  });
}

export async function observedRow({ prisma }: Connections, nodeId: Id): Promise<ObservedRow | null> {
  const row = await prisma.observedState.findUnique({ where: { nodeId } });
  return row === null
    ? null
    : {
        nodeId,
        hash: row.hash,
        objects: row.objects as unknown as ObservedRow['objects'],
        foreign: row.foreign as unknown as ObservedRow['foreign'],
        observedAt: row.observedAt.toISOString(),
      };
}

export function reportOf(body: unknown): JobRow['report'] {
  return (body ?? null) as JobRow['report'];
}
