import type { Change, Problem } from '@portolan/model';

/** What the REST API answers about changes that people look at before they are made. */

export type Risk = 'cuts' | 'moves' | 'none';
export type ChangesetStatus = 'planned' | 'discarded' | 'rolling' | 'paused' | 'confirming' | 'applied' | 'rolled-back';

export interface PlannedStepAnswer {
  readonly action: string;
  readonly key: string;
  readonly origin: string;
  readonly reason: string;
  readonly risk: Risk;
}

export interface NodePlanAnswer {
  readonly node: string;
  readonly steps: readonly PlannedStepAnswer[];
  /** Steps beyond those that are kept. */
  readonly more: number;
  readonly risk: Risk;
}

export interface BlockerAnswer extends Problem {
  /** What --override takes. */
  readonly override: string;
}

export interface NodeRolloutAnswer {
  readonly node: string;
  readonly state: 'waiting' | 'skipped' | 'released' | 'applied' | 'updated' | 'failed';
  readonly at: string | null;
  /** Of state failed. */
  readonly reason: string | null;
}

export interface RolloutAnswer {
  readonly overrides: readonly string[];
  readonly nodes: readonly NodeRolloutAnswer[];
  readonly confirmBy: string | null;
  readonly reason: string | null;
}

interface ChangesetHead {
  readonly id: string;
  readonly status: ChangesetStatus;
  readonly actor: string;
  readonly from: string | null;
  readonly summary: string;
  readonly baseRevision: number;
  readonly revision: number | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface ChangesetAnswer extends ChangesetHead {
  readonly plan: { readonly changes: readonly Change[]; readonly nodes: readonly NodePlanAnswer[]; readonly blockers: readonly BlockerAnswer[] };
  readonly rollout: RolloutAnswer | null;
}

/** In a list. */
export interface ChangesetLineAnswer extends ChangesetHead {
  readonly kind: 'manifest' | 'rollback';
  /** Why it is paused or was rolled back. */
  readonly reason: string | null;
}

export interface RollbackAnswer {
  readonly to: number;
  readonly revision: number;
  readonly changed: boolean;
  readonly changes: readonly Change[];
}

export interface FieldDifference {
  readonly path: string;
  /** null: there was none. */
  readonly before: unknown;
  readonly after: unknown;
}

export interface DifferenceAnswer {
  readonly from: number;
  readonly to: number;
  readonly objects: readonly (Change & { readonly fields: readonly FieldDifference[] })[];
}
