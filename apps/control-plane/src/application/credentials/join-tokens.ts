import { portolanError, RoleSchema } from '@portolan/model';
import { joinTokenOf } from '@portolan/protocol';
import type { JoinToken } from '@portolan/store';
import { Type } from 'typebox';
import type { Actor } from '../actor.js';
import type { Context } from '../context.js';
import { parsed } from '../parse.js';
import type { Authority } from './authority.js';
import { newCredentialId, newSecret, secretHash } from './secrets.js';

const DEFAULT_TTL_SECONDS = 3600;
/** Thirty days. */
const LONGEST_TTL_SECONDS = 2_592_000;

export const JoinTokenRequestSchema = Type.Object(
  {
    role: Type.Optional(RoleSchema),
    ttl: Type.Optional(Type.Integer({ minimum: 1, maximum: LONGEST_TTL_SECONDS, default: DEFAULT_TTL_SECONDS, description: 'Seconds that it lasts.' })),
    uses: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 1, description: 'Hosts that may join with it.' })),
  },
  { additionalProperties: false },
);

/** `server`: what agents are told to join; null where nobody configured it. */
export interface NewJoinToken {
  readonly id: string;
  readonly token: string;
  readonly expiresAt: string;
  readonly server: string | null;
}

export type ShownJoinToken = Omit<JoinToken, 'secretHash' | 'clusterId'>;

/** Throws `unsupported-combination` where hosts cannot join at all. */
export function authorityIn(ctx: Context): Authority {
  if (ctx.authority !== null) return ctx.authority;
  throw portolanError('unsupported-combination', '', 'this control plane has no authority, as it does not listen with TLS', {
    fix: 'Start it with PORTOLAN_TLS_LISTEN.',
  });
}

export async function createJoinToken(ctx: Context, actor: Actor, cluster: string, document: unknown): Promise<NewJoinToken> {
  const { role = 'worker', ttl = DEFAULT_TTL_SECONDS, uses = 1 } = parsed(JoinTokenRequestSchema, document);
  const { fingerprint } = authorityIn(ctx);
  const clusterId = (await ctx.store.snapshot(cluster)).cluster.id;
  const [id, secret] = [newCredentialId(), newSecret()];
  const now = ctx.clock.now();
  const expiresAt = new Date(now.getTime() + ttl * 1000).toISOString();
  await ctx.credentials.addJoinToken({
    id,
    clusterId,
    role,
    secretHash: secretHash(secret),
    createdBy: actor.name,
    createdAt: now.toISOString(),
    expiresAt,
    usesLeft: uses,
    revokedAt: null,
  });
  ctx.log.info({ id, cluster, role, uses, expiresAt, actor: actor.name, from: actor.from }, 'create join token');
  return { id, token: joinTokenOf({ id, secret, fingerprint }), expiresAt, server: ctx.publicUrl };
}

export async function listJoinTokens(ctx: Context, cluster: string): Promise<readonly ShownJoinToken[]> {
  const tokens = await ctx.credentials.joinTokens((await ctx.store.snapshot(cluster)).cluster.id);
  return tokens.map(({ secretHash: _hash, clusterId: _cluster, ...shown }) => shown);
}

/** Throws `not-found`, also for one that is revoked already. */
export async function revokeJoinToken(ctx: Context, actor: Actor, cluster: string, id: string): Promise<void> {
  const clusterId = (await ctx.store.snapshot(cluster)).cluster.id;
  if (!(await ctx.credentials.revokeJoinToken(clusterId, id, ctx.clock.now().toISOString()))) {
    throw portolanError('not-found', '', `cluster ${cluster} has no join token ${id} that can be used`);
  }
  ctx.log.info({ id, cluster, actor: actor.name, from: actor.from }, 'revoke join token');
}
