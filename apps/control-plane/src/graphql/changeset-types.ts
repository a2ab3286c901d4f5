import type { FieldDifference, ObjectDifference } from '@portolan/intent';
import type { Blocker } from '@portolan/model';
import { type Change, nounKinds } from '@portolan/model';
import type { PlannedStep } from '@portolan/plan';
import type { NodePlan } from '@portolan/store';
import {
  type ChangesetRepresentation,
  changesetRepresentation,
  type RolloutNode,
  type RolloutRepresentation,
} from '../application/changeset-representation.js';
import { changesetWithId, listChangesets } from '../application/changesets.js';
import { differenceBetween, manifestAt, type RevisionDifference } from '../application/past.js';
import type { Builder } from './builder.js';
import type { ClusterType } from './cluster-type.js';
import type { InputTypes } from './inputs.js';
import type { ProgressTypes } from './progress-types.js';

/** Changesets of a list, unless more are asked for. */
const SHOWN = 20;
const MOST = 1000;

/** Changesets, and what was wanted before: types, and the fields of a cluster that lead there. */
export function changesetType(
  builder: Builder,
  inputs: InputTypes,
  { cluster, progress }: { readonly cluster: ClusterType; readonly progress: ProgressTypes },
) {
  const risk = inputs.enumOf('Risk', ['cuts', 'moves', 'none']);
  const step = builder.objectRef<PlannedStep>('PlannedStep').implement({
    fields: (t) => ({
      action: t.field({ type: inputs.enumOf('PlannedAction', ['create', 'update', 'replace', 'delete']), resolve: ({ action }) => action }),
      key: t.exposeString('key'),
      origin: t.exposeString('origin', { description: 'What in the intent puts the object there.' }),
      reason: t.exposeString('reason'),
      risk: t.field({ type: risk, resolve: (own) => own.risk }),
    }),
  });
  const nodePlan = builder.objectRef<NodePlan>('NodePlan').implement({
    fields: (t) => ({
      node: t.exposeString('node'),
      steps: t.field({ type: [step], resolve: ({ steps }) => [...steps] }),
      more: t.exposeInt('more', { description: 'Steps beyond those.' }),
      risk: t.field({ type: risk, description: 'The worst of all steps.', resolve: (own) => own.risk }),
    }),
  });
  const blocker = builder.objectRef<Blocker>('Blocker').implement({
    fields: (t) => ({
      code: t.exposeString('code'),
      message: t.exposeString('message'),
      fix: t.exposeString('fix'),
      override: t.exposeString('override', { description: 'What applies the plan all the same.' }),
    }),
  });
  const rolloutNode = builder.objectRef<RolloutNode>('RolloutNode').implement({
    fields: (t) => ({
      node: t.exposeString('node'),
      state: t.exposeString('state', { description: 'waiting, skipped, released, applied, updated or failed.' }),
      at: t.string({ nullable: true, resolve: ({ at }) => at }),
      reason: t.string({ nullable: true, resolve: ({ reason }) => reason }),
    }),
  });
  const rollout = builder.objectRef<RolloutRepresentation>('Rollout').implement({
    fields: (t) => ({
      spec: t.field({ type: 'JSON', resolve: ({ spec }) => spec }),
      overrides: t.stringList({ resolve: ({ overrides }) => [...overrides] }),
      nodes: t.field({ type: [rolloutNode], description: 'Those on which something changes.', resolve: ({ nodes }) => [...nodes] }),
      nextBatchAt: t.string({ nullable: true, resolve: ({ nextBatchAt }) => nextBatchAt }),
      confirmBy: t.string({ nullable: true, resolve: ({ confirmBy }) => confirmBy }),
      reason: t.string({ nullable: true, description: 'Why it is paused or was rolled back.', resolve: ({ reason }) => reason }),
    }),
  });
  const changeset = builder.objectRef<ChangesetRepresentation>('Changeset').implement({
    description: 'A change that is looked at before it is made.',
    fields: (t) => ({
      id: t.exposeID('id'),
      version: t.exposeInt('version'),
      status: t.exposeString('status', { description: 'planned, discarded, rolling, paused, confirming, applied or rolled-back.' }),
      actor: t.exposeString('actor'),
      from: t.string({ nullable: true, resolve: ({ from }) => from }),
      summary: t.exposeString('summary'),
      baseRevision: t.exposeInt('baseRevision'),
      revision: t.int({ nullable: true, resolve: ({ revision }) => revision }),
      document: t.field({ type: 'JSON', resolve: ({ document }) => document }),
      changes: t.field({ type: [progress.change], resolve: ({ plan }) => [...plan.changes] as Change[] }),
      nodes: t.field({ type: [nodePlan], description: 'What it does to each node on which something changes.', resolve: ({ plan }) => [...plan.nodes] }),
      blockers: t.field({ type: [blocker], resolve: ({ plan }) => [...plan.blockers] }),
      rollout: t.field({ type: rollout, nullable: true, resolve: (own) => own.rollout }),
      createdAt: t.exposeString('createdAt'),
      updatedAt: t.exposeString('updatedAt'),
    }),
  });
  const field = builder.objectRef<FieldDifference>('FieldDifference').implement({
    fields: (t) => ({
      path: t.exposeString('path', { description: 'JSON pointer in the spec.' }),
      before: t.field({ type: 'JSON', nullable: true, resolve: ({ before }) => before }),
      after: t.field({ type: 'JSON', nullable: true, resolve: ({ after }) => after }),
    }),
  });
  const object = builder.objectRef<ObjectDifference>('ObjectDifference').implement({
    fields: (t) => ({
      action: t.field({ type: inputs.enumOf('ChangeAction', ['create', 'change', 'delete']), resolve: ({ action }) => action }),
      kind: t.field({ type: inputs.enumOf('ChangeKind', ['cluster', ...nounKinds, 'flannel', 'lease']), resolve: ({ kind }) => kind }),
      name: t.exposeString('name'),
      fields: t.field({ type: [field], resolve: ({ fields }) => [...fields] }),
    }),
  });
  const difference = builder.objectRef<RevisionDifference>('RevisionDifference').implement({
    fields: (t) => ({
      from: t.exposeInt('from'),
      to: t.exposeInt('to'),
      objects: t.field({ type: [object], resolve: ({ objects }) => [...objects] }),
    }),
  });

  builder.objectFields(cluster, (t) => ({
    changesets: t.field({
      type: [changeset],
      description: 'Newest first.',
      args: { limit: t.arg.int({ defaultValue: SHOWN }), before: t.arg.id({ description: 'Id of the last changeset of the page before.' }) },
      resolve: async ({ ctx, snapshot }, { limit, before }) => {
        const { items } = await listChangesets(ctx, snapshot, Math.min(Math.max(limit ?? SHOWN, 1), MOST), before ?? undefined);
        return items.map((row) => changesetRepresentation(snapshot, row));
      },
    }),
    changeset: t.field({
      type: changeset,
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: async ({ ctx, snapshot }, { id }) => changesetRepresentation(snapshot, await changesetWithId(ctx, snapshot, id)),
    }),
    manifestAt: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The manifest as it was at a revision.',
      args: { revision: t.arg.int({ required: true }) },
      resolve: async ({ ctx, snapshot }, { revision }) => (await manifestAt(ctx, snapshot.cluster.name, revision)).manifest,
    }),
    difference: t.field({
      type: difference,
      nullable: true,
      description: 'What is wanted otherwise at one revision than at another.',
      args: { from: t.arg.int({ description: 'The one before `to` unless given.' }), to: t.arg.int({ description: 'The newest unless given.' }) },
      resolve: ({ ctx, snapshot }, { from, to }) => differenceBetween(ctx, snapshot.cluster.name, { from: from ?? undefined, to: to ?? undefined }),
    }),
  }));
  return changeset;
}

export type ChangesetType = ReturnType<typeof changesetType>;
