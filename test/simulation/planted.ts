import type { Observation } from '@portolan/kernel';
import type { Snapshot } from '@portolan/model';
import type { NodeState } from '@portolan/node-state';
import type { DesiredState } from '@portolan/protocol';
import type { Batch } from '@portolan/render';
import type { OutboxMessage } from '@portolan/store';

/**
 * Bugs that a test plants into a world, at the places where product code hands something over. None in a usual run: what is not there changes
 * nothing.
 */
export interface Planted {
  /** What of the outbox reaches the queue, though all of it counts as published. */
  readonly published?: (messages: readonly OutboxMessage[]) => readonly OutboxMessage[];
  /** An old answer that comes again, as the agent takes it. */
  readonly replayed?: (old: DesiredState) => DesiredState;
  /** What an agent sees of its kernel. */
  readonly observed?: (observation: Observation, wanted: NodeState) => Observation;
  /** What an edit makes of a snapshot. */
  readonly edited?: (before: Snapshot, after: Snapshot) => Snapshot;
  /** What is carried out before a batch, without being asked for. */
  readonly sooner?: (batch: Batch, wanted: NodeState) => Batch | undefined;
}
