import type { Changeset } from '@portolan/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Actor } from '../application/actor.js';
import { applyChangeset } from '../application/apply-changeset.js';
import { type ChangesetRepresentation, changesetLine, changesetRepresentation } from '../application/changeset-representation.js';
import { changesetWithId, createChangeset, discardChangeset, listChangesets } from '../application/changesets.js';
import type { Context } from '../application/context.js';
import { confirmChangeset, pauseChangeset, resumeChangeset, rollbackChangeset } from '../application/rollout-commands.js';
import { DEFAULT_WAIT_SECONDS } from '../application/wait.js';
import { waitRollout } from '../application/wait-rollout.js';
import { callerOf } from './caller.js';
import { editErrors, operation, refTo } from './operation.js';
import { clusterParams, hungUp, noQuery, pageFields, settle, waitFields, waitQuery } from './requests.js';
import type { Routes } from './route.js';
import { pageOfSchema } from './schemas.js';

const path = '/clusters/:cluster/changesets';
export const changesetParams = Type.Object(
  { cluster: Type.String({ description: 'Name of the cluster.' }), id: Type.String({ description: 'Id of the changeset.' }) },
  { additionalProperties: false },
);
const pageQuery = Type.Object(pageFields, { additionalProperties: false });
const rolloutQuery = Type.Object(
  {
    wait: Type.Optional(
      Type.Literal('applied', {
        description: 'Answer when it is no longer rolling: it is applied, waits for its confirmation, is paused, or was rolled back.',
      }),
    ),
    timeout: waitFields.timeout,
  },
  { additionalProperties: false },
);

type Deed = (ctx: Context, actor: Actor, cluster: string, id: string, request: unknown) => Promise<Changeset>;

