import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type { Context } from '../application/context.js';
import { type Departure, DrainRequestSchema, deleteEndpoint, departedEndpoint, startDrain, stopDrain } from '../application/departures.js';
import { representationsOf } from '../application/representations.js';
import { callerOf } from './caller.js';
import { registerNounRoutes } from './noun-routes.js';
import { operation, refTo } from './operation.js';
import {
  departureWaitFields,
  etagHeader,
  etagOf,
  ifMatchHeader,
  ifMatchVersion,
  objectParams,
  revisionHeader,
  settleDeparture,
  waitQuery,
} from './requests.js';
import type { Routes } from './route.js';

const deleteQuery = Type.Object(
  {
    force: Type.Optional(Type.Boolean({ default: false, description: 'Delete it at once instead of draining it: its connections break.' })),
    ...departureWaitFields,
  },
  { additionalProperties: false },
);
const drainQuery = Type.Object(departureWaitFields, { additionalProperties: false });

export function registerEndpoints(routes: Routes, ctx: Context): void {
  registerNounRoutes(routes, ctx, {
    kind: 'endpoint',
    about: 'Each with its addresses, whether its agent sees its namespace, its health, and what it is sent.',
  });
  const path = '/clusters/:cluster/endpoints/:name';
  const shared = { tag: 'endpoints', params: objectParams } as const;
  const endpointAnswer = { schema: refTo('Endpoint'), headers: { ...etagHeader, ...revisionHeader } } as const;

  const shown = async (reply: FastifyReply, cluster: string, departure: Departure): Promise<object | undefined> => {
    const { snapshot, endpoint } = await departedEndpoint(ctx, cluster, departure);
    reply.header('etag', etagOf(endpoint.version));
    return (await representationsOf(ctx, snapshot, 'endpoint', [endpoint]))[0];
  };

  routes.delete(
    path,
    {
      schema: operation({
        ...shared,
        operationId: 'deleteEndpoint',
        needs: 'operator',
        summary: 'Delete an endpoint, after a drain when it is sent traffic',
        description:
          'No name leads to it any more, then it gets no new connections on any node, and it is deleted when its connections are gone or the deadline has passed. One that is sent nothing is deleted at once.',
        headers: ifMatchHeader,
        query: deleteQuery,
        answers: { 204: { description: 'Deleted, or on its way: it is drained and then deleted.', headers: revisionHeader } },
        errors: ['not-found', 'precondition-failed', 'rollout-in-progress', 'wait-timeout', 'not-drained'],
      }),
    },
    async (request, reply) => {
      const { cluster, name } = request.params;
      const { force, ...wait } = request.query;
      const departure = await deleteEndpoint(ctx, callerOf(request), cluster, name, { force, version: ifMatchVersion(request) });
      await settleDeparture(ctx, reply, cluster, departure, wait);
      return reply.code(204).send();
    },
  );

  routes.post(
    `${path}/drain`,
    {
      schema: operation({
        ...shared,
        operationId: 'drainEndpoint',
        needs: 'operator',
        summary: 'Let an endpoint leave without a loss',
        description:
          'Names go first, then it gets weight 0 everywhere and each node acknowledges; it is drained when it has no connections, or at the deadline. `?wait=drained` answers when it is safe to stop it.',
        headers: ifMatchHeader,
        query: drainQuery,
        body: DrainRequestSchema,
        answers: { 200: { description: 'The endpoint; `drain` says how far it is.', ...endpointAnswer } },
        errors: ['unknown-field', 'not-found', 'precondition-failed', 'rollout-in-progress', 'wait-timeout', 'not-drained'],
      }),
    },
    async (request, reply) => {
      const { cluster, name } = request.params;
      const departure = await startDrain(ctx, callerOf(request), cluster, name, request.body, ifMatchVersion(request));
      await settleDeparture(ctx, reply, cluster, departure, request.query);
      return shown(reply, cluster, departure);
    },
  );

  routes.delete(
    `${path}/drain`,
    {
      schema: operation({
        ...shared,
        operationId: 'cancelDrain',
        needs: 'operator',
        summary: 'Let an endpoint that leaves take part again',
        query: waitQuery,
        answers: { 200: { description: 'The endpoint.', ...endpointAnswer } },
        errors: ['not-found', 'rollout-in-progress', 'wait-timeout'],
      }),
    },
    async (request, reply) => {
      const { cluster, name } = request.params;
      const departure = await stopDrain(ctx, callerOf(request), cluster, name);
      await settleDeparture(ctx, reply, cluster, departure, request.query);
      return shown(reply, cluster, departure);
    },
  );
}
