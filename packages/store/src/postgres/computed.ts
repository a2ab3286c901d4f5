import type { Id } from '@portolan/model';
import { wholeHash } from '@portolan/node-state';
import type { NodeProgress as NodeProgressRow } from '../generated/prisma/client.js';
import { KEPT_JOBS } from '../history.js';
import type { ComputedState, NodeProgress } from '../ports.js';
import type { Connections, Transaction } from './connections.js';
import { isByDelta, pruneStates } from './states.js';

/** Characters of JSON in one statement: a thousand large node states do not fit into one. */
const BATCH_CHARACTERS = 16 * 1024 * 1024;

interface Slot {
  readonly node_id: Id;
  readonly generation: number;
  readonly state_hash: string;
}

/**
 * Rows of progress of the nodes, made where missing and locked in one order, without those that hold a newer
 * revision already. A node that was deleted meanwhile has none.
 */
async function lockProgress(transaction: Transaction, cluster: Id, revision: number, nodes: readonly Id[]): Promise<readonly Slot[]> {
  await transaction.$executeRawUnsafe(
    `INSERT INTO node_progress (node_id, cluster_id) SELECT id, cluster_id FROM nodes WHERE cluster_id = $1 AND id = ANY($2::text[])
     AND NOT EXISTS (SELECT FROM node_progress p WHERE p.node_id = nodes.id) ORDER BY id ON CONFLICT DO NOTHING`,
    cluster,
    [...nodes],
  );
  return transaction.$queryRawUnsafe<Slot[]>(
    `SELECT node_id, generation, state_hash FROM node_progress
     WHERE cluster_id = $1 AND node_id = ANY($2::text[]) AND computed_revision <= $3 ORDER BY node_id FOR UPDATE`,
    cluster,
    [...nodes],
    revision,
  );
}

/**
 * The state did not change, so a node that has applied it has applied this revision too. That it has is told by its job: a node that waits in a
 * rollout gets several states of one revision.
 */
const movedSql = `UPDATE node_progress p SET computed_revision = $2,
  applied_revision = CASE WHEN applied_revision = computed_revision AND last_status = 'applied' AND EXISTS (
    SELECT FROM jobs j WHERE j.node_id = p.node_id AND j.generation = p.generation AND j.status = 'applied') THEN $2 ELSE applied_revision END
  WHERE node_id = ANY($1::text[])`;

/** A generation of each node, its job and its outbox message. $1: array of {node_id, generation, hash, whole, state, plan, delta}, the last three as JSON text. */
const generationsSql = `WITH r AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(node_id text, generation int, hash text, whole text, state text, plan text, delta text)),
  states AS (INSERT INTO node_states (node_id, generation, revision, hash, whole_hash, state) SELECT node_id, generation, $3, hash, whole, state::json FROM r),
  progressed AS (UPDATE node_progress p SET generation = r.generation, state_hash = r.hash, computed_revision = $3 FROM r WHERE p.node_id = r.node_id),
  made AS (INSERT INTO jobs (cluster_id, node_id, generation, revision, plan, delta) SELECT $2, node_id, generation, $3, plan::json, delta::json FROM r ORDER BY node_id RETURNING id, sequence)
  INSERT INTO outbox (job_id) SELECT id FROM made ORDER BY sequence`;

const pruneJobsSql = `DELETE FROM jobs j USING node_progress p WHERE p.node_id = ANY($1::text[]) AND j.node_id = p.node_id AND j.generation <= p.generation - ${KEPT_JOBS}`;

/** Rows as JSON arrays of at most BATCH_CHARACTERS, or of a single row that is longer. */
function* batches(rows: Iterable<object>): Iterable<string> {
  let parts: string[] = [];
  let length = 0;
  for (const row of rows) {
    const text = JSON.stringify(row);
    if (length > 0 && length + text.length > BATCH_CHARACTERS) {
      yield `[${parts.join(',')}]`;
      parts = [];
      length = 0;
    }
    parts.push(text);
    length += text.length;
  }
  if (parts.length > 0) yield `[${parts.join(',')}]`;
}