export function registerChangesets(routes: Routes, ctx: Context): void {
  const shared = { tag: 'changesets', params: changesetParams } as const;
  const one = { 200: { description: 'The changeset as it is now.', schema: refTo('Changeset') } };
  const shown = async (cluster: string, changeset: Changeset): Promise<ChangesetRepresentation> =>
    changesetRepresentation(await ctx.store.snapshot(cluster), changeset);

  routes.post(
    path,
    {
      schema: operation({
        operationId: 'createChangeset',
        needs: 'operator',
        tag: 'changesets',
        params: clusterParams,
        summary: 'Plan a change: what it would do on which node, and what it would break',
        description: 'Nothing is changed. The plan is kept, and can be applied as long as nobody wants anything else.',
        query: noQuery,
        body: refTo('NewChangeset'),
        answers: { 201: { description: 'The plan.', schema: refTo('Changeset') } },
        errors: [...editErrors, 'history-missing'],
      }),
    },
    async (request, reply) => {
      const { cluster } = request.params;
      const changeset = await createChangeset(ctx, callerOf(request), cluster, request.body);
      reply.code(201).header('location', `/v1/clusters/${encodeURIComponent(cluster)}/changesets/${changeset.id}`);
      return shown(cluster, changeset);
    },
  );

  routes.get(
    path,
    {
      schema: operation({
        operationId: 'listChangesets',
        needs: 'viewer',
        tag: 'changesets',
        params: clusterParams,
        summary: 'List changesets, newest first',
        query: pageQuery,
        answers: { 200: { description: 'A page of changesets.', schema: pageOfSchema('ChangesetLine') } },
        errors: ['not-found'],
      }),
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const { items, nextCursor } = await listChangesets(ctx, await ctx.store.snapshot(request.params.cluster), limit ?? 100, cursor);
      return { items: items.map(changesetLine), nextCursor };
    },
  );

  routes.get(
    `${path}/:id`,
    {
      schema: operation({
        ...shared,
        operationId: 'getChangeset',
        needs: 'viewer',
        summary: 'Read a changeset: its plan, and how far its rollout is',
        query: noQuery,
        answers: one,
        errors: ['not-found'],
      }),
    },
    async (request) => {
      const snapshot = await ctx.store.snapshot(request.params.cluster);
      return changesetRepresentation(snapshot, await changesetWithId(ctx, snapshot, request.params.id));
    },
  );

  routes.delete(
    `${path}/:id`,
    {
      schema: operation({
        ...shared,
        operationId: 'discardChangeset',
        needs: 'operator',
        summary: 'Discard a plan',
        query: noQuery,
        answers: { 204: { description: 'It cannot be applied any more. It stays in the list.' } },
        errors: ['not-found', 'precondition-failed'],
      }),
    },
    async (request, reply) => {
      await discardChangeset(ctx, callerOf(request), request.params.cluster, request.params.id);
      return reply.code(204).send();
    },
  );

  routes.post(
    `${path}/:id/apply`,
    {
      schema: operation({
        ...shared,
        operationId: 'applyChangeset',
        needs: 'operator',
        summary: 'Make a planned change, node by node',
        description:
          'The intent is committed at once; nodes on which something changes get it batch by batch, each watched before the next. Refused when anybody changed the cluster since the plan was made, and when findings are not overridden.',
        query: rolloutQuery,
        body: refTo('ApplyChangeset'),
        answers: one,
        errors: [...editErrors, 'history-missing', 'stale-plan', 'plan-blocked'],
      }),
    },
    (request, reply) => rolled(request, reply, applyChangeset),
  );

  routes.post(
    `${path}/:id/resume`,
    {
      schema: operation({
        ...shared,
        operationId: 'resumeChangeset',
        needs: 'operator',
        summary: 'Go on with a rollout that is paused',
        description: 'Nodes that failed are watched anew. Options that are given count from now on.',
        query: rolloutQuery,
        body: refTo('ResumeChangeset'),
        answers: one,
        errors: ['unknown-field', 'not-found', 'precondition-failed', 'wait-timeout'],
      }),
    },
    (request, reply) => rolled(request, reply, resumeChangeset),
  );

  const move = (deed: Deed) => async (request: FastifyRequest & { readonly params: Static<typeof changesetParams> }) => {
    const { cluster, id } = request.params;
    return shown(cluster, await deed(ctx, callerOf(request), cluster, id, request.body));
  };
  const moved = { ...shared, query: noQuery, answers: one, errors: ['not-found', 'precondition-failed'] as const };

  routes.post(
    `${path}/:id/pause`,
    { schema: operation({ ...moved, operationId: 'pauseChangeset', needs: 'operator', summary: 'Give the change to no further node for now' }) },
    move(pauseChangeset),
  );

  routes.post(
    `${path}/:id/confirm`,
    { schema: operation({ ...moved, operationId: 'confirmChangeset', needs: 'operator', summary: 'Let a change stay that is waiting for its confirmation' }) },
    move(confirmChangeset),
  );

  routes.post(
    `${path}/:id/rollback`,
    {
      schema: operation({
        ...shared,
        operationId: 'rollbackChangeset',
        needs: 'operator',
        summary: 'Go back to what was wanted before a change that is under way',
        query: waitQuery,
        body: refTo('RollbackChangeset'),
        answers: one,
        errors: [...editErrors, 'history-missing'],
      }),
    },
    async (request, reply) => {
      const { cluster, id } = request.params;
      const changeset = await rollbackChangeset(ctx, callerOf(request), cluster, id, request.body);
      await settle(ctx, reply, cluster, (await ctx.store.snapshot(cluster)).cluster.revision, request.query);
      return shown(cluster, changeset);
    },
  );

  async function rolled(
    request: FastifyRequest & { readonly params: Static<typeof changesetParams>; readonly query: Static<typeof rolloutQuery> },
    reply: FastifyReply,
    deed: Deed,
  ): Promise<ChangesetRepresentation> {
    const { cluster, id } = request.params;
    const { wait, timeout = DEFAULT_WAIT_SECONDS } = request.query;
    const changeset = await deed(ctx, callerOf(request), cluster, id, request.body);
    return shown(cluster, wait === undefined ? changeset : await waitRollout(ctx, cluster, id, timeout, hungUp(reply)));
  }
}
