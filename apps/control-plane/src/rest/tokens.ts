import { Type } from 'typebox';
import type { Context } from '../application/context.js';
import { ApiTokenRequestSchema, createApiToken, listApiTokens, revokeApiToken } from '../application/credentials/api-tokens.js';
import { callerOf } from './caller.js';
import { operation, refTo } from './operation.js';
import { noQuery } from './requests.js';
import type { Routes } from './route.js';

const nothing = Type.Object({}, { additionalProperties: false });
const params = Type.Object({ id: Type.String({ description: 'Id of the token: the part after "ptl.".' }) }, { additionalProperties: false });
const refusalsQuery = Type.Object(
  { limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Refusals at most.' })) },
  { additionalProperties: false },
);

/** Tokens of people and programs, and the list of who was refused. Both are of the whole control plane, so they need an admin of all clusters. */
export function registerTokens(routes: Routes, ctx: Context): void {
  routes.post(
    '/tokens',
    {
      schema: operation({
        operationId: 'createToken',
        needs: 'admin',
        tag: 'credentials',
        summary: 'Create a token for a person or a program',
        description: 'The token is shown this once: only its SHA-256 is kept.',
        params: nothing,
        query: noQuery,
        body: ApiTokenRequestSchema,
        answers: { 201: { description: 'The token.', schema: Type.Object({ id: Type.String(), token: Type.String() }) } },
        errors: ['unknown-field', 'duplicate-name'],
      }),
    },
    async (request, reply) => {
      const created = await createApiToken(ctx, callerOf(request), request.body);
      return reply.code(201).header('cache-control', 'no-store').send(created);
    },
  );

  routes.get(
    '/tokens',
    {
      schema: operation({
        operationId: 'listTokens',
        needs: 'admin',
        tag: 'credentials',
        summary: 'List tokens, by name, without their secrets',
        params: nothing,
        query: noQuery,
        answers: { 200: { description: 'Every token.', schema: Type.Object({ items: Type.Array(refTo('ApiToken')) }) } },
      }),
    },
    async () => ({ items: await listApiTokens(ctx) }),
  );

  routes.delete(
    '/tokens/:id',
    {
      schema: operation({
        operationId: 'revokeToken',
        needs: 'admin',
        tag: 'credentials',
        summary: 'Revoke a token',
        description: 'It is refused within seconds by every control plane, and its subscriptions end.',
        params,
        query: noQuery,
        answers: { 204: { description: 'Revoked.' } },
        errors: ['not-found'],
      }),
    },
    async (request, reply) => {
      await revokeApiToken(ctx, callerOf(request), request.params.id);
      return reply.code(204).send();
    },
  );

  routes.get(
    '/refusals',
    {
      schema: operation({
        operationId: 'listRefusals',
        needs: 'admin',
        tag: 'credentials',
        summary: 'List requests that were refused for want of credentials, newest first',
        description: 'They are written within a second. The newest ten thousand are kept.',
        params: nothing,
        query: refusalsQuery,
        answers: { 200: { description: 'Refusals.', schema: Type.Object({ items: Type.Array(refTo('Refusal')) }) } },
      }),
    },
    async (request) => ({ items: await ctx.credentials.refusals(request.query.limit ?? 100) }),
  );
}
