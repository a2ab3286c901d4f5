import type { Id, Node, Snapshot } from '@portolan/model';
import type { NodeProgress } from '@portolan/store';
import type { Context } from './context.js';
import { type Degradation, degradationOf } from './degraded.js';
import { objectNamed, objectsOf } from './objects.js';

export interface NodeStatus extends Omit<NodeProgress, 'nodeId' | 'signals' | 'reportOrder' | 'handedRevision' | 'observedHash'> {
  readonly id: Id;
  readonly name: string;
  /** Whether its agent holds its lease in etcd; null as long as etcd does not say. */
  readonly alive: boolean | null;
  /** null: it does not keep failing. */
  readonly degraded: Degradation | null;
}

export interface ClusterStatus {
  readonly cluster: string;
  readonly intentRevision: number;
  /** The lowest of all nodes; the intent's where there are none. */
  readonly computedRevision: number;
  readonly appliedRevision: number;
  readonly nodes: readonly NodeStatus[];
}

export async function clusterStatus(ctx: Context, cluster: string): Promise<ClusterStatus> {
  return statusOf(ctx, await ctx.store.snapshot(cluster));
}

export async function statusOf(ctx: Context, snapshot: Snapshot): Promise<ClusterStatus> {
  const progress = new Map((await ctx.store.progress(snapshot.cluster.id)).map((row) => [row.nodeId, row]));
  const nodes = objectsOf(snapshot, 'node').map((node) => nodeStatusFrom(ctx, snapshot, node, progress.get(node.id)));
  const intentRevision = snapshot.cluster.revision;
  return {
    cluster: snapshot.cluster.name,
    intentRevision,
    computedRevision: Math.min(intentRevision, ...nodes.map((node) => node.computedRevision)),
    appliedRevision: Math.min(intentRevision, ...nodes.map((node) => node.appliedRevision)),
    nodes,
  };
}

export async function nodeStatus(ctx: Context, snapshot: Snapshot, name: string): Promise<NodeStatus> {
  const node = objectNamed(snapshot, 'node', name);
  return nodeStatusFrom(ctx, snapshot, node, await progressOf(ctx, snapshot, node.id));
}

/** Undefined before anything was computed for the node. */
export async function progressOf(ctx: Context, snapshot: Snapshot, nodeId: Id): Promise<NodeProgress | undefined> {
  return (await ctx.store.progress(snapshot.cluster.id, nodeId)).find((row) => row.nodeId === nodeId);
}

function nodeStatusFrom(ctx: Context, snapshot: Snapshot, { id, name }: Node, progress: NodeProgress | undefined): NodeStatus {
  return {
    id,
    name,
    alive: ctx.liveness.isAlive(snapshot.cluster.name, name),
    generation: progress?.generation ?? 0,
    stateHash: progress?.stateHash ?? '',
    computedRevision: progress?.computedRevision ?? 0,
    appliedRevision: progress?.appliedRevision ?? 0,
    lastReportAt: progress?.lastReportAt ?? null,
    lastStatus: progress?.lastStatus ?? null,
    lastErrors: progress?.lastErrors ?? [],
    failures: progress?.failures ?? 0,
    failingSince: progress?.failingSince ?? null,
    degraded: progress === undefined ? null : degradationOf(progress, ctx.clock.now()),
    lastWaiting: progress?.lastWaiting ?? [],
    facts: progress?.facts ?? {},
  };
}
