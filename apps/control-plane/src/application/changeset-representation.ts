import type { Snapshot } from '@portolan/model';
import type { Changeset, NodeRollout, Rollout } from '@portolan/store';

export interface RolloutNode {
  /** Name of the node; its id when it is gone. */
  readonly node: string;
  readonly state: NodeRollout['state'];
  /** Since when; null of those that wait or were skipped. */
  readonly at: string | null;
  /** Why it failed; null otherwise. */
  readonly reason: string | null;
}

export interface RolloutRepresentation extends Omit<Rollout, 'nodes'> {
  /** By name. */
  readonly nodes: readonly RolloutNode[];
}

/** A changeset as every door shows it. */
export interface ChangesetRepresentation extends Omit<Changeset, 'clusterId' | 'rollout'> {
  readonly rollout: RolloutRepresentation | null;
}

/** In a list, without what makes it long. */
export interface ChangesetLine extends Omit<ChangesetRepresentation, 'document' | 'plan' | 'rollout'> {
  readonly kind: Changeset['document']['kind'];
  /** Of the rollout: why it is paused or was rolled back. */
  readonly reason: string | null;
}

export function changesetRepresentation(snapshot: Snapshot, { clusterId: _cluster, rollout, ...changeset }: Changeset): ChangesetRepresentation {
  return { ...changeset, rollout: rollout === null ? null : { ...rollout, nodes: rolloutNodes(snapshot, changeset.plan.nodes, rollout) } };
}

export function changesetLine({ clusterId: _cluster, document, plan: _plan, rollout, ...changeset }: Changeset): ChangesetLine {
  return { ...changeset, kind: document.kind, reason: rollout?.reason ?? null };
}

function rolloutNodes(snapshot: Snapshot, planned: Changeset['plan']['nodes'], { nodes }: Rollout): readonly RolloutNode[] {
  const names = new Map(planned.map(({ nodeId, node }) => [nodeId, node]));
  return Object.entries(nodes)
    .map(([id, node]) => ({
      node: snapshot.nodes.get(id)?.name ?? names.get(id) ?? id,
      state: node.state,
      at: 'at' in node ? node.at : null,
      reason: node.state === 'failed' ? node.reason : null,
    }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}
