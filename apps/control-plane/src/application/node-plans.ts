import { setImmediate } from 'node:timers/promises';
import { computeNodeState } from '@portolan/compute';
import type { Id, Node, Snapshot } from '@portolan/model';
import { type NodeState, type ObservedState, observedState } from '@portolan/node-state';
import { diffNodeState, plannedSteps, worstRisk } from '@portolan/plan';
import type { NodePlan } from '@portolan/store';

/** Steps of a node that are kept; of more it is known how many there are. */
const MOST_STEPS = 500;

/**
 * What a change does to each node, by name: the steps between its state before and after. What its kernel has lost or gained by itself is none of it. Nodes
 * on which nothing changes are left out, and so are those that go with the change: nobody sends them anything.
 */
export async function nodePlansOf(before: Snapshot, after: Snapshot): Promise<readonly NodePlan[]> {
  const plans: NodePlan[] = [];
  for (const node of [...after.nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    // Requests are answered between two nodes.
    await setImmediate();
    const plan = nodePlan(before.nodes.has(node.id) ? computeNodeState(before, node.id) : undefined, computeNodeState(after, node.id), node);
    if (plan !== undefined) plans.push(plan);
  }
  return plans;
}

function nodePlan(before: NodeState | undefined, after: NodeState, { id, name }: Node): NodePlan | undefined {
  if (before?.hash === after.hash) return undefined;
  const steps = plannedSteps(diffNodeState(asObserved(before, after), after), before);
  if (steps.length === 0) return undefined;
  const risk = worstRisk(steps.map((step) => step.risk));
  return { nodeId: id, node: name, steps: steps.slice(0, MOST_STEPS), more: Math.max(0, steps.length - MOST_STEPS), risk };
}

/** A kernel that holds the state before, with every endpoint there. */
function asObserved(before: NodeState | undefined, after: NodeState): ObservedState {
  const ids: readonly Id[] = Object.keys({ ...before?.endpoints, ...after.endpoints });
  const objects = (before?.objects ?? []).map(({ key, hash, space, body }) => ({ key, hash, space, kind: body.kind, body }));
  return observedState(objects, Object.fromEntries(ids.map((id) => [id, 'present' as const])), []);
}
