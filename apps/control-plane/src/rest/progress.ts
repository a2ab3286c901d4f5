import { Type } from 'typebox';
import type { Context } from '../application/context.js';
import { findingsOf } from '../application/drift.js';
import { findJob, listJobs, listRevisions } from '../application/history.js';
import { clusterStatus } from '../application/status.js';
import { DEFAULT_WAIT_SECONDS, waitApplied } from '../application/wait.js';
import { operation, refTo } from './operation.js';
import { clusterParams, hungUp, noQuery, pageFields, queryFault, revisionWaitQuery } from './requests.js';
import type { Routes } from './route.js';
import { pageOfSchema } from './schemas.js';

const jobStatus = Type.Union([Type.Literal('queued'), Type.Literal('applied'), Type.Literal('failed'), Type.Literal('superseded')]);
const jobsQuery = Type.Object(
  { node: Type.Optional(Type.String({ description: 'Only jobs of this node.' })), status: Type.Optional(jobStatus), ...pageFields },
  { additionalProperties: false },
);
const jobParams = Type.Object({ cluster: Type.String(), id: Type.String({ description: 'Id of the job.' }) }, { additionalProperties: false });
const pageQuery = Type.Object(pageFields, { additionalProperties: false });

export function registerProgress(routes: Routes, ctx: Context): void {
  const shared = { tag: 'progress', params: clusterParams, errors: ['not-found'] } as const;

  routes.get(
    '/clusters/:cluster/status',
    {
      schema: operation({
        ...shared,
        operationId: 'getClusterStatus',
        needs: 'viewer',
        summary: 'How far every node has come',
        query: noQuery,
        answers: { 200: { description: 'Status of the cluster and of each node.', schema: refTo('ClusterStatus') } },
      }),
    },
    async (request) => clusterStatus(ctx, request.params.cluster),
  );

  routes.get(
    '/clusters/:cluster/findings',
    {
      schema: operation({
        ...shared,
        operationId: 'listFindings',
        needs: 'viewer',
        summary: 'What a person should know about a cluster: things that work, but perhaps not as meant',
        description: 'Foreign rules in the kernels that swallow what ours should carry are among them (code obstructed).',
        query: noQuery,
        answers: { 200: { description: 'Everything that was found.', schema: Type.Object({ items: Type.Array(refTo('Finding')) }) } },
      }),
    },
    async (request) => ({ items: await findingsOf(ctx, await ctx.store.snapshot(request.params.cluster)) }),
  );

  routes.get(
    '/clusters/:cluster/wait',
    {
      schema: operation({
        ...shared,
        operationId: 'waitForRevision',
        needs: 'viewer',
        summary: 'Answer when every node has applied a revision, and what agents saw on account of it',
        description: 'With a flannel network, the newest revision is applied when every node that takes part has its lease, too.',
        query: revisionWaitQuery,
        answers: { 200: { description: 'Status when all had.', schema: refTo('ClusterStatus') } },
        errors: ['not-found', 'wait-timeout'],
      }),
    },
    async (request, reply) => {
      const { cluster } = request.params;
      const { revision, timeout = DEFAULT_WAIT_SECONDS } = request.query;
      return waitApplied(ctx, cluster, revision, timeout, hungUp(reply));
    },
  );

  routes.get(
    '/clusters/:cluster/jobs',
    {
      schema: operation({
        ...shared,
        operationId: 'listJobs',
        needs: 'viewer',
        summary: 'List jobs, newest first',
        query: jobsQuery,
        answers: { 200: { description: 'A page of jobs.', schema: pageOfSchema('JobLine') } },
      }),
    },
    async (request) => {
      const { limit, cursor, ...filter } = request.query;
      return listJobs(ctx, await ctx.store.snapshot(request.params.cluster), filter, limit ?? 100, cursor);
    },
  );

  routes.get(
    '/clusters/:cluster/jobs/:id',
    {
      schema: operation({
        ...shared,
        params: jobParams,
        operationId: 'getJob',
        needs: 'viewer',
        summary: 'Read a job: its plan, its commands and what they printed',
        query: noQuery,
        answers: { 200: { description: 'The job.', schema: refTo('Job') } },
      }),
    },
    async (request) => findJob(ctx, await ctx.store.snapshot(request.params.cluster), request.params.id),
  );

  routes.get(
    '/clusters/:cluster/revisions',
    {
      schema: operation({
        ...shared,
        operationId: 'listRevisions',
        needs: 'viewer',
        summary: 'List revisions, newest first: who changed what',
        query: pageQuery,
        answers: { 200: { description: 'A page of revisions.', schema: pageOfSchema('Revision') } },
      }),
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const before = cursor === undefined ? undefined : Number(cursor);
      if (before !== undefined && !Number.isSafeInteger(before)) throw queryFault('cursor', `"${cursor}" is not a cursor of this list`);
      return listRevisions(ctx, request.params.cluster, limit ?? 100, before);
    },
  );
}
