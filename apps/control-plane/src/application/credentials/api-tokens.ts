import { NameSchema, portolanError } from '@portolan/model';
import type { ApiToken } from '@portolan/store';
import { Type } from 'typebox';
import type { Actor } from '../actor.js';
import type { Context } from '../context.js';
import { parsed } from '../parse.js';
import { apiTokenOf, newCredentialId, newSecret, secretHash } from './secrets.js';

/** Ten years. */
const LONGEST_TTL_SECONDS = 315_360_000;

export const ApiTokenRequestSchema = Type.Object(
  {
    name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}$', description: 'Whose it is: the audit trail shows it.' }),
    role: Type.Union([Type.Literal('viewer'), Type.Literal('operator'), Type.Literal('admin')], {
      description: 'viewer reads; operator changes intent, too; admin also makes clusters and credentials.',
    }),
    clusters: Type.Optional(
      Type.Array(NameSchema, { minItems: 1, maxItems: 1000, description: 'Names of the clusters that it is for; all, those to come included, unless given.' }),
    ),
    ttl: Type.Optional(Type.Integer({ minimum: 1, maximum: LONGEST_TTL_SECONDS, description: 'Seconds that it lasts; until it is revoked unless given.' })),
  },
  { additionalProperties: false },
);

/** What is told of a token that exists: never its secret, which nobody has but its holder. */
export type ShownApiToken = Omit<ApiToken, 'secretHash'>;

export async function createApiToken(ctx: Context, actor: Actor, document: unknown): Promise<{ readonly id: string; readonly token: string }> {
  const { name, role, clusters, ttl } = parsed(ApiTokenRequestSchema, document);
  const secret = newSecret();
  const id = newCredentialId();
  const now = ctx.clock.now();
  await ctx.credentials.addApiToken({
    id,
    name,
    role,
    clusters: clusters ?? null,
    secretHash: secretHash(secret),
    createdBy: actor.name,
    createdAt: now.toISOString(),
    expiresAt: ttl === undefined ? null : new Date(now.getTime() + ttl * 1000).toISOString(),
    revokedAt: null,
  });
  ctx.log.info({ id, name, role, clusters, actor: actor.name, from: actor.from }, 'create token');
  return { id, token: apiTokenOf(id, secret) };
}

export async function listApiTokens(ctx: Context): Promise<readonly ShownApiToken[]> {
  return (await ctx.credentials.apiTokens()).map(({ secretHash: _hash, ...shown }) => shown);
}

/** Throws `not-found`, also for one that is revoked already. */
export async function revokeApiToken(ctx: Context, actor: Actor, id: string): Promise<void> {
  if (!(await ctx.credentials.revokeApiToken(id, ctx.clock.now().toISOString())))
    throw portolanError('not-found', '', `there is no token ${id} that can be used`);
  ctx.believed.forget();
  ctx.log.info({ id, actor: actor.name, from: actor.from }, 'revoke token');
}
