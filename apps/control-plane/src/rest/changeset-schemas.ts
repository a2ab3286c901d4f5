import { nounKinds } from '@portolan/model';
import { type TSchema, Type } from 'typebox';
import { NewChangesetSchema } from '../application/changeset-document.js';
import { RollbackRequestSchema } from '../application/past.js';
import { ApplyChangesetSchema, ResumeSchema, RolloutOptionsSchema, TakeBackSchema } from '../application/rollout-schemas.js';
import { refTo } from './operation.js';

const closed = { additionalProperties: false } as const;
const time = (description: string): TSchema => Type.String({ format: 'date-time', description });
const nullable = (schema: TSchema): TSchema => Type.Union([schema, Type.Null()]);
const words = (...choices: readonly string[]): TSchema => Type.Union(choices.map((choice) => Type.Literal(choice)));
const revision = (description: string): TSchema => Type.Integer({ minimum: 0, description });

const changesetStatuses = ['planned', 'discarded', 'rolling', 'paused', 'confirming', 'applied', 'rolled-back'] as const;
const risk = Type.Unsafe({
  ...words('cuts', 'moves', 'none'),
  description: 'cuts: connections break or cannot be made for a moment; moves: new connections go another way; none: nobody notices.',
});
const change = Type.Object(
  { action: words('create', 'change', 'delete'), kind: words('cluster', ...nounKinds, 'flannel', 'lease'), name: Type.String() },
  closed,
);

const head = {
  id: Type.String({ format: 'uuid' }),
  version: Type.Integer({ minimum: 1, description: 'Grows with each move.' }),
  status: words(...changesetStatuses),
  actor: Type.String(),
  from: nullable(Type.String({ description: 'Address that the request came from.' })),
  summary: Type.String(),
  baseRevision: revision('That the plan was made on.'),
  revision: nullable(revision('That it became.')),
  createdAt: time('When it was planned.'),
  updatedAt: time('When it last moved.'),
};

const PlannedStep = Type.Object(
  {
    action: words('create', 'update', 'replace', 'delete'),
    key: Type.String({ description: 'Key of the kernel object.' }),
    origin: Type.String({ description: 'What in the intent puts it there.' }),
    reason: Type.String(),
    risk,
  },
  closed,
);

const NodePlan = Type.Object(
  {
    nodeId: Type.String(),
    node: Type.String(),
    steps: Type.Array(refTo('PlannedStep')),
    more: Type.Integer({ minimum: 0, description: 'Steps beyond those.' }),
    risk,
  },
  closed,
);

const Blocker = Type.Object(
  {
    code: Type.String(),
    rule: Type.Optional(Type.String()),
    path: Type.String(),
    message: Type.String(),
    fix: Type.String(),
    override: Type.String({ description: 'What to send in `override` to apply the plan all the same.' }),
  },
  closed,
);

const { parallelism, delay, monitor, maxFailureRatio, failureAction } = RolloutOptionsSchema.properties;
const Rollout = Type.Object(
  {
    spec: Type.Object(
      {
        ...Type.Required(Type.Object({ parallelism, delay, monitor, maxFailureRatio, failureAction })).properties,
        confirmWithin: Type.Integer({ minimum: 0, description: 'Seconds.' }),
      },
      closed,
    ),
    overrides: Type.Array(Type.String(), { description: 'Findings that were overridden.' }),
    nodes: Type.Array(
      Type.Object(
        {
          node: Type.String(),
          state: Type.Unsafe({
            ...words('waiting', 'skipped', 'released', 'applied', 'updated', 'failed'),
            description: 'released: it may have the change; applied: it has it; updated: it was watched long enough; skipped: its agent is away.',
          }),
          at: nullable(time('Since when.')),
          reason: nullable(Type.String({ description: 'Why it failed.' })),
        },
        closed,
      ),
      { description: 'Those on which something changes.' },
    ),
    nextBatchAt: nullable(time('The next batch not before.')),
    confirmBy: nullable(time('Rolled back then unless confirmed.')),
    reason: nullable(Type.String({ description: 'Why it is paused or was rolled back.' })),
  },
  closed,
);

const ObjectDifference = Type.Object(
  {
    action: words('create', 'change', 'delete'),
    kind: change.properties.kind,
    name: Type.String(),
    fields: Type.Array(Type.Object({ path: Type.String({ description: 'JSON pointer in the spec.' }), before: Type.Unknown(), after: Type.Unknown() }, closed)),
  },
  closed,
);

export const changesetComponents: Readonly<Record<string, TSchema>> = {
  NewChangeset: NewChangesetSchema,
  ApplyChangeset: ApplyChangesetSchema,
  ResumeChangeset: ResumeSchema,
  RollbackChangeset: TakeBackSchema,
  RollbackCluster: RollbackRequestSchema,
  PlannedStep,
  NodePlan,
  Blocker,
  Rollout,
  ChangesetPlan: Type.Object({ changes: Type.Array(change), nodes: Type.Array(refTo('NodePlan')), blockers: Type.Array(refTo('Blocker')) }, closed),
  Changeset: Type.Object(
    {
      ...head,
      document: Type.Record(Type.String(), Type.Unknown(), { description: 'What was asked for.' }),
      plan: refTo('ChangesetPlan'),
      rollout: nullable(refTo('Rollout')),
    },
    { ...closed, description: 'A change that is looked at before it is made.' },
  ),
  ChangesetLine: Type.Object(
    { ...head, kind: words('manifest', 'rollback'), reason: nullable(Type.String({ description: 'Why it is paused or was rolled back.' })) },
    closed,
  ),
  RolledBack: Type.Object(
    { to: revision('What was wanted then is wanted again.'), revision: revision('Of the cluster.'), changed: Type.Boolean(), changes: Type.Array(change) },
    closed,
  ),
  ObjectDifference,
  RevisionDifference: Type.Object({ from: revision('From.'), to: revision('To.'), objects: Type.Array(refTo('ObjectDifference')) }, closed),
};
