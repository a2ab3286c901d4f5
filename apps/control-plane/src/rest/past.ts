import { Type } from 'typebox';
import type { Context } from '../application/context.js';
import { differenceBetween, rollbackCluster } from '../application/past.js';
import { callerOf } from './caller.js';
import { editErrors, operation, refTo } from './operation.js';
import { clusterParams, etagHeader, etagOf, ifMatchHeader, ifMatchVersion, revisionHeader, settle, waitFields } from './requests.js';
import type { Routes } from './route.js';

const revision = (description: string) => Type.Optional(Type.Integer({ minimum: 0, description }));
const diffQuery = Type.Object(
  { from: revision('The one before `to` unless given.'), to: revision('The newest unless given.') },
  { additionalProperties: false },
);
const rollbackQuery = Type.Object(
  { dryRun: Type.Optional(Type.Boolean({ default: false, description: 'Answer what would change, and change nothing.' })), ...waitFields },
  { additionalProperties: false },
);

/** What was wanted before, and how to have it again. */
export function registerPast(routes: Routes, ctx: Context): void {
  routes.get(
    '/clusters/:cluster/diff',
    {
      schema: operation({
        operationId: 'getDifference',
        needs: 'viewer',
        tag: 'progress',
        params: clusterParams,
        summary: 'What is wanted otherwise at one revision than at another, field by field',
        query: diffQuery,
        answers: { 200: { description: 'The objects that differ.', schema: refTo('RevisionDifference') } },
        errors: ['not-found', 'history-missing'],
      }),
    },
    async (request) => differenceBetween(ctx, request.params.cluster, request.query),
  );

  routes.post(
    '/clusters/:cluster/rollback',
    {
      schema: operation({
        operationId: 'rollbackCluster',
        needs: 'operator',
        tag: 'manifest',
        params: clusterParams,
        summary: 'Go back to what was wanted at an earlier revision',
        description:
          'On all nodes at once; a changeset of a rollback goes node by node. What exists keeps its addresses, marks and VNIs; what comes back gets those that it had, where nobody else has them.',
        headers: ifMatchHeader,
        query: rollbackQuery,
        body: refTo('RollbackCluster'),
        answers: { 200: { description: 'What changed.', schema: refTo('RolledBack'), headers: { ...etagHeader, ...revisionHeader } } },
        errors: [...editErrors, 'history-missing'],
      }),
    },
    async (request, reply) => {
      const { dryRun = false, ...wait } = request.query;
      const { cluster } = request.params;
      const outcome = await rollbackCluster(ctx, callerOf(request), cluster, request.body, { dryRun, revision: ifMatchVersion(request) });
      await settle(ctx, reply, cluster, outcome.revision, dryRun ? {} : wait);
      reply.header('etag', etagOf(outcome.revision));
      const { to, revision: newest, changed, changes } = outcome;
      return { to, revision: newest, changed, changes };
    },
  );
}
