import { setImmediate } from 'node:timers/promises';
import { computeNodeState } from '@portolan/compute';
import type { Cluster, Id, Node, Snapshot } from '@portolan/model';
import { foundObjects, type NodeState, wholeHash } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import type { ComputedState, NodeProgress } from '@portolan/store';
import type { Context } from '../application/context.js';
import { heldNodes } from '../application/held-nodes.js';
import { lastObservation } from '../application/nodes.js';
import { snapshotWithRollout } from '../application/rollout-view.js';
import { forEachCluster, isOutage } from './each-cluster.js';
import { previousStates, smallDelta } from './previous-states.js';

/** States that are saved in one transaction at most: bounds memory, and the first nodes need not wait for the last. */
const BATCH = 32;

/**
 * Computes what is behind, for every cluster: level-triggered, so it does not matter what woke it.
 *
 * ```
 * snapshot@revision ─┬─► nodes whose computedRevision is older ─► computeNodeState ─► other hash? ─► plan against the last report
 *                    │                                      ▲                              └────────► saveComputed: state, job, outbox
 *     rollout ───────┴─► nodes that are held ─► heldSnapshot, under the revision before the change
 * ```
 */
export async function computeBehind(ctx: Context, signal: AbortSignal): Promise<void> {
  await forEachCluster(ctx, signal, (cluster) => computeCluster(ctx, cluster, signal));
}

type ProgressByNode = ReadonlyMap<Id, NodeProgress>;

/** Nodes that are computed from one snapshot, and the revision under which they are saved. */
interface Work {
  readonly snapshot: Snapshot;
  readonly revision: number;
  readonly nodes: readonly Node[];
  /** Of those that a rollout watches: their agents dial the VIPs whose way they change. */
  readonly dials?: (nodeId: Id) => boolean;
  readonly computed?: (nodeId: Id, hash: string) => void;
}

async function computeCluster(ctx: Context, name: Cluster['name'], signal: AbortSignal): Promise<void> {
  const { snapshot, underway } = await snapshotWithRollout(ctx, name);
  const { id, revision } = snapshot.cluster;
  const progress = new Map((await ctx.store.progress(id)).map((row) => [row.nodeId, row]));
  const nodes = [...snapshot.nodes.values()];
  const holding = heldNodes(ctx);
  const held = await holding.of(ctx, snapshot, underway);
  const failures: unknown[] = [];
  if (held !== undefined && underway !== null) {
    await computeNodes(
      ctx,
      {
        ...held,
        nodes: nodes.filter((node) => held.nodes.has(node.id) && holding.isBehind(node, held, snapshot, underway, progress.get(node.id))),
        computed: (nodeId, hash) => holding.note(nodeId, { changeset: underway.id, revision, hash }),
      },
      progress,
      failures,
      signal,
    );
  }
  // A new node has no progress yet, and is behind even at revision 0.
  const behind = nodes.filter((node) => held?.nodes.has(node.id) !== true && (progress.get(node.id)?.computedRevision ?? -1) < revision);
  await computeNodes(ctx, { snapshot, revision, nodes: behind, dials: (nodeId) => underway?.rollout.nodes[nodeId] !== undefined }, progress, failures, signal);
  if (failures.length > 0) throw failures[0];
}

async function computeNodes(ctx: Context, work: Work, progress: ProgressByNode, failures: unknown[], signal: AbortSignal): Promise<void> {
  const { snapshot, revision, nodes, dials = () => false, computed } = work;
  const { id, name } = snapshot.cluster;
  for (let first = 0; first < nodes.length && !signal.aborted; first += BATCH) {
    const start = ctx.clock.now().getTime();
    const states: ComputedState[] = [];
    const hashes = new Map<Id, string>();
    for (const node of nodes.slice(first, first + BATCH)) {
      // Requests are answered between two nodes, and so is the one whose commit woke this task.
      await setImmediate();
      try {
        const state = await computedState(ctx, computeNodeState(snapshot, node.id, { dialsVips: dials(node.id) }), snapshot, node, progress.get(node.id));
        states.push(state);
        hashes.set(node.id, state.hash);
      } catch (error) {
        if (isOutage(error)) throw error;
        failures.push(new Error(`the state of node ${node.name} of cluster ${name} cannot be computed at revision ${revision}`, { cause: error }));
      }
    }
    if (states.length === 0) continue;
    await ctx.store.saveComputed(id, revision, states);
    for (const [nodeId, hash] of hashes) computed?.(nodeId, hash);
    const changed = states.filter((state) => state.changed !== undefined).length;
    ctx.counters.computed(name, states.length, (ctx.clock.now().getTime() - start) / 1000);
    ctx.log.debug({ cluster: name, revision, nodes: states.length, changed }, 'node states computed');
    ctx.changes.notify('computed', name);
  }
}

async function computedState(
  ctx: Context,
  state: NodeState,
  snapshot: Snapshot,
  node: Node,
  progress: NodeProgress | undefined,
): Promise<ComputedState & { readonly hash: string }> {
  const previous = previousStates(ctx.store);
  const { hash } = state;
  if (progress?.stateHash === hash) {
    previous.note(node.id, state);
    return { nodeId: node.id, hash };
  }
  const before = await previous.of(node, progress);
  previous.note(node.id, state);
  // The usual node has all of the state before and nothing else: then nothing need be read of what it reported.
  const found = before !== undefined && progress !== undefined && wholeHash(before) === progress.observedHash ? foundObjects(before) : undefined;
  const plan = diffNodeState(await lastObservation(ctx, snapshot, node, found), state);
  return { nodeId: node.id, hash, changed: { state, plan, delta: before === undefined ? undefined : smallDelta(before, state) } };
}
