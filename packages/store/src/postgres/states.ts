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
  readonly node: Id;
  readonly wanted: number;
  readonly generation: number;
  readonly revision: number;
  readonly hash: string;
  readonly state: NodeState | null;
  readonly created: Date;
  readonly delta: StateDelta | null;
}

/** One generation of a node. */
interface Wanted {
  readonly nodeId: Id;
  readonly generation: number;
}

/** Of each from the newest whole one up to the generation; $3: how many generations behind the newest one it may be. */
const linesSql = `SELECT w.node, w.generation AS wanted, s.generation, s.revision, s.hash, s.state, s.created_at AS created,
    CASE WHEN s.state IS NULL THEN j.delta END AS delta
  FROM unnest($1::text[], $2::int[]) AS w(node, generation)
  JOIN node_progress p ON p.node_id = w.node AND p.generation - w.generation < $3::int
  CROSS JOIN LATERAL (SELECT max(generation) AS base FROM node_states WHERE node_id = w.node AND generation <= w.generation AND state IS NOT NULL) b
  JOIN node_states s ON s.node_id = w.node AND s.generation <= w.generation AND s.generation >= b.base
  LEFT JOIN jobs j ON j.node_id = s.node_id AND j.generation = s.generation ORDER BY w.node, s.generation`;
const newestSql = 'SELECT node_id AS "nodeId", generation FROM node_progress WHERE node_id = ANY($1::text[])';

/** Of each node one generation at most. */
async function stateRows(questions: Questions, wanted: readonly Wanted[], within: number): Promise<readonly NodeStateRow[]> {
  const nodes = wanted.map(({ nodeId }) => nodeId);
  const generations = wanted.map(({ generation }) => generation);
  const lines = await questions.$queryRawUnsafe<StateLine[]>(linesSql, nodes, generations, within);
  const rows: NodeStateRow[] = [];
  let state: NodeState | undefined;
  for (const [i, { node, wanted: last, generation, revision, hash, state: whole, created, delta }] of lines.entries()) {
    if (lines[i - 1]?.node !== node) state = undefined;
    if (whole !== null) state = whole;
    else state = state === undefined || delta === null ? undefined : stateAfter(state, delta);
    if (generation !== last) continue;
    if (state?.hash !== hash) throw new Error(`generation ${generation} of node ${node} cannot be made from what is stored of it`);
    rows.push({ nodeId: node, generation, revision, state, createdAt: created.toISOString() });
  }
  return rows;
}

/** The newest state of each node that has one. */
export async function newestStateRows(questions: Questions, nodeIds: readonly Id[]): Promise<readonly NodeStateRow[]> {
  return stateRows(questions, await questions.$queryRawUnsafe<Wanted[]>(newestSql, [...new Set(nodeIds)]), KEPT_STATES);
}

/** The state of a generation, the newest unless one is named. Those that are kept only because others are made from them are none. */
export async function nodeStateRow(questions: Questions, nodeId: Id, generation?: number): Promise<NodeStateRow | null> {
  const [row] = generation === undefined ? await newestStateRows(questions, [nodeId]) : await stateRows(questions, [{ nodeId, generation }], KEPT_STATES);
  return row ?? null;
}

const MOST_GENERATIONS = 2 ** 30;

/** What was observed, by node, when all of a generation was there and nothing else. */
export async function objectsOfGenerations(questions: Questions, wanted: readonly Wanted[]): Promise<ReadonlyMap<Id, readonly ObservedObject[]>> {
  return new Map((await stateRows(questions, wanted, MOST_GENERATIONS)).map(({ nodeId, state }) => [nodeId, foundObjects(state)]));
}

const oldSql = `SELECT o.node_id AS "nodeId", o.generation FROM observed_states o JOIN node_progress p ON p.node_id = o.node_id
  WHERE o.node_id = ANY($1::text[]) AND o.generation <= p.generation - ${KEPT_STATES}`;
const writtenOutSql = 'UPDATE observed_states SET objects = $3::json, generation = NULL WHERE node_id = $1 AND generation = $2';
const pruneSql = `DELETE FROM node_states s USING node_progress p WHERE p.node_id = ANY($1::text[]) AND s.node_id = p.node_id AND s.generation <= p.generation - ${KEPT_STATES}
  AND s.generation < (SELECT max(w.generation) FROM node_states w WHERE w.node_id = p.node_id AND w.state IS NOT NULL AND w.generation <= p.generation - ${KEPT_STATES} + 1)`;

/** Drops what nobody needs any more. What was last observed of a node that is silent for long is written out before its state goes. */
export async function pruneStates(transaction: Transaction, nodes: readonly Id[]): Promise<void> {
  const old = await transaction.$queryRawUnsafe<Wanted[]>(oldSql, [...nodes]);
  const objects = old.length === 0 ? new Map() : await objectsOfGenerations(transaction, old);
  for (const { nodeId, generation } of old) {
    await transaction.$executeRawUnsafe(writtenOutSql, nodeId, generation, JSON.stringify(objects.get(nodeId) ?? []));
  }
  await transaction.$executeRawUnsafe(pruneSql, [...nodes]);
}
