import { ClusterSpecSchema } from '@portolan/model';
import { Type } from 'typebox';
import { createCluster, deleteCluster, patchCluster } from '../application/commands.js';
import type { Context } from '../application/context.js';
import { isInScope } from '../application/credentials/principal.js';
import { pageOf } from '../application/objects.js';
import { callerOf } from './caller.js';
import { editErrors, operation, refTo } from './operation.js';
import { clusterParams, etagHeader, etagOf, ifMatchHeader, ifMatchVersion, noQuery, pageFields, revisionHeader, settle, waitQuery } from './requests.js';
import type { Routes } from './route.js';
import { clusterRepresentation, pageOfSchema } from './schemas.js';

const nothing = Type.Object({}, { additionalProperties: false });
const listQuery = Type.Object(
  { name: Type.Optional(Type.String({ description: 'Only names that start with this.' })), ...pageFields },
  { additionalProperties: false },
);

export function registerClusters(routes: Routes, ctx: Context): void {
  const shared = { tag: 'clusters', params: clusterParams } as const;

  routes.get(
    '/clusters',
    {
      schema: operation({
        operationId: 'listClusters',
        needs: 'viewer',
        tag: 'clusters',
        summary: 'List clusters',
        params: nothing,
        query: listQuery,
        answers: { 200: { description: 'A page of clusters, by name.', schema: pageOfSchema('Cluster') } },
      }),
    },
    async (request) => {
      const { limit, cursor, name } = request.query;
      const clusters = (await ctx.store.listClusters())
        .filter((cluster) => cluster.name.startsWith(name ?? '') && isInScope(request.principal, cluster.name))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
      const { items, nextCursor } = pageOf(clusters, limit ?? 100, cursor);
      return { items: items.map(clusterRepresentation), nextCursor };
    },
  );

  routes.post(
    '/clusters',
    {
      schema: operation({
        operationId: 'createCluster',
        needs: 'admin',
        tag: 'clusters',
        summary: 'Create a cluster',
        params: nothing,
        query: noQuery,
        body: ClusterSpecSchema,
        answers: { 201: { description: 'Created, at revision 0.', schema: refTo('Cluster'), headers: { ...etagHeader, ...revisionHeader } } },
        errors: ['unknown-field', 'duplicate-name', 'subnet-overlap', 'invalid-subnet', 'host-bits-set'],
      }),
    },
    async (request, reply) => {
      const cluster = await createCluster(ctx, callerOf(request), request.body);
      reply.code(201).header('location', `/v1/clusters/${encodeURIComponent(cluster.name)}`);
      reply.header('etag', etagOf(cluster.revision)).header('portolan-revision', String(cluster.revision));
      return clusterRepresentation(cluster);
    },
  );

  routes.get(
    '/clusters/:cluster',
    {
      schema: operation({
        ...shared,
        operationId: 'getCluster',
        needs: 'viewer',
        summary: 'Read a cluster',
        query: noQuery,
        answers: { 200: { description: 'The cluster.', schema: refTo('Cluster'), headers: etagHeader } },
        errors: ['not-found'],
      }),
    },
    async (request, reply) => {
      const { cluster } = await ctx.store.snapshot(request.params.cluster);
      reply.header('etag', etagOf(cluster.revision));
      return clusterRepresentation(cluster);
    },
  );

  routes.patch(
    '/clusters/:cluster',
    {
      schema: operation({
        ...shared,
        operationId: 'patchCluster',
        needs: 'admin',
        summary: 'Change settings of a cluster',
        description: 'JSON merge patch (RFC 7396) of `{settings}`. What is allocated stays; new pools and ranges count from now on.',
        headers: ifMatchHeader,
        query: waitQuery,
        body: Type.Object({ settings: refTo('ClusterSettingsPatch') }),
        consumes: ['application/merge-patch+json', 'application/json', 'application/yaml'],
        answers: { 200: { description: 'The cluster as it is now.', schema: refTo('Cluster'), headers: { ...etagHeader, ...revisionHeader } } },
        errors: editErrors,
      }),
    },
    async (request, reply) => {
      const name = request.params.cluster;
      const { snapshot, revision } = await patchCluster(ctx, callerOf(request), name, request.body, ifMatchVersion(request));
      await settle(ctx, reply, name, revision, request.query);
      reply.header('etag', etagOf(revision));
      return clusterRepresentation(snapshot.cluster);
    },
  );

  routes.delete(
    '/clusters/:cluster',
    {
      schema: operation({
        ...shared,
        operationId: 'deleteCluster',
        needs: 'admin',
        summary: 'Delete a cluster and everything in it',
        headers: ifMatchHeader,
        query: noQuery,
        answers: { 204: { description: 'Deleted.' } },
        errors: ['not-found', 'precondition-failed'],
      }),
    },
    async (request, reply) => {
      await deleteCluster(ctx, callerOf(request), request.params.cluster, ifMatchVersion(request));
      return reply.code(204).send();
    },
  );
}
