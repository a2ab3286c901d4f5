import { FlannelSpecSchema } from '@portolan/model';
import { adoptClusterFlannel, deleteClusterFlannel, setClusterFlannel } from '../application/flannel-commands.js';
import type { Builder } from './builder.js';
import { documentOf, type InputTypes } from './inputs.js';
import { type Applied, outcomeView, settle } from './outcomes.js';

/** Changes of the flannel network, by the commands that REST uses. */
export function registerFlannelMutations(builder: Builder, inputs: InputTypes, applied: Applied): void {
  builder.mutationFields((t) => {
    const cluster = t.arg.string({ required: true });
    const ifVersion = t.arg.int({ description: 'Refuse when the network has another version.' });
    const waits = {
      wait: t.arg.boolean({ description: 'Answer when every node that takes part has its lease, and every node has applied the leases.' }),
      timeout: t.arg.float({ description: 'Seconds.' }),
    };
    return {
      setFlannel: t.field({
        type: applied,
        description: 'Another backend is changed to node by node, without a gap.',
        args: {
          cluster,
          spec: t.arg({ type: inputs.of('Flannel', FlannelSpecSchema, 'Input'), required: true }),
          dryRun: t.arg.boolean(),
          ifVersion,
          ...waits,
        },
        resolve: async (_root, args, context) => {
          const how = { dryRun: args.dryRun === true, version: args.ifVersion ?? undefined };
          const outcome = await setClusterFlannel(context.ctx, context.caller, args.cluster, documentOf(args.spec, 'leave-out'), how);
          if (args.dryRun !== true) await settle(context, args.cluster, outcome, args);
          return outcomeView(context, outcome);
        },
      }),
      deleteFlannel: t.field({
        type: applied,
        description: 'The subnets of our nodes are given back.',
        args: { cluster, ifVersion, ...waits },
        resolve: async (_root, args, context) => {
          const outcome = await deleteClusterFlannel(context.ctx, context.caller, args.cluster, args.ifVersion ?? undefined);
          await settle(context, args.cluster, outcome, args);
          return outcomeView(context, outcome);
        },
      }),
      adoptFlannel: t.field({
        type: applied,
        description: 'Takes over the network that a registry in etcd describes.',
        args: { cluster, prefix: t.arg.string(), ...waits },
        resolve: async (_root, args, context) => {
          const outcome = await adoptClusterFlannel(context.ctx, context.caller, args.cluster, args.prefix == null ? {} : { prefix: args.prefix });
          await settle(context, args.cluster, outcome, args);
          return outcomeView(context, outcome);
        },
      }),
    };
  });
}
