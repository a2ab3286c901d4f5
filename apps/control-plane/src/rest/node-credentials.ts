import { Type } from 'typebox';
import type { Context } from '../application/context.js';
import { listNodeCredentials, revokeNode } from '../application/credentials/node-credentials.js';
import { callerOf } from './caller.js';
import { operation, refTo } from './operation.js';
import { noQuery, objectParams } from './requests.js';
import type { Routes } from './route.js';

export function registerNodeCredentials(routes: Routes, ctx: Context): void {
  const path = '/clusters/:cluster/nodes/:name';
  const shared = { needs: 'admin', tag: 'credentials', params: objectParams, query: noQuery, errors: ['not-found'] } as const;

  routes.get(
    `${path}/credentials`,
    {
      schema: operation({
        ...shared,
        operationId: 'listNodeCredentials',
        summary: 'List the certificates of a node, newest first',
        answers: { 200: { description: 'Every one that it ever had.', schema: Type.Object({ items: Type.Array(refTo('NodeCredential')) }) } },
      }),
    },
    async (request) => ({ items: await listNodeCredentials(ctx, await ctx.store.snapshot(request.params.cluster), request.params.name) }),
  );

  routes.post(
    `${path}/revoke`,
    {
      schema: operation({
        ...shared,
        operationId: 'revokeNode',
        summary: 'Cut the agent of a node off',
        description:
          'Its certificates are refused, and its users of Redis and etcd are deleted, within seconds. Its host keeps what it has; a host with its name and address may join again.',
        answers: {
          200: { description: 'How many certificates were valid until now.', schema: Type.Object({ revoked: Type.Integer({ minimum: 0 }) }) },
        },
      }),
    },
    async (request) => {
      const { cluster, name } = request.params;
      return { revoked: await revokeNode(ctx, callerOf(request), await ctx.store.snapshot(cluster), name) };
    },
  );
}
