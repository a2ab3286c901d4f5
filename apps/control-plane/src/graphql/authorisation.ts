import type { PortolanError } from '@portolan/model';
import type { ApiRole } from '@portolan/store';
import { defaultFieldResolver, type GraphQLField, type GraphQLSchema } from 'graphql';
import { type Principal, type RefusalReason, refusalError, refusalOf } from '../application/credentials/principal.js';
import type { GraphqlContext } from './builder.js';

/** Clusters themselves, and who may come in. What else changes is intent. */
const adminFields: ReadonlySet<string> = new Set([
  'createCluster',
  'patchCluster',
  'deleteCluster',
  'tokens',
  'refusals',
  'joinTokens',
  'nodeCredentials',
  'createToken',
  'revokeToken',
  'createJoinToken',
  'revokeJoinToken',
  'revokeNode',
]);

/** The argument that names the cluster, where it is not called `cluster`; null: the field is not of one cluster. */
const clusterArguments: Readonly<Record<string, 'name' | null>> = {
  cluster: 'name',
  patchCluster: 'name',
  deleteCluster: 'name',
  createCluster: null,
  tokens: null,
  refusals: null,
  createToken: null,
  revokeToken: null,
  // Shows what is in the caller's clusters.
  clusters: null,
};

type RootField = GraphQLField<unknown, GraphqlContext>;

/**
 * Guards every field of the three roots: to read needs a viewer, to change an operator, clusters themselves and credentials an admin, in the cluster that the
 * field names. Everything below them is of that cluster. A field that names none does not start.
 */
export function authorised(schema: GraphQLSchema): GraphQLSchema {
  for (const type of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) {
    const fields: readonly RootField[] = Object.values(type?.getFields() ?? {});
    for (const field of fields) guard(field, roleOf(type === schema.getMutationType() ? 'mutation' : 'query', field.name));
  }
  return schema;
}

/** Of a root field; a subscription is a query. */
export function roleOf(operation: 'query' | 'mutation', field: string): ApiRole {
  if (adminFields.has(field)) return 'admin';
  return operation === 'mutation' ? 'operator' : 'viewer';
}

function guard(field: RootField, role: ApiRole): void {
  const argument = field.args.some(({ name }) => name === 'cluster') ? 'cluster' : clusterArguments[field.name];
  if (argument === undefined) throw new Error(`the field ${field.name} of GraphQL does not say which cluster it is of: give it an argument "cluster"`);
  const clusterOf = (args: Readonly<Record<string, unknown>>): string | undefined => (argument === null ? undefined : String(args[argument]));
  const { subscribe, resolve = defaultFieldResolver } = field;
  if (subscribe === undefined) {
    field.resolve = (root, args, context, info) => {
      refuseUnless(context, context.principal, role, clusterOf(args));
      return resolve(root, args, context, info);
    };
    return;
  }
  field.subscribe = async (root, args, context, info) => {
    refuseUnless(context, context.principal, role, clusterOf(args));
    const values: unknown = await subscribe(root, args, context, info);
    return guarded(values, async () => refuseUnless(context, await context.reauthenticate(), role, clusterOf(args)));
  };
}

function refuseUnless(context: GraphqlContext, principal: Principal, role: ApiRole, cluster: string | undefined): void {
  const reason = refusalOf(principal, role, cluster);
  if (reason !== undefined) throw refusedField(context, reason);
}

function refusedField(context: GraphqlContext, reason: RefusalReason): PortolanError {
  context.note(reason);
  return refusalError(reason);
}

/** A subscription may last longer than the credentials that it began with: they are asked for before each value. */
function guarded(values: unknown, check: () => Promise<void>): AsyncIterableIterator<unknown> {
  if (!isIterator(values)) throw new Error('a subscription gives no iterator');
  return {
    async next() {
      const next = await values.next();
      if (next.done !== true) await check();
      return next;
    },
    return: () => values.return?.() ?? Promise.resolve({ done: true, value: undefined }),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function isIterator(values: unknown): values is AsyncIterator<unknown> {
  return typeof values === 'object' && values !== null && 'next' in values && typeof values.next === 'function';
}
