import { createHash, timingSafeEqual } from 'node:crypto';
import { portolanError } from '@portolan/model';
import type { FastifyInstance } from 'fastify';

/** What a probe or a newcomer reads without a token: nothing in it tells about a cluster but its figures. */
const openPaths = /^\/(healthz|readyz|metrics|docs|graphiql)(\/|$)/;

/** True for the header value `Bearer TOKEN`; every value when no token is set. */
export type Authorizes = (header: unknown) => boolean;

export function authorizer(token: string | undefined): Authorizes {
  if (token === undefined) return () => true;
  const wanted = digest(`Bearer ${token}`);
  return (header) => typeof header === 'string' && timingSafeEqual(digest(header), wanted);
}

// Digests are of one length, so comparing them tells nothing about the token.
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

export function registerAuth(app: FastifyInstance, authorizes: Authorizes): void {
  app.addHook('onRequest', async (request) => {
    const path = request.url.split('?')[0] ?? '';
    // A browser cannot send headers with a WebSocket: there the token comes in the payload of connection_init.
    const isSubscription = path === '/graphql' && request.headers.upgrade?.toLowerCase() === 'websocket';
    if (openPaths.test(path) || isSubscription || authorizes(request.headers.authorization)) return;
    throw portolanError(
      'unauthorized',
      '',
      request.headers.authorization === undefined ? 'a token is required' : 'the token is not that of this control plane',
    );
  });
}
