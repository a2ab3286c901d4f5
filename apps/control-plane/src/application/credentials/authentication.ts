import { createHash, timingSafeEqual, type X509Certificate } from 'node:crypto';
import type { Context } from '../context.js';
import { fingerprintOf, serialOf } from './certificates.js';
import type { Principal, RefusalReason } from './principal.js';
import { apiTokenParts, isSameHash, secretHash } from './secrets.js';

/** What a request shows of itself. */
export interface Shown {
  /** Value of the header `authorization`, or what a WebSocket sends in its place. */
  readonly authorization: unknown;
  readonly certificate: X509Certificate | undefined;
  /** Whether it came over TLS: there nobody is let in without credentials. */
  readonly isSecure: boolean;
}

export type Authentication = { readonly principal: Principal } | { readonly refused: RefusalReason };

export type Authenticate = (shown: Shown) => Promise<Authentication>;

/** `token`: that of the environment. Fails with `store-unavailable`. */
export function authenticator(ctx: Context, token: string | undefined): Authenticate {
  const wanted = token === undefined ? undefined : digest(`Bearer ${token}`);

  async function byToken(header: string): Promise<Authentication> {
    const shown = apiTokenParts(/^Bearer +(\S+)$/i.exec(header)?.[1] ?? '');
    if (shown === undefined) return { refused: 'unknown-token' };
    const hash = secretHash(shown.secret);
    let refused: RefusalReason = 'unknown-token';
    const principal = await ctx.believed.principal(`token ${shown.id} ${hash}`, async () => {
      const known = await ctx.credentials.apiToken(shown.id);
      if (known === null || !isSameHash(known.secretHash, hash)) return undefined;
      const { id, name, role, clusters, revokedAt, expiresAt } = known;
      if (revokedAt !== null) refused = 'revoked-token';
      else if (expiresAt !== null && isOver(ctx, expiresAt)) refused = 'expired-token';
      else return { kind: 'person', id, name, role, clusters };
      return undefined;
    });
    return principal === undefined ? { refused } : { principal };
  }

  async function byCertificate(certificate: X509Certificate): Promise<Authentication> {
    // Each time: a connection may outlive the certificate that it began with.
    if (ctx.authority?.vouchesFor(certificate, ctx.clock.now()) !== true) return { refused: 'unknown-certificate' };
    const fingerprint = fingerprintOf(certificate);
    let refused: RefusalReason = 'unknown-certificate';
    const principal = await ctx.believed.principal(`certificate ${fingerprint}`, async () => {
      const known = await ctx.credentials.nodeCredential(serialOf(certificate));
      if (known === null || !isSameHash(known.fingerprint, fingerprint)) return undefined;
      refused = 'revoked-certificate';
      if (known.revokedAt !== null || isOver(ctx, known.expiresAt)) return undefined;
      return { kind: 'node', clusterId: known.clusterId, nodeId: known.nodeId, credential: known.id };
    });
    return principal === undefined ? { refused } : { principal };
  }

  return async ({ authorization, certificate, isSecure }) => {
    // A token that is shown counts, whatever else would do.
    if (typeof authorization === 'string') {
      if (wanted !== undefined && timingSafeEqual(digest(authorization), wanted)) return { principal: { kind: 'bootstrap' } };
      return byToken(authorization);
    }
    if (certificate !== undefined) return byCertificate(certificate);
    if (wanted === undefined && !isSecure) return { principal: { kind: 'bootstrap' } };
    return { principal: { kind: 'nobody' } };
  };
}

function isOver(ctx: Context, time: string): boolean {
  return Date.parse(time) <= ctx.clock.now().getTime();
}

// Digests are of one length, so comparing them tells nothing about the token.
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
