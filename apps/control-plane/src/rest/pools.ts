import { Type } from 'typebox';
import type { Context } from '../application/context.js';
import { poolsOf } from '../application/pools.js';
import { operation, refTo } from './operation.js';
import { clusterParams, noQuery } from './requests.js';
import type { Routes } from './route.js';

export function registerPools(routes: Routes, ctx: Context): void {
  routes.get(
    '/clusters/:cluster/pools',
    {
      schema: operation({
        operationId: 'listPools',
        needs: 'viewer',
        tag: 'pools',
        summary: 'How much of each pool is used, and by what',
        params: clusterParams,
        query: noQuery,
        answers: { 200: { description: 'Every pool.', schema: Type.Object({ items: Type.Array(refTo('PoolUsage')) }) } },
        errors: ['not-found'],
      }),
    },
    async (request) => ({ items: await poolsOf(ctx, await ctx.store.snapshot(request.params.cluster)) }),
  );
}
