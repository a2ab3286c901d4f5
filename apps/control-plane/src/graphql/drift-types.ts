import type { DriftFilter } from '@portolan/store';
import { type DriftEvent, driftKinds, driftOutcomes, listDrift } from '../application/drift.js';
import type { Page } from '../application/objects.js';
import type { Builder } from './builder.js';
import type { InputTypes } from './inputs.js';
import { lengthAsked } from './lengths.js';
import type { ClusterView } from './views.js';

/** Events of a list, unless more are asked for. */
export const DRIFT_SHOWN = 100;
const MOST_DRIFT = 1000;

export function driftTypes(builder: Builder, inputs: InputTypes) {
  const outcome = inputs.enumOf('DriftOutcome', driftOutcomes);
  const event = builder.objectRef<DriftEvent>('DriftEvent').implement({
    description: 'One time that something of ours in a kernel was not as it was applied.',
    fields: (t) => ({
      node: t.exposeString('node'),
      key: t.exposeString('key'),
      kind: t.field({
        type: inputs.enumOf('DriftKind', driftKinds),
        description: 'obstructed: the object is as it should be, but a foreign rule before it swallows traffic.',
        resolve: ({ kind }) => kind,
      }),
      reason: t.exposeString('reason'),
      expected: t.field({ type: 'JSON', nullable: true, description: 'null: there should be nothing.', resolve: ({ expected }) => expected }),
      found: t.field({ type: 'JSON', nullable: true, description: 'null: nothing, or only its hash is known.', resolve: ({ found }) => found }),
      since: t.exposeString('since'),
      seenAt: t.exposeString('seenAt'),
      outcome: t.field({ type: outcome, resolve: (row) => row.outcome }),
      endedAt: t.string({ nullable: true, resolve: ({ endedAt }) => endedAt }),
    }),
  });
  const page = builder.objectRef<Page<DriftEvent>>('DriftPage').implement({
    fields: (t) => ({
      items: t.field({ type: [event], resolve: ({ items }) => [...items] }),
      nextCursor: t.string({
        nullable: true,
        description: 'Give it as `cursor` for the next page; null on the last.',
        resolve: ({ nextCursor }) => nextCursor,
      }),
    }),
  });
  return { event, outcome, page };
}

export interface DriftArguments {
  readonly node?: string | null | undefined;
  readonly outcome?: unknown;
  readonly limit?: number | null | undefined;
  readonly cursor?: string | null | undefined;
}

/** Which drift, and how much of it, by arguments as GraphQL has them. */
export function driftFilter(args: Pick<DriftArguments, 'outcome' | 'limit'>): Pick<DriftFilter, 'outcome' | 'limit'> {
  const outcome = driftOutcomes.find((word) => word === args.outcome);
  return { ...(outcome === undefined ? {} : { outcome }), limit: lengthAsked(args.limit, DRIFT_SHOWN, MOST_DRIFT) };
}

/** A page of drift. */
export function driftOf({ ctx, snapshot }: Pick<ClusterView, 'ctx' | 'snapshot'>, args: DriftArguments): Promise<Page<DriftEvent>> {
  const { limit, ...filter } = driftFilter(args);
  return listDrift(ctx, snapshot, { ...filter, ...(args.node == null ? {} : { node: args.node }) }, limit, args.cursor ?? undefined);
}
