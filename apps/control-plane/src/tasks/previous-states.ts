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

/**
 * Objects of all states that are kept at most. States that were computed from one snapshot share what does not depend on the node, so this is 16 MB of references
 * and, of a hundred nodes of one network, a twentieth of so many objects. Each state is asked for in turn: where not all have room, none is there when it is needed.
 */
const KEPT_OBJECTS = 2_000_000;

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

  /** The node's newest state; undefined where there is none yet. Another control plane may have computed it, so a state counts by its hash only. */
  async of({ id }: Pick<Node, 'id'>, progress: NodeProgress | undefined): Promise<NodeState | undefined> {
    if (progress === undefined || progress.generation === 0) return undefined;
    const kept = this.#states.get(id);
    if (kept?.hash === progress.stateHash) return kept;
    const stored = (await this.store.nodeState(id))?.state;
    return stored?.hash === progress.stateHash ? stored : undefined;
  }

  #forget(nodeId: Id): void {
    this.#objects -= this.#states.get(nodeId)?.objects.length ?? 0;
    this.#states.delete(nodeId);
  }
}

/** What leads from one state of a node to the next; undefined where it is too large for a job. */
export function smallDelta(before: NodeState, state: NodeState): StateDelta | undefined {
  const delta = stateDelta(before, state);
  if (delta.put.length * SMALLEST_OBJECT_BYTES > MAX_DELTA_BYTES) return undefined;
  return Buffer.byteLength(JSON.stringify(delta)) <= MAX_DELTA_BYTES ? delta : undefined;
}

const byStore = new WeakMap<IntentStore, PreviousStates>();

/** One for each store, so one for each control plane. */
export function previousStates(store: IntentStore): PreviousStates {
  const known = byStore.get(store) ?? new PreviousStates(store);
  byStore.set(store, known);
  return known;
}
