import { createApiToken, listApiTokens, revokeApiToken } from '../application/credentials/api-tokens.js';
import { createJoinToken, listJoinTokens, revokeJoinToken } from '../application/credentials/join-tokens.js';
import { listNodeCredentials, revokeNode } from '../application/credentials/node-credentials.js';
import type { Builder } from './builder.js';
import { credentialTypes } from './credential-types.js';
import type { InputTypes } from './inputs.js';
import { lengthAsked } from './lengths.js';

const REFUSALS_SHOWN = 100;
const MOST_REFUSALS = 1000;

/** Who may come in: people, hosts and their agents. All of it needs an admin (authorisation.ts). */
export function registerCredentials(builder: Builder, inputs: InputTypes): void {
  const types = credentialTypes(builder, inputs);

  builder.queryFields((t) => {
    const cluster = t.arg.string({ required: true });
    return {
      tokens: t.field({
        type: [types.token],
        description: 'Every token, by name, without its secret.',
        resolve: async (_root, _args, { ctx }) => [...(await listApiTokens(ctx))],
      }),
      refusals: t.field({
        type: [types.refusal],
        description: 'Requests that were refused for want of credentials, newest first.',
        args: { limit: t.arg.int({ defaultValue: REFUSALS_SHOWN }) },
        resolve: async (_root, { limit }, { ctx }) => [...(await ctx.credentials.refusals(lengthAsked(limit, REFUSALS_SHOWN, MOST_REFUSALS)))],
      }),
      joinTokens: t.field({
        type: [types.joinToken],
        description: 'Newest first, without their secrets.',
        args: { cluster },
        resolve: async (_root, args, { ctx }) => [...(await listJoinTokens(ctx, args.cluster))],
      }),
      nodeCredentials: t.field({
        type: [types.nodeCredential],
        description: 'Every certificate that a node ever had, newest first.',
        args: { cluster, name: t.arg.string({ required: true, description: 'Of the node.' }) },
        resolve: async (_root, args, { ctx }) => [...(await listNodeCredentials(ctx, await ctx.store.snapshot(args.cluster), args.name))],
      }),
    };
  });

  builder.mutationFields((t) => {
    const cluster = t.arg.string({ required: true });
    const id = t.arg.id({ required: true });
    const ttl = t.arg.int({ description: 'Seconds that it lasts.' });
    return {
      createToken: t.field({
        type: types.newToken,
        description: 'A token for a person or a program.',
        args: {
          name: t.arg.string({ required: true, description: 'Whose it is: the audit trail shows it.' }),
          role: t.arg({ type: types.tokenRole, required: true }),
          clusters: t.arg.stringList({ description: 'All, those to come included, unless given.' }),
          ttl,
        },
        resolve: (_root, args, { ctx, caller }) => createApiToken(ctx, caller, given(args)),
      }),
      revokeToken: t.boolean({
        description: 'It is refused within seconds by every control plane, and its subscriptions end.',
        args: { id },
        resolve: async (_root, args, { ctx, caller }) => {
          await revokeApiToken(ctx, caller, args.id);
          return true;
        },
      }),
      createJoinToken: t.field({
        type: types.newJoinToken,
        description: 'A token that lets hosts into a cluster.',
        args: { cluster, role: t.arg({ type: types.nodeRole }), ttl, uses: t.arg.int({ description: 'Hosts that may join with it; one unless given.' }) },
        resolve: (_root, { cluster: name, ...args }, { ctx, caller }) => createJoinToken(ctx, caller, name, given(args)),
      }),
      revokeJoinToken: t.boolean({
        description: 'Nodes that joined with it stay.',
        args: { cluster, id },
        resolve: async (_root, args, { ctx, caller }) => {
          await revokeJoinToken(ctx, caller, args.cluster, args.id);
          return true;
        },
      }),
      revokeNode: t.int({
        description: 'Cuts the agent of a node off; how many certificates were valid until now. Its host keeps what it has.',
        args: { cluster, name: t.arg.string({ required: true, description: 'Of the node.' }) },
        resolve: async (_root, args, { ctx, caller }) => revokeNode(ctx, caller, await ctx.store.snapshot(args.cluster), args.name),
      }),
    };
  });
}

/** The arguments that were given, as the body of a request has them. */
function given(args: Readonly<Record<string, unknown>>): unknown {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null && value !== undefined));
}
