import type { Id } from '@portolan/model';
import { isLater, type Report } from '@portolan/protocol';
import { KEPT_REPORTS, KEPT_STATES } from '../history.js';
import type { NodeProgress } from '../ports.js';
import { progressOf, progressSelection } from './computed.js';
import type { Connections, Transaction } from './connections.js';
import { saveDrift } from './drift.js';

export interface NodeReport {
  readonly nodeId: Id;
  readonly report: Report;
}

const madeSql = `INSERT INTO node_progress (node_id, cluster_id) SELECT id, cluster_id FROM nodes WHERE id = ANY($1::text[])
  AND NOT EXISTS (SELECT FROM node_progress p WHERE p.node_id = nodes.id) ORDER BY id ON CONFLICT DO NOTHING`;
/** In the one order in which rows of progress are locked. */
const lockSql = `SELECT ${progressSelection} FROM node_progress p WHERE node_id = ANY($1::text[]) ORDER BY node_id FOR UPDATE`;

/**
 * Of each node one report, as arrays: the rows that it becomes are written by one statement, however many there are.
 *
 * - A state that was applied counts for the newest revision that gives it: all that is computed when it is the newest state, else the revision that
 *   first gave its generation. It never goes back.
 * - A report speaks for the job of its generation and for the job that it names. Applied, it also ends the older ones. What was applied stays so: a later
 *   report that found nothing to do must not hide the commands of the first.
 * - Objects that were left out are those of the report before, or all of its state; of another hash they are unknown and asked for again.
 */
const reportsSql = `WITH r AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::int[],
      $13::text[], $14::text[], $15::text[])
    AS r(node_id, status, state_hash, generation, job, body, errors, waiting, facts, signals, start, count, observed, objects, "foreign")),
  made AS (INSERT INTO reports (node_id, body) SELECT node_id, body::json FROM r RETURNING id, node_id),
  found AS MATERIALIZED (
    SELECT r.node_id, r.observed, r.objects, r."foreign", CASE WHEN r.objects IS NULL THEN s.generation END AS generation, o.hash IS NOT DISTINCT FROM r.observed AS same
    FROM r JOIN node_progress p ON p.node_id = r.node_id LEFT JOIN observed_states o ON o.node_id = r.node_id
    LEFT JOIN node_states s ON s.node_id = r.node_id AND s.generation = r.generation AND s.hash = r.state_hash AND s.whole_hash = r.observed
      AND s.generation > p.generation - ${KEPT_STATES}),
  touched AS (UPDATE observed_states o SET "foreign" = f."foreign"::json, observed_at = now() FROM found f WHERE o.node_id = f.node_id AND f.same AND f.objects IS NULL),
  observed AS (INSERT INTO observed_states (node_id, hash, objects, generation, "foreign", observed_at)
    SELECT node_id, observed, objects::json, generation, "foreign"::json, now() FROM found WHERE objects IS NOT NULL OR (NOT same AND generation IS NOT NULL)
    ON CONFLICT (node_id) DO UPDATE SET hash = excluded.hash, objects = excluded.objects, generation = excluded.generation, "foreign" = excluded."foreign",
      observed_at = excluded.observed_at),
  closed AS (UPDATE jobs j SET finished_at = now(),
    status = CASE WHEN j.generation < r.generation AND r.status = 'applied' THEN 'superseded' ELSE r.status END::job_status,
    report_id = CASE WHEN j.generation = r.generation OR j.id::text = r.job THEN made.id ELSE j.report_id END
    FROM r JOIN made ON made.node_id = r.node_id
    WHERE j.node_id = r.node_id AND j.status IN ('queued', 'failed') AND j.generation <= r.generation
      AND (j.generation = r.generation OR j.id::text = r.job OR r.status = 'applied'))
  UPDATE node_progress p SET last_report_at = now(), last_status = r.status::report_status, last_errors = r.errors::json, last_waiting = r.waiting::json,
    report_start = coalesce(r.start, p.report_start), report_count = coalesce(r.count, p.report_count), facts = r.facts::json, signals = r.signals::json,
    failures = CASE WHEN r.status = 'applied' THEN 0 ELSE p.failures + 1 END,
    failing_since = CASE WHEN r.status = 'applied' THEN NULL ELSE coalesce(p.failing_since, now()) END,
    observed_hash = CASE WHEN f.objects IS NOT NULL OR f.same OR f.generation IS NOT NULL THEN r.observed ELSE p.observed_hash END,
    applied_revision = CASE WHEN r.status = 'applied' THEN greatest(p.applied_revision, CASE WHEN p.state_hash = r.state_hash THEN p.computed_revision
      ELSE (SELECT s.revision FROM node_states s WHERE s.node_id = p.node_id AND s.generation = r.generation AND s.hash = r.state_hash) END) ELSE p.applied_revision END
  FROM r JOIN found f ON f.node_id = r.node_id WHERE p.node_id = r.node_id RETURNING ${progressSelection}`;

