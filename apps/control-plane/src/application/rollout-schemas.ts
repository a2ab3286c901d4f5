import { Type } from 'typebox';
import { defaultRollout } from './rollout.js';

const closed = { additionalProperties: false } as const;
/** Seconds; a day. */
const LONGEST = 86_400;

const seconds = (field: 'delay' | 'monitor', description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: LONGEST, default: defaultRollout[field], description }));

/** The words of SwarmKit. */
export const RolloutOptionsSchema = Type.Object(
  {
    parallelism: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1000, default: defaultRollout.parallelism, description: 'Nodes at a time; 0: all at once.' }),
    ),
    delay: seconds('delay', 'Seconds between two batches of nodes.'),
    monitor: seconds('monitor', 'Seconds that an updated node is watched for a failure.'),
    maxFailureRatio: Type.Optional(
      Type.Number({ minimum: 0, maximum: 1, default: defaultRollout.maxFailureRatio, description: 'Of the nodes that change, so many may fail.' }),
    ),
    failureAction: Type.Optional(
      Type.Union([Type.Literal('pause'), Type.Literal('continue'), Type.Literal('rollback')], {
        default: defaultRollout.failureAction,
        description: 'What is done when more fail.',
      }),
    ),
  },
  closed,
);

export const ApplyChangesetSchema = Type.Object(
  {
    override: Type.Optional(
      Type.Array(Type.String({ maxLength: 300 }), {
        maxItems: 1000,
        description: '`override` of each finding that is to be no obstacle; it is recorded with the revision.',
      }),
    ),
    rollout: Type.Optional(RolloutOptionsSchema),
    confirmWithin: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: LONGEST,
        default: defaultRollout.confirmWithin,
        description: 'Seconds after the last node within which it must be confirmed, or it is rolled back; 0: it needs no confirmation.',
      }),
    ),
  },
  closed,
);

export const ResumeSchema = Type.Object({ rollout: Type.Optional(RolloutOptionsSchema) }, closed);

const force = Type.Optional(Type.Boolean({ default: false, description: 'Delete endpoints at once instead of draining them.' }));

/** Of a rollout that is under way. */
export const TakeBackSchema = Type.Object({ force }, closed);
