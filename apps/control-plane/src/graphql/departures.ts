import { type Departure, deleteEndpoint, departedEndpoint, startDrain, stopDrain } from '../application/departures.js';
import { DEFAULT_WAIT_SECONDS, waitApplied, waitDrained } from '../application/wait.js';
import type { Builder, GraphqlContext } from './builder.js';
import type { InputTypes } from './inputs.js';
import type { ObjectTypes } from './object-types.js';
import { type Applied, outcomeView } from './outcomes.js';
import { ClusterView, type NounView } from './views.js';

interface DepartureWait {
  readonly wait?: unknown;
  readonly timeout?: number | null | undefined;
}

/** How endpoints leave: with a drain, or at once. */
export function registerDepartures(builder: Builder, inputs: InputTypes, types: { readonly objects: ObjectTypes; readonly applied: Applied }): void {
  builder.mutationFields((t) => {
    const cluster = t.arg.string({ required: true });
    const name = t.arg.string({ required: true });
    const ifVersion = t.arg.int({ description: 'Refuse when the object has another version.' });
    const waits = {
      wait: t.arg({
        type: inputs.enumOf('DepartureWait', ['applied', 'drained']),
        description: 'applied: answer when every node has applied it; drained: answer when it is safe to stop the endpoint.',
      }),
      timeout: t.arg.float({ description: 'Seconds.' }),
    };
    return {
      deleteEndpoint: t.field({
        type: types.applied,
        description: 'One that is sent traffic is drained first, unless forced.',
        args: { cluster, name, force: t.arg.boolean(), ifVersion, ...waits },
        resolve: async (_root, args, context) => {
          const how = { force: args.force === true, version: args.ifVersion ?? undefined };
          const departure = await deleteEndpoint(context.ctx, context.caller, args.cluster, args.name, how);
          await settle(context, args.cluster, departure, args);
          return outcomeView(context, departure);
        },
      }),
      drainEndpoint: t.field({
        type: types.objects.endpoint,
        description: 'Lets an endpoint leave without a loss.',
        args: {
          cluster,
          name,
          seconds: t.arg.int({ description: 'How long connections may last at most; as the service says, or else the cluster, unless given.' }),
          remove: t.arg.boolean({ description: 'Delete the endpoint when it is drained.' }),
          ifVersion,
          ...waits,
        },
        resolve: async (_root, args, context) => {
          const request = { ...(args.seconds == null ? {} : { seconds: args.seconds }), remove: args.remove === true };
          const departure = await startDrain(context.ctx, context.caller, args.cluster, args.name, request, args.ifVersion ?? undefined);
          await settle(context, args.cluster, departure, args);
          return endpointView(context, args.cluster, departure);
        },
      }),
      cancelDrain: t.field({
        type: types.objects.endpoint,
        description: 'Lets an endpoint that leaves take part again.',
        args: { cluster, name, wait: t.arg.boolean({ description: 'Answer when every node has applied it.' }), timeout: waits.timeout },
        resolve: async (_root, args, context) => {
          const departure = await stopDrain(context.ctx, context.caller, args.cluster, args.name);
          await settle(context, args.cluster, departure, { ...args, wait: args.wait === true ? 'applied' : null });
          return endpointView(context, args.cluster, departure);
        },
      }),
    };
  });
}

async function settle({ ctx, gone }: GraphqlContext, cluster: string, { endpoint, revision }: Departure, { wait, timeout }: DepartureWait): Promise<void> {
  const seconds = timeout ?? DEFAULT_WAIT_SECONDS;
  if (wait === 'applied') await waitApplied(ctx, cluster, revision, seconds, gone);
  if (wait === 'drained') await waitDrained(ctx, cluster, endpoint, revision, seconds, gone);
}

async function endpointView({ ctx }: GraphqlContext, cluster: string, departure: Departure): Promise<NounView<'endpoint'>> {
  const { snapshot, endpoint } = await departedEndpoint(ctx, cluster, departure);
  return new ClusterView({ ctx }, snapshot).of<'endpoint'>(endpoint);
}
