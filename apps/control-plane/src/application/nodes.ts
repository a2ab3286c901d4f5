import { type Id, type Node, portolanError, type Snapshot } from '@portolan/model';
import { type NodeState, type ObservedState, observedState } from '@portolan/node-state';
import { diffNodeState, type Plan, type Step } from '@portolan/plan';
import type { NodeStateRow, ObservedRow } from '@portolan/store';
import type { Context } from './context.js';
import { objectNamed } from './objects.js';
import { progressOf } from './status.js';

export interface DesiredNodeState {
  readonly generation: number;
  /** Newest revision that gives this state. */
  readonly revision: number;
  readonly state: NodeState;
}

/** The newest state of a node, or that of an older generation. Throws `not-found`. */
export async function desiredNodeState(ctx: Context, snapshot: Snapshot, name: string, generation?: number): Promise<DesiredNodeState> {
  const node = objectNamed(snapshot, 'node', name);
  const row = await ctx.store.nodeState(node.id, generation);
  if (row === null) {
    throw portolanError(
      'not-found',
      '',
      generation === undefined ? `no state is computed for node ${name} yet` : `node ${name} has no generation ${generation}`,
    );
  }
  return { generation: row.generation, revision: await newestRevisionOf(ctx, snapshot, node, row), state: row.state };
}

async function newestRevisionOf(ctx: Context, snapshot: Snapshot, node: Node, row: NodeStateRow): Promise<number> {
  const progress = await progressOf(ctx, snapshot, node.id);
  return progress?.generation === row.generation ? progress.computedRevision : row.revision;
}

/** What the node's agent last saw. Throws `not-found`. */
export async function observedNodeState(ctx: Context, snapshot: Snapshot, name: string): Promise<ObservedRow> {
  const row = await ctx.store.observed(objectNamed(snapshot, 'node', name).id);
  if (row === null) throw portolanError('not-found', '', `node ${name} has never reported`, { fix: 'Start its agent.' });
  return row;
}

/** What differs between the last report and the newest state, as the plan that mends it. */
export async function nodeDrift(ctx: Context, snapshot: Snapshot, name: string): Promise<Plan> {
  const { state } = await desiredNodeState(ctx, snapshot, name);
  const { id } = objectNamed(snapshot, 'node', name);
  return driftFrom(snapshot, id, state, await ctx.store.observed(id));
}

/** The same of what has been read. `row`: null before the first report. */
export function driftFrom(snapshot: Snapshot, nodeId: Id, state: NodeState, row: ObservedRow | null): Plan {
  return diffNodeState(observationFrom(snapshot, nodeId, row), state);
}

/** The last report of the node as an observed state; an empty one before the first. `found`: its objects, where they are known; nothing is read then, and foreign things are left out. */
export async function lastObservation(ctx: Context, snapshot: Snapshot, node: Node, found?: ObservedState['objects']): Promise<ObservedState> {
  if (found !== undefined) return observedState(found, presenceOn(snapshot, node.id), []);
  return observationFrom(snapshot, node.id, await ctx.store.observed(node.id));
}

function observationFrom(snapshot: Snapshot, nodeId: Id, row: ObservedRow | null): ObservedState {
  return observedState(row?.objects ?? [], presenceOn(snapshot, nodeId), (row?.foreign ?? []) as ObservedState['foreign']);
}

/** `unknown` counts as present. */
function presenceOn(snapshot: Snapshot, nodeId: Id): Record<Id, 'present' | 'absent'> {
  const presence: Record<Id, 'present' | 'absent'> = {};
  for (const endpoint of snapshot.endpoints.values()) {
    if (endpoint.nodeId === nodeId) presence[endpoint.id] = endpoint.presence === 'absent' ? 'absent' : 'present';
  }
  return presence;
}

export interface StepLine {
  readonly action: Step['action'];
  readonly key: string;
  readonly reason: string;
}

export interface PlanLines extends Omit<Plan, 'steps'> {
  readonly steps: readonly StepLine[];
}

/** A plan as it is shown: the bodies of its objects are in the node state. */
export function planLines(plan: Plan): PlanLines {
  return {
    ...plan,
    steps: plan.steps.map((step) => ({ action: step.action, key: step.action === 'delete' ? step.observed.key : step.object.key, reason: step.reason })),
  };
}
