import type { Id } from '@portolan/model';
import type { NodeRollout, Rollout, RolloutSpec } from '@portolan/store';

export const defaultRollout: RolloutSpec = { parallelism: 1, delay: 0, monitor: 5, maxFailureRatio: 0, failureAction: 'pause', confirmWithin: 0 };

/** An agent that is up has so many seconds, and those of `monitor`, to apply what it may have. */
const APPLY_SECONDS = 30;

/** What is known of a node at the moment. Reasons are for people; null: there is none. */
export interface NodeEvidence {
  readonly name: string;
  /** Whether its agent is there. */
  readonly isUp: boolean;
  readonly hasApplied: boolean;
  /** Why it could not apply what it was given last. */
  readonly failure: string | null;
  /** Names of VIPs of touched services that do not answer on this node since. */
  readonly silentVips: readonly string[];
}

/** `rollout` is the very object that was given where nothing moved; `dueIn`: milliseconds until time alone moves it. */
export interface RolloutStep {
  readonly status: 'rolling' | 'paused' | 'confirming' | 'applied' | 'rolled-back';
  readonly rollout: Rollout;
  readonly dueIn?: number;
}

/**
 * The next step of a rollout that is rolling, by what is known now. `evidence`: by node; one that is missing is gone.
 *
 * ```
 * waiting ─► released ─► applied ─► updated          batch by batch: the next one when all of the last are judged, and `delay` is over
 *    │           └───────────┴────► failed ─► more than maxFailureRatio? ─► failureAction
 *    └─► skipped                                     its agent is away
 * ```
 */
export function rolloutAfter(before: Rollout, evidence: ReadonlyMap<Id, NodeEvidence>, now: Date): RolloutStep {
  const judged = withNodes(before, (id, node) => judgedNode(node, evidence.get(id), before.spec, now));
  const failure = failureOf(judged, evidence);
  if (failure !== null) return { status: judged.spec.failureAction === 'rollback' ? 'rolled-back' : 'paused', rollout: { ...judged, reason: failure } };
  if (inFlight(judged).length > 0) return { status: 'rolling', rollout: judged, ...dueOf(judged, now) };
  const rollout = released(judged, evidence, now);
  const isDone = Object.values(rollout.nodes).every(({ state }) => state !== 'waiting' && state !== 'released');
  return isDone ? finished(rollout, now) : { status: 'rolling', rollout, ...dueOf(rollout, now) };
}

/** The same of one that waits for its confirmation. */
export function confirmationAfter(rollout: Rollout, now: Date): RolloutStep {
  const left = rollout.confirmBy === null ? 0 : Date.parse(rollout.confirmBy) - now.getTime();
  if (left > 0) return { status: 'confirming', rollout, dueIn: left };
  return { status: 'rolled-back', rollout: { ...rollout, reason: `it was not confirmed within ${rollout.spec.confirmWithin} s` } };
}

function judgedNode(node: NodeRollout, seen: NodeEvidence | undefined, { monitor }: RolloutSpec, now: Date): NodeRollout {
  if (node.state !== 'released' && node.state !== 'applied') return node;
  if (seen === undefined) return { state: 'skipped' };
  const at = now.toISOString();
  const failed = (reason: string): NodeRollout => ({ state: 'failed', at, reason });
  if (!seen.isUp) return failed('its agent is gone');
  if (seen.failure !== null) return failed(seen.failure);
  const age = now.getTime() - Date.parse(node.at);
  if (node.state === 'released') {
    const limit = monitor + APPLY_SECONDS;
    if (!seen.hasApplied) return age < limit * 1000 ? node : failed(`it has not applied the change within ${limit} s`);
    return judgedNode({ state: 'applied', at }, seen, { ...defaultRollout, monitor }, now);
  }
  if (seen.silentVips.length > 0) return failed(`no answer from ${seen.silentVips.join(', ')}`);
  return age < monitor * 1000 ? node : { state: 'updated', at };
}

/** Why the failures are too many; null when they are not. */
function failureOf({ spec, nodes }: Rollout, evidence: ReadonlyMap<Id, NodeEvidence>): string | null {
  const all = Object.entries(nodes);
  const failed = all.flatMap(([id, node]) => (node.state === 'failed' ? [`${evidence.get(id)?.name ?? id}: ${node.reason}`] : []));
  if (spec.failureAction === 'continue' || failed.length === 0 || failed.length / all.length <= spec.maxFailureRatio) return null;
  return `${failed.length} of ${all.length} nodes failed: ${failed.sort().join('; ')}`;
}

function inFlight({ nodes }: Rollout): readonly { readonly state: 'released' | 'applied'; readonly at: string }[] {
  return Object.values(nodes).flatMap((node) => (node.state === 'released' || node.state === 'applied' ? [{ state: node.state, at: node.at }] : []));
}

/** Lets the next batch have the change when it is time for it. */
function released(rollout: Rollout, evidence: ReadonlyMap<Id, NodeEvidence>, now: Date): Rollout {
  const { spec, nodes, nextBatchAt } = rollout;
  const nameOf = (id: Id): string => evidence.get(id)?.name ?? '';
  const waiting = Object.keys(nodes).filter((id) => nodes[id]?.state === 'waiting');
  if (waiting.length === 0) return rollout;
  const isFirst = Object.values(nodes).every(({ state }) => state === 'waiting' || state === 'skipped');
  if (nextBatchAt === null && spec.delay > 0 && !isFirst) return { ...rollout, nextBatchAt: new Date(now.getTime() + spec.delay * 1000).toISOString() };
  if (nextBatchAt !== null && Date.parse(nextBatchAt) > now.getTime()) return rollout;
  let left = spec.parallelism === 0 ? waiting.length : spec.parallelism;
  const next = new Map<Id, NodeRollout>();
  for (const id of waiting.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))) {
    if (left === 0) break;
    const isUp = evidence.get(id)?.isUp === true;
    next.set(id, isUp ? { state: 'released', at: now.toISOString() } : { state: 'skipped' });
    if (isUp) left--;
  }
  return { ...withNodes(rollout, (id, node) => next.get(id) ?? node), nextBatchAt: null };
}

function finished(rollout: Rollout, now: Date): RolloutStep {
  const { confirmWithin } = rollout.spec;
  if (confirmWithin === 0) return { status: 'applied', rollout };
  const confirmBy = new Date(now.getTime() + confirmWithin * 1000).toISOString();
  return { status: 'confirming', rollout: { ...rollout, confirmBy }, dueIn: confirmWithin * 1000 };
}

/** The same rollout when every node is the same. */
function withNodes(rollout: Rollout, change: (id: Id, node: NodeRollout) => NodeRollout): Rollout {
  const entries = Object.entries(rollout.nodes).map(([id, node]) => [id, change(id, node)] as const);
  return entries.every(([id, node]) => node === rollout.nodes[id]) ? rollout : { ...rollout, nodes: Object.fromEntries(entries) };
}

function dueOf(rollout: Rollout, now: Date): Pick<RolloutStep, 'dueIn'> {
  const { monitor } = rollout.spec;
  const ends = inFlight(rollout).map(({ state, at }) => Date.parse(at) + 1000 * (state === 'applied' ? monitor : monitor + APPLY_SECONDS));
  const times = rollout.nextBatchAt === null ? ends : [...ends, Date.parse(rollout.nextBatchAt)];
  return times.length === 0 ? {} : { dueIn: Math.max(0, Math.min(...times) - now.getTime()) };
}
