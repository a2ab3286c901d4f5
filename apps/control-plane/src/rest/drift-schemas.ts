import { NameSchema } from '@portolan/model';
import { type TSchema, Type } from 'typebox';
import { driftKinds, driftOutcomes } from '../application/drift.js';

const closed = { additionalProperties: false } as const;
const time = (description: string): TSchema => Type.String({ format: 'date-time', description });
const nullable = (schema: TSchema): TSchema => Type.Union([schema, Type.Null()]);

const FailedCommand = Type.Object(
  { command: Type.String(), exitCode: Type.Integer(), stderr: Type.String() },
  { description: 'The process that failed.', ...closed },
);

export const nodeErrors = Type.Array(
  Type.Object({
    code: Type.String(),
    message: Type.String(),
    fix: Type.String(),
    key: Type.Optional(Type.String({ description: 'Key of the kernel object.' })),
    command: Type.Optional(FailedCommand),
  }),
);

/** What NodeStatus says about a node that fails. */
export const failureFields = {
  failures: Type.Integer({ minimum: 0, description: 'Reports in a row that say that the state could not be applied.' }),
  failingSince: nullable(time('Time of the first of them.')),
  degraded: nullable(
    Type.Object(
      {
        since: time('When it began to fail.'),
        failures: Type.Integer({ minimum: 1 }),
        errors: Type.Array(
          Type.Object(
            {
              key: nullable(Type.String({ description: 'Key of the kernel object; null: not of one alone.' })),
              message: Type.String(),
              command: Type.Optional(FailedCommand),
            },
            closed,
          ),
        ),
      },
      { ...closed, description: 'The node keeps failing, and does not mend itself. What can be applied of its state is.' },
    ),
  ),
};

export const driftComponents = {
  DriftEvent: Type.Object(
    {
      node: NameSchema,
      key: Type.String({ description: 'Of the kernel object; of an obstruction `obstructed/SPACE/CHAIN`.' }),
      kind: Type.Unsafe({
        ...Type.Union(driftKinds.map((kind) => Type.Literal(kind))),
        description: 'obstructed: the object is as it should be, but a foreign rule before it swallows traffic.',
      }),
      reason: Type.String(),
      expected: Type.Unknown({ description: 'Body of the object as it should be; null where there should be none.' }),
      found: Type.Unknown({ description: 'As it was found, or the text of a foreign rule; null where nothing was, or only its hash is known.' }),
      since: time('When the agent first saw it.'),
      seenAt: time('When the agent last told of it.'),
      outcome: Type.Unsafe({
        ...Type.Union(driftOutcomes.map((outcome) => Type.Literal(outcome))),
        description: 'repaired by the agent; gone: no longer there, or no longer wanted.',
      }),
      endedAt: nullable(time('When it was repaired or gone.')),
    },
    { ...closed, description: 'One time that something of ours in a kernel was not as it was applied.' },
  ),
} as const satisfies Record<string, TSchema>;
