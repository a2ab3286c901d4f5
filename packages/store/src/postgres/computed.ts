import type { Id } from '@portolan/model';
import type { NodeState } from '@portolan/node-state';
import type { NodeProgress as NodeProgressRow } from '../generated/prisma/client.js';
import { KEPT_JOBS, KEPT_STATES } from '../history.js';
import type { ComputedState, NodeProgress, NodeStateRow } from '../ports.js';
import type { Connections, Transaction } from './connections.js';

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

/** A generation of each node, its job and its outbox message. $1: array of {node_id, generation, hash, state, plan, delta}, the last three as JSON text. */
const generationsSql = `WITH r AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(node_id text, generation int, hash text, state text, plan text, delta text)),
  states AS (INSERT INTO node_states (node_id, generation, revision, hash, state) SELECT node_id, generation, $3, hash, state::json FROM r),
  progressed AS (UPDATE node_progress p SET generation = r.generation, state_hash = r.hash, computed_revision = $3 FROM r WHERE p.node_id = r.node_id),
  made AS (INSERT INTO jobs (cluster_id, node_id, generation, revision, plan, delta) SELECT $2, node_id, generation, $3, plan::json, delta::json FROM r ORDER BY node_id RETURNING id, sequence)
  INSERT INTO outbox (job_id) SELECT id FROM made ORDER BY sequence`;

const pruneSql = {
  states: `DELETE FROM node_states s USING node_progress p WHERE p.node_id = ANY($1::text[]) AND s.node_id = p.node_id AND s.generation <= p.generation - ${KEPT_STATES}`,
  jobs: `DELETE FROM jobs j USING node_progress p WHERE p.node_id = ANY($1::text[]) AND j.node_id = p.node_id AND j.generation <= p.generation - ${KEPT_JOBS}`,
} as const;

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
          state: JSON.stringify(state),
          plan: JSON.stringify(plan),
          delta: delta === undefined ? null : JSON.stringify(delta),
        };
      }
    };
    for (const batch of batches(rows())) await transaction.$executeRawUnsafe(generationsSql, batch, cluster, revision);
    const nodes = fresh.map(({ slot }) => slot.node_id);
    await transaction.$executeRawUnsafe(pruneSql.states, nodes);
    await transaction.$executeRawUnsafe(pruneSql.jobs, nodes);
  });
}

/** The state of a generation, the newest unless one is named. */
export async function nodeStateRow({ prisma }: Connections, nodeId: Id, generation?: number): Promise<NodeStateRow | null> {
  const row = await prisma.nodeState.findFirst({ where: { nodeId, ...(generation === undefined ? {} : { generation }) }, orderBy: { generation: 'desc' } });
  return row === null
    ? null
    : { nodeId, generation: row.generation, revision: row.revision, state: row.state as unknown as NodeState, createdAt: row.createdAt.toISOString() };
}

export function progressOf(row: NodeProgressRow): NodeProgress {
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
    signals: row.signals as unknown as NodeProgress['signals'],
  };
}

export async function progressRows({ prisma }: Connections, cluster: Id, nodeId?: Id): Promise<readonly NodeProgress[]> {
  const rows = await prisma.nodeProgress.findMany({ where: { clusterId: cluster, ...(nodeId === undefined ? {} : { nodeId }) }, orderBy: { nodeId: 'asc' } });
  return rows.map(progressOf);
}
