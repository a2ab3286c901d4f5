import type { Explanation, FlowChange, Question, Reached } from './explanation.js';
import type { World } from './world.js';

/**
 * Explains one flow in a world. `desired`: the world as it should be, which an observed one is compared with; the divergences are empty without it.
 * Throws `invalid-document` for a question that cannot be read, and `not-found` for names that the cluster does not have.
 */
export function explanationOf(world: World, question: Question, desired?: World): Explanation {
  throw new Error(`not built: ${world.view} ${question.from} ${desired?.view}`);
}

/** Every client (endpoints, and a client outside for each node) × every VIP of its networks and every published port. */
export function reachOf(world: World, only: { readonly from?: string | undefined; readonly to?: string | undefined } = {}): Iterable<Reached> {
  throw new Error(`not built: ${world.view} ${only.from}`);
}

/** Flows that are other in one world than in another: what a plan would change. */
export function flowChanges(before: World, after: World): readonly FlowChange[] {
  throw new Error(`not built: ${before.view} ${after.view}`);
}
