import rateLimit from '@fastify/rate-limit';
import { JoinRequestSchema, RenewRequestSchema } from '@portolan/protocol';
import { Type } from 'typebox';
import type { Context } from '../application/context.js';
import { JoinRefused, joinHost } from '../application/credentials/join.js';
import { authorityIn, createJoinToken, JoinTokenRequestSchema, listJoinTokens, revokeJoinToken } from '../application/credentials/join-tokens.js';
import { renewCredentials } from '../application/credentials/renew.js';
import { isSecure, refused } from '../plugins/auth.js';
import { callerOf } from './caller.js';
import { operation, refTo } from './operation.js';
import { clusterParams, noQuery } from './requests.js';
import type { Routes } from './route.js';

const nothing = Type.Object({}, { additionalProperties: false });
const tokenParams = Type.Object(
  { cluster: Type.String({ description: 'Name of the cluster.' }), id: Type.String({ description: 'Id of the join token.' }) },
  { additionalProperties: false },
);
const agentParams = Type.Object({ cluster: Type.String(), node: Type.String() }, { additionalProperties: false });
/** Attempts to join of one address in a minute; each costs a look into the database. */
const ATTEMPTS = 30;

/** How hosts become nodes. */
export async function registerJoin(routes: Routes, ctx: Context): Promise<void> {
  await routes.register(rateLimit, { global: false });

  routes.get(
    '/authority',
    {
      schema: operation({
        operationId: 'getAuthority',
        needs: 'nothing',
        tag: 'credentials',
        summary: 'The certificate of the authority, PEM',
        description: 'Worth nothing until its fingerprint is compared with that in a join token.',
        params: nothing,
        query: noQuery,
        answers: { 200: { description: 'The certificate.', schema: Type.String() } },
        errors: ['unsupported-combination'],
      }),
    },
    async (_request, reply) => reply.type('application/x-pem-file').serializer(String).send(authorityIn(ctx).certificate),
  );

  routes.post(
    '/join',
    {
      config: {
        rateLimit: { max: ATTEMPTS, timeWindow: 60_000, errorResponseBuilder: (request) => refused(ctx, request, 'too-many') },
      },
      schema: operation({
        operationId: 'join',
        needs: 'nothing',
        tag: 'credentials',
        summary: 'Become a node',
        description: 'Over TLS only. What the agent of the node works with from then on is in the answer; it is shown this once.',
        params: nothing,
        query: noQuery,
        body: JoinRequestSchema,
        consumes: ['application/json'],
        answers: { 201: { description: 'The credentials.', schema: refTo('AgentCredentials') } },
        errors: ['unknown-field', 'invalid-address', 'address-taken', 'join-refused', 'protocol-unsupported', 'unsupported-combination'],
      }),
    },
    async (request, reply) => {
      if (!isSecure(request)) throw refused(ctx, request, 'join-without-tls');
      try {
        const credentials = await joinHost(ctx, request.ip, request.body);
        return reply.code(201).header('cache-control', 'no-store').send(credentials);
      } catch (error) {
        if (!(error instanceof JoinRefused)) throw error;
        ctx.log.info({ from: request.ip, reason: error.detail }, 'a host may not join');
        throw refused(ctx, request, error.reason);
      }
    },
  );

  routes.post(
    '/agents/:cluster/:node/credentials',
    {
      schema: operation({
        operationId: 'renewCredentials',
        needs: 'agent',
        tag: 'agents',
        summary: 'A new certificate and new passwords, before the old ones end',
        description: 'With the certificate of the node, from half of its time on. It stays valid to its end.',
        params: agentParams,
        query: noQuery,
        body: RenewRequestSchema,
        consumes: ['application/json'],
        answers: { 201: { description: 'The credentials.', schema: refTo('AgentCredentials') } },
        errors: ['unknown-field', 'not-found', 'protocol-unsupported', 'unsupported-combination'],
      }),
    },
    async (request, reply) => {
      const { principal } = request;
      // Whoever may act as an agent otherwise has no certificate to renew.
      if (principal.kind !== 'node') throw refused(ctx, request, 'not-its-own');
      const renewed = await renewCredentials(ctx, principal, await ctx.store.snapshot(request.params.cluster), request.body);
      if (renewed === undefined) throw refused(ctx, request, 'renewal');
      return reply.code(201).header('cache-control', 'no-store').send(renewed);
    },
  );

  const path = '/clusters/:cluster/join-tokens';

  routes.post(
    path,
    {
      schema: operation({
        operationId: 'createJoinToken',
        needs: 'admin',
        tag: 'credentials',
        summary: 'Create a token that lets hosts into a cluster',
        description: 'It is shown this once. It carries the fingerprint of the authority, by which a host knows this control plane.',
        params: clusterParams,
        query: noQuery,
        body: JoinTokenRequestSchema,
        answers: { 201: { description: 'The token.', schema: refTo('NewJoinToken') } },
        errors: ['unknown-field', 'not-found', 'unsupported-combination'],
      }),
    },
    async (request, reply) => {
      const created = await createJoinToken(ctx, callerOf(request), request.params.cluster, request.body ?? {});
      return reply.code(201).header('cache-control', 'no-store').send(created);
    },
  );

  routes.get(
    path,
    {
      schema: operation({
        operationId: 'listJoinTokens',
        needs: 'admin',
        tag: 'credentials',
        summary: 'List join tokens, newest first, without their secrets',
        params: clusterParams,
        query: noQuery,
        answers: { 200: { description: 'Every join token of the cluster.', schema: Type.Object({ items: Type.Array(refTo('JoinToken')) }) } },
        errors: ['not-found'],
      }),
    },
    async (request) => ({ items: await listJoinTokens(ctx, request.params.cluster) }),
  );

  routes.delete(
    `${path}/:id`,
    {
      schema: operation({
        operationId: 'revokeJoinToken',
        needs: 'admin',
        tag: 'credentials',
        summary: 'Revoke a join token',
        description: 'Nodes that joined with it stay.',
        params: tokenParams,
        query: noQuery,
        answers: { 204: { description: 'Revoked.' } },
        errors: ['not-found'],
      }),
    },
    async (request, reply) => {
      const { cluster, id } = request.params;
      await revokeJoinToken(ctx, callerOf(request), cluster, id);
      return reply.code(204).send();
    },
  );
}