/** See IntentStore.saveComputed. */
export async function saveComputedStates(connections: Connections, cluster: Id, revision: number, states: readonly ComputedState[]): Promise<void> {
  if (states.length === 0) return;
  const byNode = new Map(states.map((state) => [state.nodeId, state]));
  await connections.transaction(async (transaction) => {
    const moved: Id[] = [];
    const fresh: { readonly slot: Slot; readonly changed: NonNullable<ComputedState['changed']> }[] = [];
    for (const slot of await lockProgress(transaction, cluster, revision, [...byNode.keys()])) {
      const { changed, hash = slot.state_hash } = byNode.get(slot.node_id) ?? {};
      // Another control plane may have saved the same state since this one was computed, or another one than it was compared with.
      if (changed !== undefined && changed.state.hash !== slot.state_hash) fresh.push({ slot, changed });
      else if (changed !== undefined || hash === slot.state_hash) moved.push(slot.node_id);
    }
    if (moved.length > 0) await transaction.$executeRawUnsafe(movedSql, moved, revision);
    if (fresh.length === 0) return;
    const rows = function* (): Iterable<object> {
      for (const { slot, changed } of fresh) {
        const { state, plan, delta } = changed;
        yield {
          node_id: slot.node_id,
          generation: slot.generation + 1,
          hash: state.hash,
          whole: wholeHash(state),
          state: isByDelta(slot.node_id, slot.generation + 1, slot.state_hash, changed) ? null : JSON.stringify(state),
          plan: JSON.stringify(plan),
          delta: delta === undefined ? null : JSON.stringify(delta),
        };
      }
    };
    for (const batch of batches(rows())) await transaction.$executeRawUnsafe(generationsSql, batch, cluster, revision);
    const wholes = fresh.filter(({ slot, changed }) => !isByDelta(slot.node_id, slot.generation + 1, slot.state_hash, changed));
    // A state goes only with all that is made from it, so behind a new whole one.
    if (wholes.length > 0)
      await pruneStates(
        transaction,
        wholes.map(({ slot }) => slot.node_id),
      );
    await transaction.$executeRawUnsafe(
      pruneJobsSql,
      fresh.map(({ slot }) => slot.node_id),
    );
  });
}

interface ProgressRow extends Omit<NodeProgressRow, 'reportStart'> {
  /** As text where pg itself reads it. */
  readonly reportStart: NodeProgressRow['reportStart'] | string;
}

/** Columns of `node_progress p` by the names of ProgressRow. */
export const progressSelection = `p.node_id AS "nodeId", p.cluster_id AS "clusterId", p.generation, p.state_hash AS "stateHash", p.computed_revision AS "computedRevision",
  p.applied_revision AS "appliedRevision", p.last_report_at AS "lastReportAt", p.last_status::text AS "lastStatus", p.report_start AS "reportStart",
  p.report_count AS "reportCount", p.handed_revision AS "handedRevision", p.last_errors AS "lastErrors", p.last_waiting AS "lastWaiting", p.failures,
  p.failing_since AS "failingSince", p.facts, p.observed_hash AS "observedHash", p.signals`;

export function progressOf(row: ProgressRow): NodeProgress {
  return {
    nodeId: row.nodeId,
    generation: row.generation,
    stateHash: row.stateHash,
    computedRevision: row.computedRevision,
    appliedRevision: row.appliedRevision,
    lastReportAt: row.lastReportAt?.toISOString() ?? null,
    reportOrder: row.reportStart === null || row.reportCount === null ? null : { start: Number(row.reportStart), count: row.reportCount },
    handedRevision: row.handedRevision,
    lastStatus: row.lastStatus,
    lastErrors: row.lastErrors as unknown as NodeProgress['lastErrors'],
    failures: row.failures,
    failingSince: row.failingSince?.toISOString() ?? null,
    lastWaiting: row.lastWaiting as unknown as NodeProgress['lastWaiting'],
    facts: row.facts as unknown as NodeProgress['facts'],
    observedHash: row.observedHash,
    signals: row.signals as unknown as NodeProgress['signals'],
  };
}

const progressSql = `SELECT ${progressSelection} FROM node_progress p WHERE cluster_id = $1 AND ($2::text IS NULL OR node_id = $2) ORDER BY node_id`;

/** Asked after each movement by all who wait, so by one prepared statement. */
export async function progressRows({ lookUp }: Connections, cluster: Id, nodeId?: Id): Promise<readonly NodeProgress[]> {
  return (await lookUp<ProgressRow>(progressSql, [cluster, nodeId ?? null])).map(progressOf);
}
