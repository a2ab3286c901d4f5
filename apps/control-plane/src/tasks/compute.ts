import { setImmediate } from 'node:timers/promises';
import { computeNodeState } from '@portolan/compute';
import type { Cluster, Node, Snapshot } from '@portolan/model';
import { diffNodeState } from '@portolan/plan';
import type { ComputedState, NodeProgress } from '@portolan/store';
import type { Context } from '../application/context.js';
import { lastObservation } from '../application/nodes.js';
import { forEachCluster, isOutage } from './each-cluster.js';
import { previousStates } from './previous-states.js';

/** States that are saved in one transaction at most: bounds memory, and the first nodes need not wait for the last. */
const BATCH = 32;

/**
 * Computes what is behind, for every cluster: level-triggered, so it does not matter what woke it.
 *
 * ```
 * snapshot@revision ─► nodes whose computedRevision is older ─► computeNodeState ─► other hash? ─► plan against the last report
 *                                                                                       └────────► saveComputed: state, job, outbox
 * ```
 */
export async function computeBehind(ctx: Context, signal: AbortSignal): Promise<void> {
  await forEachCluster(ctx, signal, (cluster) => computeCluster(ctx, cluster, signal));
}

async function computeCluster(ctx: Context, name: Cluster['name'], signal: AbortSignal): Promise<void> {
  const snapshot = await ctx.store.snapshot(name);
  const { id, revision } = snapshot.cluster;
  const progress = new Map((await ctx.store.progress(id)).map((row) => [row.nodeId, row]));
  // A new node has no progress yet, and is behind even at revision 0.
  const behind = [...snapshot.nodes.values()].filter((node) => (progress.get(node.id)?.computedRevision ?? -1) < revision);
  const failures: unknown[] = [];
  for (let first = 0; first < behind.length && !signal.aborted; first += BATCH) {
    const start = ctx.clock.now().getTime();
    const states: ComputedState[] = [];
    for (const node of behind.slice(first, first + BATCH)) {
      // Requests are answered between two nodes, and so is the one whose commit woke this task.
      await setImmediate();
      try {
        states.push(await computedState(ctx, snapshot, node, progress.get(node.id)));
      } catch (error) {
        if (isOutage(error)) throw error;
        failures.push(new Error(`the state of node ${node.name} of cluster ${name} cannot be computed at revision ${revision}`, { cause: error }));
      }
    }
    if (states.length === 0) continue;
    await ctx.store.saveComputed(id, revision, states);
    const changed = states.filter((state) => state.changed !== undefined).length;
    ctx.counters.computed(name, states.length, (ctx.clock.now().getTime() - start) / 1000);
    ctx.log.debug({ cluster: name, revision, nodes: states.length, changed }, 'node states computed');
    ctx.changes.notify('computed', name);
  }
  if (failures.length > 0) throw failures[0];
}

async function computedState(ctx: Context, snapshot: Snapshot, node: Node, progress: NodeProgress | undefined): Promise<ComputedState> {
  const state = computeNodeState(snapshot, node.id);
  const previous = previousStates(ctx.store);
  const isOther = progress?.stateHash !== state.hash;
  const delta = isOther ? await previous.deltaTo(node, progress, state) : undefined;
  previous.note(node.id, state);
  if (!isOther) return { nodeId: node.id };
  return { nodeId: node.id, changed: { state, plan: diffNodeState(await lastObservation(ctx, snapshot, node), state), delta } };
}
