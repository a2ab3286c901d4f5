import type { Id } from '@portolan/model';
import { foundObjects, hashText, type NodeState, type ObservedObject, type StateDelta, stateAfter } from '@portolan/node-state';
import { KEPT_STATES } from '../history.js';
import type { ComputedState, NodeStateRow } from '../ports.js';
import type { Transaction } from './connections.js';

/** What asks, in a transaction or without one. */
type Questions = Pick<Transaction, '$queryRawUnsafe'>;

/** Of so many generations of a node one is stored whole; the others are what their jobs bring, so that a small change is a small write. */
const GENERATIONS_A_WHOLE = 16;

/** Nodes that change together do not have all their whole ones together. */
function isWholeTurn(nodeId: Id, generation: number): boolean {
  return (generation + Number.parseInt(hashText(nodeId).slice(-4), 16)) % GENERATIONS_A_WHOLE === 0;
}

/** Whether the state can be had from that of the generation before, whose hash is `base`, and the delta of its job. */
export function isByDelta(nodeId: Id, generation: number, base: string, { delta }: NonNullable<ComputedState['changed']>): boolean {
  return delta !== undefined && delta.base === base && !isWholeTurn(nodeId, generation);
}

interface StateLine {
  readonly generation: number;
  readonly revision: number;
  readonly hash: string;
  readonly state: NodeState | null;
  readonly created: Date;
  readonly delta: StateDelta | null;
}

/** From the newest whole one up to the generation; $3: how many generations behind the newest one it may be. */
const linesSql = `SELECT s.generation, s.revision, s.hash, s.state, s.created_at AS created, CASE WHEN s.state IS NULL THEN j.delta END AS delta
  FROM (SELECT $2::int AS wanted FROM node_progress WHERE node_id = $1 AND generation - $2::int < $3::int) w
  JOIN node_states s ON s.node_id = $1 AND s.generation <= w.wanted AND s.generation >= (
    SELECT max(generation) FROM node_states WHERE node_id = $1 AND generation <= w.wanted AND state IS NOT NULL)
  LEFT JOIN jobs j ON j.node_id = s.node_id AND j.generation = s.generation ORDER BY s.generation`;
const newestSql = 'SELECT generation FROM node_progress WHERE node_id = $1';

async function stateRow(questions: Questions, nodeId: Id, generation: number, within: number): Promise<NodeStateRow | null> {
  const lines = await questions.$queryRawUnsafe<StateLine[]>(linesSql, nodeId, generation, within);
  const last = lines.at(-1);
  if (last?.generation !== generation) return null;
  let state: NodeState | undefined;
  for (const line of lines) {
    if (line.state !== null) state = line.state;
    else state = state === undefined || line.delta === null ? undefined : stateAfter(state, line.delta);
  }
  if (state?.hash !== last.hash) throw new Error(`generation ${generation} of node ${nodeId} cannot be made from what is stored of it`);
  return { nodeId, generation, revision: last.revision, state, createdAt: last.created.toISOString() };
}

/** The state of a generation, the newest unless one is named. Those that are kept only because others are made from them are none. */
export async function nodeStateRow(questions: Questions, nodeId: Id, generation?: number): Promise<NodeStateRow | null> {
  if (generation !== undefined) return stateRow(questions, nodeId, generation, KEPT_STATES);
  const [newest] = await questions.$queryRawUnsafe<{ generation: number }[]>(newestSql, nodeId);
  return newest === undefined ? null : stateRow(questions, nodeId, newest.generation, KEPT_STATES);
}

const MOST_GENERATIONS = 2 ** 30;

/** What was observed when all of a generation was there, and nothing else. */
export async function objectsOfGeneration(questions: Questions, nodeId: Id, generation: number): Promise<readonly ObservedObject[] | undefined> {
  const row = await stateRow(questions, nodeId, generation, MOST_GENERATIONS);
  return row === null ? undefined : foundObjects(row.state);
}

const oldSql = `SELECT o.node_id AS node, o.generation FROM observed_states o JOIN node_progress p ON p.node_id = o.node_id
  WHERE o.node_id = ANY($1::text[]) AND o.generation <= p.generation - ${KEPT_STATES}`;
const writtenOutSql = 'UPDATE observed_states SET objects = $3::json, generation = NULL WHERE node_id = $1 AND generation = $2';
const pruneSql = `DELETE FROM node_states s USING node_progress p WHERE p.node_id = ANY($1::text[]) AND s.node_id = p.node_id AND s.generation <= p.generation - ${KEPT_STATES}
  AND s.generation < (SELECT max(w.generation) FROM node_states w WHERE w.node_id = p.node_id AND w.state IS NOT NULL AND w.generation <= p.generation - ${KEPT_STATES} + 1)`;

/** Drops what nobody needs any more. What was last observed of a node that is silent for long is written out before its state goes. */
export async function pruneStates(transaction: Transaction, nodes: readonly Id[]): Promise<void> {
  for (const { node, generation } of await transaction.$queryRawUnsafe<{ node: Id; generation: number }[]>(oldSql, [...nodes])) {
    const objects = await objectsOfGeneration(transaction, node, generation);
    await transaction.$executeRawUnsafe(writtenOutSql, node, generation, JSON.stringify(objects ?? []));
  }
  await transaction.$executeRawUnsafe(pruneSql, [...nodes]);
}
