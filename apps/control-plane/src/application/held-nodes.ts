import { heldSnapshot, type Id, type Node, type Snapshot } from '@portolan/model';
import type { NodeProgress } from '@portolan/store';
import type { Context } from './context.js';
import type { Underway } from './rollout-view.js';

/** Nodes that may not have a change yet. */
export interface Held {
  readonly nodes: ReadonlySet<Id>;
  /** What they are computed from: the intent before the change, with what was seen since. */
  readonly snapshot: Snapshot;
  /** Under which it is saved: the one before the change. So they count as far as that, whatever was seen since. */
  readonly revision: number;
}

interface Computed {
  readonly changeset: string;
  /** Of the snapshot with what was seen. */
  readonly revision: number;
  readonly hash: string;
}

/** What this process knows of the nodes that are held. Lost, they are computed once more, and found as they are. */
class HeldNodes {
  readonly #bases = new Map<Id, { readonly changeset: string; readonly snapshot: Snapshot }>();
  readonly #computed = new Map<Id, Computed>();

  /** Undefined: every node has the newest. */
  async of(ctx: Context, current: Snapshot, underway: Underway | null): Promise<Held | undefined> {
    const nodes = new Set(underway === null ? [] : waitingNodes(underway));
    if (underway === null) this.#bases.delete(current.cluster.id);
    if (underway === null || nodes.size === 0) return undefined;
    const base = await this.baseOf(ctx, current, underway);
    return { nodes, snapshot: heldSnapshot(base, current), revision: underway.revision - 1 };
  }

  /** Whether something may have been seen since its state was computed, or another process has computed another one. A node that comes with the change has no state before it. */
  isBehind({ id }: Node, { snapshot, revision }: Held, current: Snapshot, { id: changeset }: Underway, progress: NodeProgress | undefined): boolean {
    if (!snapshot.nodes.has(id) || (progress?.computedRevision ?? 0) > revision) return false;
    const last = this.#computed.get(id);
    return last?.changeset !== changeset || last.revision !== current.cluster.revision || last.hash !== progress?.stateHash;
  }

  /** Revision up to which what was seen is in the newest state of a node that is held; undefined where this process has not computed it. */
  seenUpTo({ nodeId, stateHash }: NodeProgress): number | undefined {
    const last = this.#computed.get(nodeId);
    return last?.hash === stateHash ? last.revision : undefined;
  }

  note(nodeId: Id, computed: Computed): void {
    this.#computed.set(nodeId, computed);
  }

  /** The snapshot before the change. */
  async baseOf(ctx: Context, { cluster }: Snapshot, { id, revision }: Underway): Promise<Snapshot> {
    const known = this.#bases.get(cluster.id);
    if (known?.changeset === id) return known.snapshot;
    const snapshot = await ctx.store.snapshotAt(cluster.name, revision - 1);
    this.#bases.set(cluster.id, { changeset: id, snapshot });
    return snapshot;
  }
}

export function waitingNodes({ rollout }: Underway): readonly Id[] {
  return Object.entries(rollout.nodes).flatMap(([id, { state }]) => (state === 'waiting' ? [id] : []));
}

const byContext = new WeakMap<Context, HeldNodes>();

export function heldNodes(ctx: Context): HeldNodes {
  const known = byContext.get(ctx) ?? new HeldNodes();
  byContext.set(ctx, known);
  return known;
}
