import { type NounKind, nounSchemas } from '@portolan/model';
import {
  applyClusterManifest,
  createCluster,
  createObject,
  deleteCluster,
  deleteObject,
  patchCluster,
  patchObject,
  replaceObject,
} from '../application/commands.js';
import type { Outcome } from '../application/commit.js';
import type { Builder, GraphqlContext } from './builder.js';
import type { ClusterType } from './cluster-type.js';
import { registerDepartures } from './departures.js';
import { registerFlannelMutations } from './flannel-mutations.js';
import { documentOf, type InputTypes } from './inputs.js';
import type { ObjectTypes } from './object-types.js';
import { type Applied, appliedType, outcomeView, settle } from './outcomes.js';
import type { ProgressTypes } from './progress-types.js';
import { ClusterView, type NounView } from './views.js';

const nouns = { node: 'Node', network: 'Network', service: 'Service', endpoint: 'Endpoint' } as const satisfies Record<NounKind, string>;

/** Every change goes through the commands that REST uses, so the two refuse alike. */
export function registerMutations(
  builder: Builder,
  inputs: InputTypes,
  types: { cluster: ClusterType; objects: ObjectTypes; progress: ProgressTypes },
): Applied {
  const applied = appliedType(builder, types);

  builder.mutationType({});

  builder.mutationFields((t) => {
    const name = t.arg.string({ required: true });
    const waits = { wait: t.arg.boolean({ description: 'Answer when every node has applied it.' }), timeout: t.arg.float({ description: 'Seconds.' }) };
    const ifRevision = t.arg.int({ description: 'Refuse when the cluster is at another revision.' });
    const json = t.arg({ type: 'JSON', required: true });
    return {
      createCluster: t.field({
        type: types.cluster,
        args: { name, settings: t.arg({ type: 'JSON' }) },
        resolve: async (_root, args, { ctx, caller }) => {
          const cluster = await createCluster(ctx, caller, documentOf(args, 'leave-out'));
          return new ClusterView({ ctx }, await ctx.store.snapshot(cluster.name));
        },
      }),
      patchCluster: t.field({
        type: applied,
        args: { name, settings: json, ifRevision, ...waits },
        resolve: async (_root, args, context) => {
          const outcome = await patchCluster(
            context.ctx,
            context.caller,
            args.name,
            { settings: documentOf(args.settings, 'keep') },
            args.ifRevision ?? undefined,
          );
          await settle(context, args.name, outcome, args);
          return outcomeView(context, outcome);
        },
      }),
      deleteCluster: t.boolean({
        args: { name, ifRevision },
        resolve: async (_root, args, { ctx, caller }) => {
          await deleteCluster(ctx, caller, args.name, args.ifRevision ?? undefined);
          return true;
        },
      }),
      applyManifest: t.field({
        type: applied,
        description: 'All or nothing. A section that is present is complete; one that is left out is left alone.',
        args: {
          cluster: name,
          manifest: json,
          dryRun: t.arg.boolean(),
          force: t.arg.boolean({ description: 'Delete endpoints at once instead of draining them.' }),
          ifRevision,
          ...waits,
        },
        resolve: async (_root, args, context) => {
          const outcome = await applyClusterManifest(context.ctx, context.caller, args.cluster, documentOf(args.manifest, 'keep'), {
            dryRun: args.dryRun === true,
            force: args.force === true,
            ...(args.ifRevision == null ? {} : { revision: args.ifRevision }),
          });
          if (args.dryRun !== true) await settle(context, args.cluster, outcome, args);
          return outcomeView(context, outcome);
        },
      }),
    };
  });

  for (const kind of Object.keys(nouns) as NounKind[]) {
    registerNounMutations(kind);
    if (kind !== 'endpoint') registerNounDelete(kind);
  }
  registerFlannelMutations(builder, inputs, applied);
  registerDepartures(builder, inputs, { objects: types.objects, applied });
  return applied;

  function registerNounMutations<K extends NounKind>(kind: K): void {
    const noun = nouns[kind];
    const type = types.objects[kind] as unknown as ObjectTypes['node'];
    // The four types differ only in the noun inside their view, which the resolvers below hand on as it is.
    const viewOf = (context: GraphqlContext, outcome: Outcome & { readonly noun: unknown }): NounView<'node'> =>
      ({ view: new ClusterView(context, outcome.snapshot), noun: outcome.noun }) as NounView<'node'>;

    builder.mutationFields((t) => {
      const cluster = t.arg.string({ required: true });
      const name = t.arg.string({ required: true });
      const ifVersion = t.arg.int({ description: 'Refuse when the object has another version.' });
      const waits = { wait: t.arg.boolean({ description: 'Answer when every node has applied it.' }), timeout: t.arg.float({ description: 'Seconds.' }) };
      const spec = t.arg({ type: inputs.of(noun, nounSchemas[kind], 'Input'), required: true });
      const patch = t.arg({ type: inputs.of(noun, nounSchemas[kind], 'Patch'), required: true });
      return {
        [`create${noun}`]: t.field({
          type,
          args: { cluster, spec, ...waits },
          resolve: async (_root, args, context) => {
            const outcome = await createObject(context.ctx, context.caller, args.cluster, kind, documentOf(args.spec, 'leave-out'));
            await settle(context, args.cluster, outcome, args);
            return viewOf(context, outcome);
          },
        }),
        [`replace${noun}`]: t.field({
          type,
          args: { cluster, name, spec, ifVersion, ...waits },
          resolve: async (_root, args, context) => {
            const document = documentOf(args.spec, 'leave-out');
            const outcome = await replaceObject(context.ctx, context.caller, args.cluster, kind, args.name, document, args.ifVersion ?? undefined);
            await settle(context, args.cluster, outcome, args);
            return viewOf(context, outcome);
          },
        }),
        [`patch${noun}`]: t.field({
          type,
          description: 'Merge patch: null takes a field away.',
          args: { cluster, name, patch, ifVersion, ...waits },
          resolve: async (_root, args, context) => {
            const document = documentOf(args.patch, 'keep');
            const outcome = await patchObject(context.ctx, context.caller, args.cluster, kind, args.name, document, args.ifVersion ?? undefined);
            await settle(context, args.cluster, outcome, args);
            return viewOf(context, outcome);
          },
        }),
      };
    });
  }

  function registerNounDelete(kind: Exclude<NounKind, 'endpoint'>): void {
    builder.mutationFields((t) => ({
      [`delete${nouns[kind]}`]: t.field({
        type: applied,
        args: {
          cluster: t.arg.string({ required: true }),
          name: t.arg.string({ required: true }),
          ifVersion: t.arg.int({ description: 'Refuse when the object has another version.' }),
          wait: t.arg.boolean({ description: 'Answer when every node has applied it.' }),
          timeout: t.arg.float({ description: 'Seconds.' }),
        },
        resolve: async (_root, args, context) => {
          const outcome = await deleteObject(context.ctx, context.caller, args.cluster, kind, args.name, args.ifVersion ?? undefined);
          await settle(context, args.cluster, outcome, args);
          return outcomeView(context, outcome);
        },
      }),
    }));
  }
}