/** To look for reports that nobody needs costs more than to keep a few: it is done for one in ten, by chance. */
const pruneSql = `DELETE FROM reports r USING (
    SELECT node_id, (SELECT id FROM reports WHERE node_id = n.node_id ORDER BY id DESC OFFSET ${KEPT_REPORTS - 1} LIMIT 1) AS oldest
    FROM unnest($1::text[]) AS n(node_id)) k
  WHERE r.node_id = k.node_id AND r.id < k.oldest AND NOT EXISTS (SELECT FROM jobs j WHERE j.report_id = r.id)`;
const PRUNED_SHARE = 0.1;

type ProgressRow = Parameters<typeof progressOf>[0];

function columnsOf(reports: readonly NodeReport[]): readonly (readonly unknown[])[] {
  const column = (of: (told: NodeReport) => unknown): readonly unknown[] => reports.map(of);
  const json = (of: (report: Report) => unknown): readonly unknown[] => reports.map(({ report }) => JSON.stringify(of(report)));
  return [
    column(({ nodeId }) => nodeId),
    column(({ report }) => report.status),
    column(({ report }) => report.stateHash),
    column(({ report }) => report.generation),
    column(({ report }) => report.jobId ?? null),
    json(({ observed, ...rest }): Report => ({ ...rest, observed: { hash: observed.hash, foreign: observed.foreign } })),
    json(({ errors }) => errors),
    json(({ waiting }) => waiting),
    json(({ facts }) => facts),
    json(({ signals }) => signals),
    column(({ report }) => report.order?.start ?? null),
    column(({ report }) => report.order?.count ?? null),
    column(({ report }) => report.observed.hash),
    column(({ report: { observed } }) => (observed.objects === undefined ? null : JSON.stringify(observed.objects))),
    json(({ observed }) => observed.foreign),
  ];
}

async function lockedProgress(transaction: Transaction, nodes: readonly Id[]): Promise<readonly ProgressRow[]> {
  const rows = await transaction.$queryRawUnsafe<ProgressRow[]>(lockSql, [...nodes]);
  if (rows.length === nodes.length) return rows;
  await transaction.$executeRawUnsafe(madeSql, [...nodes]);
  return transaction.$queryRawUnsafe<ProgressRow[]>(lockSql, [...nodes]);
}

function isOvertaken({ report: { order } }: NodeReport, latest: NodeProgress | undefined): boolean {
  return order !== undefined && latest?.reportOrder != null && !isLater(order, latest.reportOrder);
}

/**
 * Saves reports of as many nodes, one each, in one transaction. The answer has the progress of each node afterwards; a node that is gone is
 * missing. See IntentStore.saveReport.
 */
export async function saveReportsOfNodes(connections: Connections, told: readonly NodeReport[]): Promise<ReadonlyMap<Id, NodeProgress>> {
  return connections.transaction(async (transaction) => {
    const locked = await lockedProgress(
      transaction,
      told.map(({ nodeId }) => nodeId),
    );
    const progress = new Map(locked.map((row) => [row.nodeId, progressOf(row)]));
    const reports = told.filter((each) => progress.has(each.nodeId) && !isOvertaken(each, progress.get(each.nodeId)));
    if (reports.length === 0) return progress;
    const rows = await transaction.$queryRawUnsafe<ProgressRow[]>(reportsSql, ...columnsOf(reports));
    for (const row of rows) progress.set(row.nodeId, progressOf(row));
    await saveDrift(transaction, reports);
    const pruned = reports.filter(() => Math.random() < PRUNED_SHARE).map(({ nodeId }) => nodeId);
    if (pruned.length > 0) await transaction.$executeRawUnsafe(pruneSql, pruned);
    return progress;
  });
}
