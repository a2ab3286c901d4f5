import type { Id, Node, Snapshot } from '@portolan/model';
import type { NodeProgress } from '@portolan/store';
import type { ProgressByNode } from './drains.js';

export interface HostEvidence {
  /** Whether its agent holds its lease; null: etcd does not say. */
  readonly isAlive: (node: Node) => boolean | null;
  /** The nodes that look whether a silent one still answers. */
  readonly watchersOf: (node: Node) => readonly Id[];
  readonly progress: ProgressByNode;
  /** Revision at which each silent node was found silent, where that is known: what was reported of it before is of another time. */
  readonly silentSince: ReadonlyMap<Id, number>;
}

/**
 * What is to be noted of the hosts of a cluster: only what differs from what is noted already, and nothing as long as etcd does not say.
 *
 * ```
 * unknown ─► up ◄──► silent ─► unreachable     up: its lease is there; silent: it is gone, and others look at the host
 *             ▲                     │          unreachable: every one of them that is up cannot reach it
 *             └─────────────────────┘
 * ```
 */
export function conditionsToNote(snapshot: Snapshot, evidence: HostEvidence): ReadonlyMap<Id, Node['condition']> {
  const conditions = new Map<Id, Node['condition']>();
  for (const node of snapshot.nodes.values()) {
    const alive = evidence.isAlive(node);
    if (alive === null) continue;
    const condition = alive ? 'up' : conditionWithoutLease(snapshot, node, evidence);
    if (condition !== node.condition) conditions.set(node.id, condition);
  }
  return conditions;
}

function conditionWithoutLease(snapshot: Snapshot, node: Node, evidence: HostEvidence): Node['condition'] {
  // A node that was never up has an agent that was never started: nothing is lost by it.
  if (node.condition === 'up') return 'silent';
  return node.condition === 'silent' && isUnreachable(snapshot, node, evidence) ? 'unreachable' : node.condition;
}

function isUnreachable(snapshot: Snapshot, node: Node, { isAlive, watchersOf, progress, silentSince }: HostEvidence): boolean {
  const watchers = watchersOf(node).filter((id) => {
    const watcher = snapshot.nodes.get(id);
    return watcher !== undefined && watcher.condition === 'up' && isAlive(watcher) === true;
  });
  return watchers.length > 0 && watchers.every((id) => reachableBy(progress.get(id), node.id, silentSince.get(node.id) ?? 0) === false);
}

/** Undefined: it has not said. */
function reachableBy(watcher: NodeProgress | undefined, nodeId: Id, since: number): boolean | undefined {
  if (watcher === undefined) return undefined;
  // One that cannot apply its state looks all the same.
  const isFresh = watcher.appliedRevision >= since || watcher.lastStatus === 'failed';
  return isFresh ? watcher.signals.reachable[nodeId] : undefined;
}
