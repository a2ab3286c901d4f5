import type { FastifyReply } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Outcome } from '../application/commit.js';
import type { Context } from '../application/context.js';
import { AdoptRequestSchema, adoptClusterFlannel, deleteClusterFlannel, flannelRepresentation, setClusterFlannel } from '../application/flannel-commands.js';
import { flannelOf, flannelStatus } from '../application/flannel-status.js';
import { callerOf } from './caller.js';
import { editErrors, operation, refTo } from './operation.js';
import { clusterParams, etagHeader, etagOf, ifMatchHeader, ifMatchVersion, noQuery, revisionHeader, settle, waitFields, waitQuery } from './requests.js';
import type { Routes } from './route.js';

const setQuery = Type.Object(
  { dryRun: Type.Optional(Type.Boolean({ default: false, description: 'Answer with what it would be, and change nothing.' })), ...waitFields },
  { additionalProperties: false },
);
const statusQuery = Type.Object(
  {
    node: Type.Optional(Type.String({ description: 'Only the row of this node.' })),
    kernel: Type.Optional(
      Type.Boolean({ description: 'Compare the kernels of the nodes; true for one node and for clusters of at most 100 nodes unless given.' }),
    ),
  },
  { additionalProperties: false },
);

export function registerFlannel(routes: Routes, ctx: Context): void {
  const path = '/clusters/:cluster/flannel';
  const shared = { tag: 'flannel', params: clusterParams } as const;
  const answer = { schema: refTo('Flannel'), headers: { ...etagHeader, ...revisionHeader } } as const;

  /** Waits as the query says, and answers with the network as it is then. */
  const settled = async (reply: FastifyReply, cluster: string, outcome: Outcome, query: Static<typeof waitQuery>): Promise<object> => {
    await settle(ctx, reply, cluster, outcome.revision, query);
    const snapshot = query.wait === undefined ? outcome.snapshot : await ctx.store.snapshot(cluster);
    const shown = flannelRepresentation(snapshot.flannel === null ? outcome.snapshot : snapshot);
    reply.header('etag', etagOf(shown.version));
    return shown;
  };

  routes.get(
    path,
    {
      schema: operation({
        ...shared,
        operationId: 'getFlannel',
        needs: 'viewer',
        summary: 'Read the flannel network, as it was set',
        query: noQuery,
        answers: { 200: { description: 'The flannel network.', schema: refTo('Flannel'), headers: etagHeader } },
        errors: ['not-found'],
      }),
    },
    async (request, reply) => {
      const snapshot = await ctx.store.snapshot(request.params.cluster);
      reply.header('etag', etagOf(flannelOf(snapshot).version));
      return flannelRepresentation(snapshot);
    },
  );

  routes.put(
    path,
    {
      schema: operation({
        ...shared,
        operationId: 'setFlannel',
        needs: 'operator',
        summary: 'Set the flannel network',
        description:
          'Takes a spec, or the network as it was read. Another backend is changed to node by node, without a gap: `GET …/flannel/status` tells how far it is. `?wait=applied` answers when every node that takes part has its lease, of that backend, and all nodes have applied the leases.',
        headers: ifMatchHeader,
        query: setQuery,
        body: refTo('FlannelSpec'),
        answers: { 200: { description: 'The flannel network as it is now.', ...answer } },
        errors: editErrors,
      }),
    },
    async (request, reply) => {
      const { cluster } = request.params;
      const { dryRun = false, ...wait } = request.query;
      const outcome = await setClusterFlannel(ctx, callerOf(request), cluster, request.body, { dryRun, version: ifMatchVersion(request) });
      return settled(reply, cluster, outcome, dryRun ? {} : wait);
    },
  );

  routes.delete(
    path,
    {
      schema: operation({
        ...shared,
        operationId: 'deleteFlannel',
        needs: 'operator',
        summary: 'Delete the flannel network, and give its subnets back',
        description:
          'Nodes remove what they have of it, our entries leave the registry, and with the last entry the configuration. `?wait=applied` answers when all of that has happened.',
        headers: ifMatchHeader,
        query: waitQuery,
        answers: { 204: { description: 'Deleted, or on its way.', headers: revisionHeader } },
        errors: ['not-found', 'in-use', 'flannel-missing', 'rollout-in-progress', 'precondition-failed', 'wait-timeout'],
      }),
    },
    async (request, reply) => {
      const { cluster } = request.params;
      const { revision } = await deleteClusterFlannel(ctx, callerOf(request), cluster, ifMatchVersion(request));
      await settle(ctx, reply, cluster, revision, request.query);
      return reply.code(204).send();
    },
  );

  routes.get(
    `${path}/status`,
    {
      schema: operation({
        ...shared,
        operationId: 'getFlannelStatus',
        needs: 'viewer',
        summary: 'Who owns which subnet, for how long, and what the kernels have',
        description: 'A row for each lease, foreign ones too, and for each node of ours that has none.',
        query: statusQuery,
        answers: { 200: { description: 'The network and its leases.', schema: refTo('FlannelStatus') } },
        errors: ['not-found'],
      }),
    },
    async (request) => flannelStatus(ctx, await ctx.store.snapshot(request.params.cluster), request.query),
  );

  routes.post(
    `${path}/adopt`,
    {
      schema: operation({
        ...shared,
        operationId: 'adoptFlannel',
        needs: 'operator',
        summary: 'Take over the network that a registry in etcd describes',
        description:
          'Its configuration becomes the flannel network of the cluster. Leases in it stay: those with the address of a node of ours become its own, the others are foreign nodes.',
        query: waitQuery,
        body: AdoptRequestSchema,
        answers: { 200: { description: 'The flannel network.', ...answer } },
        errors: editErrors,
      }),
    },
    async (request, reply) => {
      const { cluster } = request.params;
      return settled(reply, cluster, await adoptClusterFlannel(ctx, callerOf(request), cluster, request.body), request.query);
    },
  );
}
