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
  readonly nodeId: string;
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
  readonly state: 'waiting' | 'skipped' | 'released' | 'applied' | 'updated' | 'failed';
  readonly at?: string;
  /** Of state failed. */
  readonly reason?: string;
}

export interface RolloutAnswer {
  readonly overrides: readonly string[];
  /** By id of the node; see `rolloutNodes`. */
  readonly nodes: Readonly<Record<string, NodeRolloutAnswer>>;
  readonly confirmBy: string | null;
  readonly reason: string | null;
}

export interface ChangesetAnswer {
  readonly id: string;
  readonly status: ChangesetStatus;
  readonly actor: string;
  readonly from: string | null;
  readonly summary: string;
  readonly baseRevision: number;
  readonly revision: number | null;
  readonly plan: { readonly changes: readonly Change[]; readonly nodes: readonly NodePlanAnswer[]; readonly blockers: readonly BlockerAnswer[] };
  readonly rollout: RolloutAnswer | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface FieldDifference {
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

export interface DifferenceAnswer {
  readonly items: readonly (Change & { readonly fields: readonly FieldDifference[] })[];
}

/** Nodes of a rollout by name, as the plan names them. */
export function rolloutNodes({ plan, rollout }: ChangesetAnswer): readonly (readonly [node: string, row: NodeRolloutAnswer])[] {
  const names = new Map(plan.nodes.map(({ nodeId, node }) => [nodeId, node]));
  return Object.entries(rollout?.nodes ?? {})
    .map(([id, row]) => [names.get(id) ?? id, row] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
