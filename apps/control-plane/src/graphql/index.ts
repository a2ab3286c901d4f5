import { portolanError } from '@portolan/model';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type DocumentNode, type GraphQLSchema, Kind, validate } from 'graphql';
import mercurius from 'mercurius';
import type { Context } from '../application/context.js';
import type { Authenticate, Shown } from '../application/credentials/authentication.js';
import { type Principal, type RefusalReason, refusalOf } from '../application/credentials/principal.js';
import { refused, shownBy } from '../plugins/auth.js';
import { actorOf } from '../rest/caller.js';
import { hungUp } from '../rest/requests.js';
import { authorised } from './authorisation.js';
import type { GraphqlContext } from './builder.js';
import { complexityLimit } from './complexity.js';
import { formatted } from './errors.js';
import { persistedQueries } from './persisted-queries.js';
import { Reading } from './reading.js';
import { graphqlSchema } from './schema.js';
import { SharedAnswers } from './shared-answers.js';

/** Deep enough for the introspection of GraphiQL and for cluster → service → endpoint → node → status. */
const DEEPEST_QUERY = 15;

/** A query that is asked again so often is compiled. */
const COMPILED_AFTER = 1;

/** What a WebSocket is known by, before and after it has said who it is. */
interface SocketContext extends Omit<GraphqlContext, 'caller' | 'principal'> {
  readonly shown: Shown;
  readonly request: FastifyRequest;
}

/** /graphql, with subscriptions over graphql-transport-ws. */
export async function registerGraphql(app: FastifyInstance, ctx: Context, authenticate: Authenticate, unready: () => string | null): Promise<void> {
  const refuseUnready = (): void => {
    const reason = unready();
    if (reason !== null) throw portolanError('store-unavailable', '', reason);
  };
  const principalOf = async (shown: Shown): Promise<Principal> => {
    const authentication = await authenticate(shown);
    return 'refused' in authentication ? { kind: 'nobody' } : authentication.principal;
  };
  const shared = new SharedAnswers(ctx, () => unready() === null);
  const schema = authorised(graphqlSchema());
  const refuseTooComplex = complexityLimit(schema);
  await app.register(mercurius, {
    schema,
    path: '/graphql',
    graphiql: false,
    queryDepth: DEEPEST_QUERY,
    persistedQueryProvider: persistedQueries(),
    jit: COMPILED_AFTER,
    additionalRouteOptions: shared.hooks(),
    context: (request, reply): GraphqlContext => {
      refuseUnready();
      const { principal, ip } = request;
      const reading = shared.readingOf(request);
      return {
        get ctx() {
          return reading.ctx;
        },
        reading,
        principal,
        caller: actorOf('graphql', principal, ip),
        reauthenticate: async () => principal,
        note: (reason) => void refused(ctx, request, reason),
        gone: hungUp(reply),
      };
    },
    subscription: {
      fullWsTransport: true,
      context: (socket, request): SocketContext => {
        const gone = new AbortController();
        socket.once('close', () => gone.abort());
        const shown = shownBy(request);
        return { ctx, request, shown, reauthenticate: () => principalOf(shown), note: (reason) => void refused(ctx, request, reason), gone: gone.signal };
      },
      // `this` is the connection, the only way from the message to who sent it. Without it nobody is let in.
      async onConnect(this: unknown, message): Promise<Pick<GraphqlContext, 'principal' | 'caller' | 'reauthenticate'> | false> {
        const socket = socketContextOf(this);
        if (socket === undefined || unready() !== null) return false;
        const said = authorizationOf(message.payload);
        const shown = said === undefined ? socket.shown : { ...socket.shown, authorization: said };
        const authentication = await authenticate(shown);
        const reason = 'refused' in authentication ? authentication.refused : reasonAgainst(authentication.principal);
        if (reason !== undefined || 'refused' in authentication) {
          socket.note(reason ?? 'no-credentials');
          return false;
        }
        const { principal } = authentication;
        socket.request.principal = principal;
        return { principal, caller: actorOf('graphql', principal, socket.request.ip), reauthenticate: () => principalOf(shown) };
      },
    },
    errorFormatter: (execution, context) => {
      readingIn(context)?.failed();
      return formatted(execution, ctx.log);
    },
  });
  app.graphql.addHook('preExecution', async (_schema, document, _context, variables) => {
    refuseTooComplex(document, variables ?? {});
    // What is compiled is kept by the text alone, so one with several operations would always answer with the same one.
    const operations = document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
    return operations.length > 1 ? { document } : undefined;
  });
  app.graphql.addHook('preSubscriptionExecution', async (_schema, document) => {
    refuseInvalid(schema, document);
    // Its variables are not told here.
    refuseTooComplex(document, null);
  });
}

/** Of queries mercurius sees to it, but not of subscriptions. */
function refuseInvalid(schema: GraphQLSchema, document: DocumentNode): void {
  const [fault] = validate(schema, document);
  if (fault !== undefined) throw fault;
}

function readingIn(context: object): Reading | undefined {
  return 'reading' in context && context.reading instanceof Reading ? context.reading : undefined;
}

/** What a socket can do in some cluster is judged with each of its operations. */
function reasonAgainst(principal: Principal): RefusalReason | undefined {
  return principal.kind === 'person' ? undefined : refusalOf(principal, 'viewer', undefined);
}

function socketContextOf(connection: unknown): SocketContext | undefined {
  const context: unknown = typeof connection === 'object' && connection !== null && 'context' in connection ? connection.context : undefined;
  return isSocketContext(context) ? context : undefined;
}

function isSocketContext(context: unknown): context is SocketContext {
  return typeof context === 'object' && context !== null && 'shown' in context && 'request' in context;
}

function authorizationOf(payload: unknown): unknown {
  const fields = typeof payload === 'object' && payload !== null ? (payload as Readonly<Record<string, unknown>>) : {};
  return fields.authorization ?? fields.Authorization;
}
