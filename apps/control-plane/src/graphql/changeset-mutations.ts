import type { Changeset } from '@portolan/store';
import { applyChangeset } from '../application/apply-changeset.js';
import { NewChangesetSchema } from '../application/changeset-document.js';
import { type ChangesetRepresentation, changesetRepresentation } from '../application/changeset-representation.js';
import { changesetWithId, createChangeset, discardChangeset } from '../application/changesets.js';
import { rollbackCluster } from '../application/past.js';
import { confirmChangeset, pauseChangeset, resumeChangeset, rollbackChangeset } from '../application/rollout-commands.js';
import { RolloutOptionsSchema } from '../application/rollout-schemas.js';
import { DEFAULT_WAIT_SECONDS, waitApplied } from '../application/wait.js';
import { waitRollout } from '../application/wait-rollout.js';
import type { Builder, GraphqlContext } from './builder.js';
import type { ChangesetType } from './changeset-types.js';
import { follow } from './follow.js';
import { documentOf, type InputTypes } from './inputs.js';
import { type Applied, outcomeView, settle } from './outcomes.js';

interface RolloutWait {
  readonly wait?: boolean | null | undefined;
  readonly timeout?: number | null | undefined;
}

/** Changesets, by the commands that REST uses, and the subscription that follows them. */
export function registerChangesetMutations(
  builder: Builder,
  inputs: InputTypes,
  types: { readonly applied: Applied; readonly changeset: ChangesetType },
): void {
  builder.mutationFields((t) => {
    const cluster = t.arg.string({ required: true });
    const one = { cluster, id: t.arg.id({ required: true }) };
    const rollout = t.arg({ type: inputs.of('Rollout', RolloutOptionsSchema, 'Patch') });
    const force = t.arg.boolean({ description: 'Delete endpoints at once instead of draining them.' });
    const timeout = t.arg.float({ description: 'Seconds.' });
    const waits = { wait: t.arg.boolean({ description: 'Answer when it is no longer rolling.' }), timeout };
    const applies = { wait: t.arg.boolean({ description: 'Answer when every node has applied it.' }), timeout };
    const type = types.changeset;
    return {
      createChangeset: t.field({
        type,
        description: 'Plans a change; nothing is changed. Of a manifest or of a rollback.',
        args: {
          cluster,
          manifest: t.arg({ type: 'JSON' }),
          rollback: t.arg({ type: inputs.of('Rollback', NewChangesetSchema.properties.rollback, 'Patch') }),
          force,
          summary: t.arg.string(),
        },
        resolve: async (_root, { cluster: name, ...args }, { ctx, caller }) =>
          shown({ ctx }, name, await createChangeset(ctx, caller, name, requestOf(args, 'manifest'))),
      }),
      applyChangeset: t.field({
        type,
        description: 'Makes a planned change, node by node.',
        args: { ...one, override: t.arg.stringList(), rollout, confirmWithin: t.arg.int({ description: 'Seconds; 0: it needs no confirmation.' }), ...waits },
        resolve: async (_root, { cluster: name, id, wait, timeout: seconds, ...args }, context) =>
          rolled(context, name, await applyChangeset(context.ctx, context.caller, name, id, requestOf(args)), { wait, timeout: seconds }),
      }),
      resumeChangeset: t.field({
        type,
        args: { ...one, rollout, ...waits },
        resolve: async (_root, { cluster: name, id, wait, timeout: seconds, ...args }, context) =>
          rolled(context, name, await resumeChangeset(context.ctx, context.caller, name, id, requestOf(args)), { wait, timeout: seconds }),
      }),
      pauseChangeset: t.field({
        type,
        args: one,
        resolve: async (_root, { cluster: name, id }, context) => shown(context, name, await pauseChangeset(context.ctx, context.caller, name, id)),
      }),
      confirmChangeset: t.field({
        type,
        args: one,
        resolve: async (_root, { cluster: name, id }, context) => shown(context, name, await confirmChangeset(context.ctx, context.caller, name, id)),
      }),
      discardChangeset: t.field({
        type,
        args: one,
        resolve: async (_root, { cluster: name, id }, context) => shown(context, name, await discardChangeset(context.ctx, context.caller, name, id)),
      }),
      rollbackChangeset: t.field({
        type,
        description: 'Goes back to what was wanted before a change that is under way.',
        args: { ...one, force, wait: applies.wait, timeout },
        resolve: async (_root, { cluster: name, id, wait, timeout: seconds, ...args }, context) => {
          const changeset = await rollbackChangeset(context.ctx, context.caller, name, id, requestOf(args));
          if (wait === true) await waitApplied(context.ctx, name, undefined, seconds ?? DEFAULT_WAIT_SECONDS, context.gone);
          return shown(context, name, changeset);
        },
      }),
      rollbackCluster: t.field({
        type: types.applied,
        description: 'Goes back to what was wanted at an earlier revision, on all nodes at once.',
        args: {
          cluster,
          to: t.arg.int({ description: 'The one before the newest that somebody made, unless given.' }),
          force,
          dryRun: t.arg.boolean(),
          ifRevision: t.arg.int({ description: 'Refuse when the cluster is at another revision.' }),
          ...applies,
        },
        resolve: async (_root, { cluster: name, dryRun, ifRevision, wait, timeout: seconds, ...args }, context) => {
          const how = { dryRun: dryRun === true, revision: ifRevision ?? undefined };
          const outcome = await rollbackCluster(context.ctx, context.caller, name, requestOf(args), how);
          if (dryRun !== true) await settle(context, name, outcome, { wait, timeout: seconds });
          return outcomeView(context, outcome);
        },
      }),
    };
  });

  builder.subscriptionFields((t) => ({
    changesetMoved: t.field({
      type: types.changeset,
      nullable: true,
      description: 'One changeset, or the newest of a cluster, whenever it moves; null as long as there is none.',
      args: { cluster: t.arg.string({ required: true }), id: t.arg.id() },
      subscribe: (_root, { cluster, id }, { ctx }) =>
        follow(ctx, cluster, async (): Promise<ChangesetRepresentation | null> => {
          const snapshot = await ctx.store.snapshot(cluster);
          const row = id == null ? (await ctx.store.changesets(snapshot.cluster.id, { limit: 1 }))[0] : await changesetWithId(ctx, snapshot, id);
          return row === undefined ? null : changesetRepresentation(snapshot, row);
        }),
      resolve: (moved) => moved,
    }),
  }));
}

/** The arguments as a body of REST has them: what is null is left out, but within a manifest, where it says something. */
function requestOf(args: Readonly<Record<string, unknown>>, kept?: string): unknown {
  return Object.fromEntries(
    Object.entries(args)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => [name, documentOf(value, name === kept ? 'keep' : 'leave-out')]),
  );
}

async function shown({ ctx }: Pick<GraphqlContext, 'ctx'>, cluster: string, changeset: Changeset): Promise<ChangesetRepresentation> {
  return changesetRepresentation(await ctx.store.snapshot(cluster), changeset);
}

async function rolled(context: GraphqlContext, cluster: string, changeset: Changeset, { wait, timeout }: RolloutWait): Promise<ChangesetRepresentation> {
  const { ctx, gone } = context;
  return shown(context, cluster, wait === true ? await waitRollout(ctx, cluster, changeset.id, timeout ?? DEFAULT_WAIT_SECONDS, gone) : changeset);
}
