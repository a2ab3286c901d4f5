import type { Blocker, Change, Id } from '@portolan/model';
import type { PlannedStep, Risk } from '@portolan/plan';

/**
 * A change that people look at before it is made.
 *
 * ```
 * planned ─► discarded
 *    └─► rolling ◄──► paused
 *           │           └──► rolled-back
 *           ├─► confirming ─► applied       confirmed in time
 *           │        └──────► rolled-back   not confirmed
 *           ├─► applied
 *           └─► rolled-back                 too many nodes failed
 * ```
 */
export type ChangesetStatus = 'planned' | 'discarded' | 'rolling' | 'paused' | 'confirming' | 'applied' | 'rolled-back';

/** Of a changeset that is under way: a cluster has one at most. */
export const activeStatuses: ReadonlySet<ChangesetStatus> = new Set(['rolling', 'paused', 'confirming']);

/** What was asked for, so that it can be done again on a newer snapshot. */
export type ChangeDocument =
  | { readonly kind: 'manifest'; readonly manifest: unknown; readonly force: boolean }
  /** Back to what was wanted at a revision. */
  | { readonly kind: 'rollback'; readonly to: number; readonly force?: boolean };

export interface NodePlan {
  readonly nodeId: Id;
  readonly node: string;
  readonly steps: readonly PlannedStep[];
  /** Steps beyond those that are kept here. */
  readonly more: number;
  /** The worst of all steps. */
  readonly risk: Risk;
}

export interface ChangesetPlan {
  readonly changes: readonly Change[];
  /** Nodes on which nothing changes are left out. */
  readonly nodes: readonly NodePlan[];
  readonly blockers: readonly Blocker[];
}

/** The words of SwarmKit. Times in seconds. */
export interface RolloutSpec {
  /** Nodes at a time; 0: all at once. */
  readonly parallelism: number;
  /** Between two batches. */
  readonly delay: number;
  /** How long an updated node is watched for a failure. */
  readonly monitor: number;
  /** 0 to 1: of the nodes that change. */
  readonly maxFailureRatio: number;
  readonly failureAction: 'pause' | 'continue' | 'rollback';
  /** Reverts unless confirmed within this time after the last node; 0: needs no confirmation. */
  readonly confirmWithin: number;
}

/** released: it may have the new state; applied: it has it; updated: watched long enough, and its VIPs answered; skipped: its agent is away, and it gets the state when it returns. */
export type NodeRollout =
  | { readonly state: 'waiting' | 'skipped' }
  | { readonly state: 'released' | 'applied' | 'updated'; readonly at: string }
  | { readonly state: 'failed'; readonly at: string; readonly reason: string };

export interface Rollout {
  readonly spec: RolloutSpec;
  /** Findings that were overridden, by `Blocker.override`. */
  readonly overrides: readonly string[];
  /** By node, those on which something changes; every other node has the new state at once. */
  readonly nodes: Readonly<Record<Id, NodeRollout>>;
  /** The next batch not before; null: at once. */
  readonly nextBatchAt: string | null;
  /** Reverts at; null: not waiting for confirmation. */
  readonly confirmBy: string | null;
  /** Why it is paused or was rolled back; null otherwise. */
  readonly reason: string | null;
}

export interface Changeset {
  readonly id: string;
  readonly clusterId: Id;
  /** Grows with each move. */
  readonly version: number;
  readonly status: ChangesetStatus;
  readonly actor: string;
  readonly from: string | null;
  readonly summary: string;
  /** Revision that the plan was made on. */
  readonly baseRevision: number;
  /** That it became; null before it was applied. */
  readonly revision: number | null;
  readonly document: ChangeDocument;
  readonly plan: ChangesetPlan;
  /** Null before it was applied. */
  readonly rollout: Rollout | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export type NewChangeset = Pick<Changeset, 'id' | 'clusterId' | 'actor' | 'from' | 'summary' | 'baseRevision' | 'document' | 'plan'>;
