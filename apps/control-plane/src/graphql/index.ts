import { PortolanError, portolanError } from '@portolan/model';
import type { FastifyInstance } from 'fastify';
import { type FormattedExecutionResult, GraphQLError, type GraphQLSchema } from 'graphql';
import mercurius, { type MercuriusContext } from 'mercurius';
import type { Context, Log } from '../application/context.js';
import type { Authorizes } from '../plugins/auth.js';
import { logProblem, portolanErrorFrom } from '../plugins/problems.js';
import { hungUp } from '../rest/requests.js';
import { createBuilder, type GraphqlContext } from './builder.js';
import { clusterType } from './cluster-type.js';
import { InputTypes } from './inputs.js';
import { registerMutations } from './mutations.js';
import { objectTypes } from './object-types.js';
import { progressTypes } from './progress-types.js';
import { registerSubscriptions } from './subscriptions.js';
import { poolUsageType } from './value-types.js';

/** Deep enough for the introspection of GraphiQL and for cluster → service → endpoint → node → status. */
const DEEPEST_QUERY = 15;

function graphqlSchema(): GraphQLSchema {
  const builder = createBuilder();
  const inputs = new InputTypes(builder);
  const progress = progressTypes(builder, inputs);
  const poolUsage = poolUsageType(builder, inputs);
  const objects = objectTypes(builder, inputs, progress, poolUsage);
  const cluster = clusterType(builder, inputs, objects, progress, poolUsage);
  registerMutations(builder, inputs, { cluster, objects, progress });
  registerSubscriptions(builder, progress);
  return builder.toSchema();
}

/** /graphql, with subscriptions over graphql-transport-ws. */
export async function registerGraphql(app: FastifyInstance, ctx: Context, authorizes: Authorizes, unready: () => string | null): Promise<void> {
  const refuseUnready = (): void => {
    const reason = unready();
    if (reason !== null) throw portolanError('store-unavailable', '', reason);
  };
  await app.register(mercurius, {
    schema: graphqlSchema(),
    path: '/graphql',
    graphiql: false,
    queryDepth: DEEPEST_QUERY,
    context: (_request, reply): GraphqlContext => {
      refuseUnready();
      return { ctx, gone: hungUp(reply) };
    },
    subscription: {
      fullWsTransport: true,
      context: (socket, request): GraphqlContext & { readonly headerAuthorizes: boolean } => {
        const gone = new AbortController();
        socket.once('close', () => gone.abort());
        return { ctx, gone: gone.signal, headerAuthorizes: authorizes(request.headers.authorization) };
      },
      onConnect: (message) => authorizes(authorizationOf(message.payload)),
    },
    errorFormatter: (execution, context) => formatted(execution, context, ctx.log),
  });
}

function authorizationOf(payload: unknown): unknown {
  const fields = typeof payload === 'object' && payload !== null ? (payload as Readonly<Record<string, unknown>>) : {};
  return fields.authorization ?? fields.Authorization;
}

/** Every error carries our code, path, fix and status beside GraphQL's own path; what GraphQL itself refuses is an invalid document. */
function formatted(execution: { readonly data?: unknown; readonly errors?: readonly GraphQLError[] }, _context: MercuriusContext, log: Log) {
  const errors = (execution.errors ?? []).flatMap(causesOf).map((error) => {
    const known = portolanErrorOf(error);
    logProblem(log, known, { graphql: error.path?.join('.') });
    const { code, path, fix } = known.problems[0];
    return {
      message: known.code === 'internal' || error.originalError instanceof PortolanError ? known.message : error.message,
      ...(error.locations === undefined ? {} : { locations: error.locations }),
      ...(error.path === undefined ? {} : { path: error.path }),
      extensions: { code, path, fix, status: known.status, problems: known.problems },
    };
  });
  const refused = execution.data === null || execution.data === undefined ? errors[0]?.extensions.status : undefined;
  return {
    statusCode: refused !== undefined && errors[0]?.path === undefined ? refused : 200,
    response: { data: execution.data ?? null, errors } as FormattedExecutionResult,
  };
}

function causesOf(error: GraphQLError): readonly GraphQLError[] {
  const nested = (error.originalError as { readonly errors?: unknown } | undefined)?.errors;
  return Array.isArray(nested) ? nested.map((cause) => (cause instanceof GraphQLError ? cause : new GraphQLError(messageOf(cause)))) : [error];
}

function messageOf(cause: unknown): string {
  return typeof cause === 'object' && cause !== null && 'message' in cause ? String(cause.message) : String(cause);
}

function portolanErrorOf(error: GraphQLError): PortolanError {
  const thrown = error.originalError;
  if (thrown instanceof PortolanError) return thrown;
  const refusedByGraphql = thrown === undefined || thrown === null || thrown instanceof GraphQLError || 'statusCode' in thrown;
  return refusedByGraphql
    ? portolanError('invalid-document', '', error.message, { fix: 'Correct the query; /graphiql shows the schema.' })
    : portolanErrorFrom(thrown);
}
