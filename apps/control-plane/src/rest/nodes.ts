import { Type } from 'typebox';
import type { Context } from '../application/context.js';
import { desiredNodeState, nodeDrift, observedNodeState, planLines } from '../application/nodes.js';
import { nodeStatus, statusOf } from '../application/status.js';
import { registerNounDelete, registerNounRoutes } from './noun-routes.js';
import { operation, refTo } from './operation.js';
import { noQuery, objectParams } from './requests.js';
import type { Routes } from './route.js';

export function registerNodes(routes: Routes, ctx: Context): void {
  registerNounRoutes(routes, ctx, {
    kind: 'node',
    about: 'Each with its condition, and its status: whether its agent is up, and how far it has come.',
    represent: async (snapshot, nodes) => {
      const [only, ...others] = nodes;
      const statuses =
        only !== undefined && others.length === 0
          ? [await nodeStatus(ctx, snapshot, only.name)]
          : nodes.length === 0
            ? []
            : (await statusOf(ctx, snapshot)).nodes;
      const byName = new Map(statuses.map((status) => [status.name, status]));
      return nodes.map((node) => ({ ...node, status: byName.get(node.name) }));
    },
  });
  registerNounDelete(routes, ctx, 'node');
  const path = '/clusters/:cluster/nodes/:name';
  const shared = { tag: 'nodes', params: objectParams, errors: ['not-found'] } as const;

  routes.get(
    `${path}/state`,
    {
      schema: operation({
        ...shared,
        operationId: 'getNodeState',
        needs: 'viewer',
        summary: 'What the kernel of a node should hold, object by object',
        query: Type.Object(
          { generation: Type.Optional(Type.Integer({ minimum: 1, description: 'The newest unless given.' })) },
          { additionalProperties: false },
        ),
        answers: { 200: { description: 'The computed state.', schema: refTo('DesiredNodeState') } },
      }),
    },
    async (request) => desiredNodeState(ctx, await ctx.store.snapshot(request.params.cluster), request.params.name, request.query.generation),
  );

  routes.get(
    `${path}/observed`,
    {
      schema: operation({
        ...shared,
        operationId: 'getObservedState',
        needs: 'viewer',
        summary: 'What the kernel of a node held when its agent last looked',
        query: noQuery,
        answers: { 200: { description: 'The observed state.', schema: refTo('ObservedNodeState') } },
      }),
    },
    async (request) => {
      const { nodeId: _nodeId, ...observed } = await observedNodeState(ctx, await ctx.store.snapshot(request.params.cluster), request.params.name);
      return observed;
    },
  );

  routes.get(
    `${path}/drift`,
    {
      schema: operation({
        ...shared,
        operationId: 'getNodeDrift',
        needs: 'viewer',
        summary: 'What differs between the two, as the plan that mends it',
        query: noQuery,
        answers: { 200: { description: 'No steps: no drift.', schema: refTo('Plan') } },
      }),
    },
    async (request) => planLines(await nodeDrift(ctx, await ctx.store.snapshot(request.params.cluster), request.params.name)),
  );
}
