import type { Change } from '@portolan/model';
import type { Outcome } from '../application/commit.js';
import { DEFAULT_WAIT_SECONDS, waitApplied } from '../application/wait.js';
import type { Builder, GraphqlContext } from './builder.js';
import type { ClusterType } from './cluster-type.js';
import type { ProgressTypes } from './progress-types.js';
import { ClusterView } from './views.js';

export type OutcomeView = Outcome & { readonly view: ClusterView };

export function outcomeView({ ctx }: GraphqlContext, outcome: Outcome): OutcomeView {
  return { ...outcome, view: new ClusterView({ ctx }, outcome.snapshot) };
}

export function appliedType(builder: Builder, types: { readonly cluster: ClusterType; readonly progress: ProgressTypes }) {
  return builder.objectRef<OutcomeView>('Applied').implement({
    description: 'What a change did, or would do.',
    fields: (t) => ({
      revision: t.exposeInt('revision'),
      changed: t.exposeBoolean('changed'),
      changes: t.field({ type: [types.progress.change], resolve: ({ changes }) => [...changes] as Change[] }),
      cluster: t.field({ type: types.cluster, resolve: ({ view }) => view }),
    }),
  });
}

export type Applied = ReturnType<typeof appliedType>;

interface WaitArgs {
  readonly wait?: boolean | null | undefined;
  readonly timeout?: number | null | undefined;
}

/** Waits for a change as its arguments say. */
export async function settle({ ctx, gone }: GraphqlContext, cluster: string, { revision }: Outcome, { wait, timeout }: WaitArgs): Promise<void> {
  if (wait === true) await waitApplied(ctx, cluster, revision, timeout ?? DEFAULT_WAIT_SECONDS, gone);
}
