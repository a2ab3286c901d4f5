import type { Id, Node } from '@portolan/model';
import { type NodeState, type StateDelta, stateDelta } from '@portolan/node-state';
import type { IntentStore, NodeProgress } from '@portolan/store';

/**
 * A larger delta does not go with the job: a queue keeps up to 41 jobs of each node, so this bounds what Redis holds for one at 0.7 MB, and
 * for that much the agent's own request costs little more than the way through the database and Redis.
 */
export const MAX_DELTA_BYTES = 16 * 1024;
/** Key, hash, space, body and origin of an object never take less, so that what is far too large is not written out to be measured. */
const SMALLEST_OBJECT_BYTES = 64;

/** Objects of all states that are kept at most: some 50 MB where states have nothing in common, and of one network they have most. */
const KEPT_OBJECTS = 100_000;

/** The newest computed state of each node, as far as there is room; the others are read again. */
export class PreviousStates {
  /** The one that was noted last is the last. */
  readonly #states = new Map<Id, NodeState>();
  #objects = 0;

  constructor(
    private readonly store: Pick<IntentStore, 'nodeState'>,
    private readonly room = KEPT_OBJECTS,
  ) {}

  note(nodeId: Id, state: NodeState): void {
    this.#forget(nodeId);
    this.#states.set(nodeId, state);
    this.#objects += state.objects.length;
    for (const oldest of this.#states.keys()) {
      if (this.#objects <= this.room) return;
      this.#forget(oldest);
    }
  }

  /** What leads from the node's newest state to this one; undefined where there is none yet, or the delta is too large for a job. */
  async deltaTo(node: Pick<Node, 'id'>, progress: NodeProgress | undefined, state: NodeState): Promise<StateDelta | undefined> {
    if (progress === undefined || progress.generation === 0) return undefined;
    const before = await this.#stateOf(node.id, progress.stateHash);
    if (before === undefined) return undefined;
    const delta = stateDelta(before, state);
    if (delta.put.length * SMALLEST_OBJECT_BYTES > MAX_DELTA_BYTES) return undefined;
    return Buffer.byteLength(JSON.stringify(delta)) <= MAX_DELTA_BYTES ? delta : undefined;
  }

  /** Another control plane may have computed the newest one, so a state counts by its hash only. */
  async #stateOf(nodeId: Id, hash: string): Promise<NodeState | undefined> {
    const kept = this.#states.get(nodeId);
    if (kept?.hash === hash) return kept;
    const stored = (await this.store.nodeState(nodeId))?.state;
    return stored?.hash === hash ? stored : undefined;
  }

  #forget(nodeId: Id): void {
    this.#objects -= this.#states.get(nodeId)?.objects.length ?? 0;
    this.#states.delete(nodeId);
  }
}

const byStore = new WeakMap<IntentStore, PreviousStates>();

/** One for each store, so one for each control plane. */
export function previousStates(store: IntentStore): PreviousStates {
  const known = byStore.get(store) ?? new PreviousStates(store);
  byStore.set(store, known);
  return known;
}
