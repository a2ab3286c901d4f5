import { Type } from 'typebox';
import type { Context } from '../application/context.js';
import { listDrift } from '../application/drift.js';
import { operation } from './operation.js';
import { clusterParams, pageFields } from './requests.js';
import type { Routes } from './route.js';
import { pageOfSchema } from './schemas.js';

const driftQuery = Type.Object(
  {
    node: Type.Optional(Type.String({ description: 'Only of this node.' })),
    outcome: Type.Optional(Type.Union([Type.Literal('open'), Type.Literal('repaired'), Type.Literal('gone')])),
    ...pageFields,
  },
  { additionalProperties: false },
);

export function registerDrift(routes: Routes, ctx: Context): void {
  routes.get(
    '/clusters/:cluster/drift',
    {
      schema: operation({
        operationId: 'listDrift',
        needs: 'viewer',
        tag: 'progress',
        summary: 'What was found in kernels that was not as it was applied, newest first',
        description: 'Each time of each object: open, repaired by the agent, or gone. The newest thousand of a node that are over are kept.',
        params: clusterParams,
        query: driftQuery,
        answers: { 200: { description: 'A page of it.', schema: pageOfSchema('DriftEvent') } },
        errors: ['not-found'],
      }),
    },
    async (request) => {
      const { limit, cursor, ...filter } = request.query;
      return listDrift(ctx, await ctx.store.snapshot(request.params.cluster), filter, limit ?? 100, cursor);
    },
  );
}
