import { Type } from 'typebox';
import { applyClusterManifest } from '../application/commands.js';
import type { Context } from '../application/context.js';
import { manifestAt } from '../application/past.js';
import { callerOf } from './caller.js';
import { editErrors, operation, refTo } from './operation.js';
import { clusterParams, etagHeader, etagOf, ifMatchHeader, ifMatchVersion, revisionHeader, settle, waitFields } from './requests.js';
import type { Routes } from './route.js';

const applyQuery = Type.Object(
  {
    dryRun: Type.Optional(Type.Boolean({ default: false, description: 'Answer what would change, and change nothing.' })),
    force: Type.Optional(Type.Boolean({ default: false, description: 'Delete endpoints at once instead of draining them.' })),
    ...waitFields,
  },
  { additionalProperties: false },
);

export function registerManifest(routes: Routes, ctx: Context): void {
  const shared = { tag: 'manifest', params: clusterParams } as const;

  routes.get(
    '/clusters/:cluster/manifest',
    {
      schema: operation({
        ...shared,
        operationId: 'getManifest',
        needs: 'viewer',
        summary: 'Read the whole cluster as one document',
        description: 'With every value filled in: sending it back changes nothing.',
        query: Type.Object(
          { revision: Type.Optional(Type.Integer({ minimum: 0, description: 'As it was then; the newest unless given.' })) },
          { additionalProperties: false },
        ),
        answers: { 200: { description: 'The manifest.', schema: refTo('Manifest'), headers: etagHeader } },
        errors: ['not-found', 'history-missing'],
      }),
    },
    async (request, reply) => {
      const { revision, manifest } = await manifestAt(ctx, request.params.cluster, request.query.revision);
      reply.header('etag', etagOf(revision));
      return manifest;
    },
  );

  routes.put(
    '/clusters/:cluster/manifest',
    {
      schema: operation({
        ...shared,
        operationId: 'applyManifest',
        needs: 'operator',
        summary: 'Make the cluster what a manifest says',
        description:
          'All or nothing, in one transaction. A section that is present is complete: what it does not name is deleted; a section that is left out is left alone. Values that are left out keep what was allocated. Endpoints that are sent traffic are drained before they are deleted.',
        headers: ifMatchHeader,
        query: applyQuery,
        body: refTo('Manifest'),
        answers: { 200: { description: 'What changed.', schema: refTo('Applied'), headers: { ...etagHeader, ...revisionHeader } } },
        errors: editErrors,
      }),
    },
    async (request, reply) => {
      const { dryRun = false, force = false, ...wait } = request.query;
      const { cluster } = request.params;
      const version = ifMatchVersion(request);
      const { revision, changed, changes } = await applyClusterManifest(ctx, callerOf(request), cluster, request.body, {
        dryRun,
        force,
        ...(version === undefined ? {} : { revision: version }),
      });
      await settle(ctx, reply, cluster, revision, dryRun ? {} : wait);
      reply.header('etag', etagOf(revision));
      return { revision, changed, changes };
    },
  );
}
