import type { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { findNoun } from '@portolan/intent';
import { PortolanError } from '@portolan/model';
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import type { Context } from '../application/context.js';
import type { Authenticate, Shown } from '../application/credentials/authentication.js';
import { needs as known, type Needs, nameOf, type Principal, type RefusalReason, refusalError, refusalOf } from '../application/credentials/principal.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. */
    principal: Principal;
  }
  interface FastifyContextConfig {
    needs?: Needs;
  }
  interface FastifySchema {
    /** What a caller of the route must be; `operation` writes it. */
    'x-needs'?: Needs;
  }
}

/** Routes of plugins that are not ours to write declarations into. */
const pluginRoutes: readonly (readonly [RegExp, Needs])[] = [
  // The documents of the API tell nothing about a cluster.
  [/^\/docs(\/|$)/, 'nothing'],
  // The dashboard's own files.
  [/^\/assets\//, 'nothing'],
  // Queries; mutations need more, by their own declarations (graphql/authorisation.ts).
  [/^\/graphql$/, 'viewer'],
];

const nobody: Principal = { kind: 'nobody' };

/**
 * Who asks, and whether they may: one hook before everything else of each request. What a route needs is declared with it, in `config.needs` or
 * by `operation`; one without a declaration does not start.
 */
export function registerAuth(app: FastifyInstance, ctx: Context, authenticate: Authenticate, unready: () => string | null): void {
  const principals = new WeakMap<object, Principal>();
  app.decorateRequest('principal', {
    getter(this: FastifyRequest) {
      return principals.get(this) ?? nobody;
    },
    setter(this: FastifyRequest, principal: Principal) {
      principals.set(this, principal);
    },
  });
  app.addHook('onRoute', declareNeeds);
  app.addHook('onRequest', async (request) => {
    const required = request.is404 ? 'viewer' : (request.routeOptions.config.needs ?? 'admin');
    if (required === 'nothing') return;
    const shown = shownBy(request);
    // A browser cannot send headers with a WebSocket: there the token comes in the payload of connection_init.
    if (isSubscription(request) && shown.authorization === undefined) return;
    const authentication = await authenticated(authenticate, shown, unready);
    if ('refused' in authentication) throw refused(ctx, request, authentication.refused);
    request.principal = authentication.principal;
    const reason = await refusalOfRequest(ctx, request, required);
    if (reason !== undefined) throw refused(ctx, request, reason);
  });
}

/** Notes a refusal; what to throw. */
export function refused(
  ctx: Context,
  { ip, method, url, principal }: Pick<FastifyRequest, 'ip' | 'method' | 'url' | 'principal'>,
  reason: RefusalReason,
): PortolanError {
  ctx.refusals.note({ from: ip, actor: nameOf(principal), method, url }, reason);
  return refusalError(reason);
}

export function isSecure(request: FastifyRequest): boolean {
  return request.raw.socket instanceof TLSSocket;
}

/** What a request shows of itself. */
export function shownBy(request: FastifyRequest): Shown {
  return { authorization: request.headers.authorization, certificate: certificateOf(request), isSecure: isSecure(request) };
}

function certificateOf({ raw: { socket } }: FastifyRequest): X509Certificate | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
}

function isSubscription(request: FastifyRequest): boolean {
  return request.routeOptions.url === '/graphql' && request.headers.upgrade?.toLowerCase() === 'websocket';
}

/** Before the database is up to date it cannot say who somebody is. */
async function authenticated(authenticate: Authenticate, shown: Shown, unready: () => string | null): ReturnType<Authenticate> {
  try {
    return await authenticate(shown);
  } catch (error) {
    const reason = unready();
    if (reason === null || (error instanceof PortolanError && error.code === 'store-unavailable')) throw error;
    throw new PortolanError({ code: 'store-unavailable', path: '', message: reason, fix: 'Try again.' }, { cause: error });
  }
}

async function refusalOfRequest(ctx: Context, request: FastifyRequest, required: Exclude<Needs, 'nothing'>): Promise<RefusalReason | undefined> {
  const { principal } = request;
  const cluster = parameterOf(request, 'cluster');
  if (required !== 'agent') return refusalOf(principal, required, cluster);
  if (principal.kind === 'nobody') return 'no-credentials';
  if (principal.kind === 'bootstrap') return undefined;
  if (principal.kind === 'node' && (await isOwn(ctx, principal, cluster ?? '', parameterOf(request, 'node') ?? ''))) return undefined;
  return 'not-its-own';
}

/** By ids: a node that was made anew under a name is another one. */
async function isOwn(ctx: Context, { clusterId, nodeId }: Principal & { readonly kind: 'node' }, cluster: string, node: string): Promise<boolean> {
  try {
    const snapshot = await ctx.store.snapshot(cluster);
    return snapshot.cluster.id === clusterId && findNoun(snapshot, 'node', node)?.id === nodeId;
  } catch (error) {
    if (error instanceof PortolanError && error.code === 'not-found') return false;
    throw error;
  }
}

function parameterOf({ params }: FastifyRequest, name: string): string | undefined {
  if (typeof params !== 'object' || params === null) return undefined;
  const value: unknown = Reflect.get(params, name);
  return typeof value === 'string' ? value : undefined;
}

/** Writes what a route needs into its configuration. Throws for one that does not say it. */
export function declareNeeds(route: RouteOptions): void {
  const declared = route.config?.needs ?? route.schema?.['x-needs'] ?? pluginRoutes.find(([path]) => path.test(route.url))?.[1];
  if (declared === undefined || !known.includes(declared)) {
    throw new Error(
      `route ${route.method} ${route.url} does not declare what its callers must be: give its operation "needs: 'viewer'", or another one of ${known.join(', ')}`,
    );
  }
  route.config = { ...route.config, needs: declared };
}
