import { manifestOf } from '@portolan/intent';
import { isInScope } from '../application/credentials/principal.js';
import { findingsOf } from '../application/drift.js';
import { findJob, jobStatuses, listJobs, listRevisions } from '../application/history.js';
import { type ObjectFilter, objectNamed, pageOf } from '../application/objects.js';
import { manifestAt } from '../application/past.js';
import { poolsOf } from '../application/pools.js';
import { DEFAULT_WAIT_SECONDS, waitApplied } from '../application/wait.js';
import { newestWishes } from '../application/wishes.js';
import type { Builder } from './builder.js';
import { DRIFT_SHOWN, driftOf } from './drift-types.js';
import { flannelType } from './flannel-types.js';
import type { InputTypes } from './inputs.js';
import { JOBS_SHOWN, lengthAsked } from './lengths.js';
import type { ObjectTypes } from './object-types.js';
import type { ProgressTypes } from './progress-types.js';
import type { PoolUsageType } from './value-types.js';
import { ClusterView } from './views.js';

/** Revisions of an answer, unless another number is asked for. */
const REVISIONS_SHOWN = 20;

/** A cluster with everything in it, and the queries that lead there. */
export function clusterType(builder: Builder, inputs: InputTypes, objects: ObjectTypes, progress: ProgressTypes, poolUsage: PoolUsageType) {
  const flannel = flannelType(builder, inputs, objects);
  const cluster = builder.objectRef<ClusterView>('Cluster').implement({
    description: 'A cluster at one revision: all that one query reads of it belongs together.',
    fields: (t) => {
      const page = {
        limit: t.arg.int({ description: 'All unless given.' }),
        after: t.arg.string({ description: 'Name of the last object of the page before.' }),
      };
      const name = t.arg.string({ description: 'Only names that start with this.' });
      const [node, network, service] = [t.arg.string(), t.arg.string(), t.arg.string()];
      const one = { name: t.arg.string({ required: true }) };
      return {
        id: t.id({ resolve: ({ snapshot }) => snapshot.cluster.id }),
        name: t.string({ resolve: ({ snapshot }) => snapshot.cluster.name }),
        revision: t.int({ resolve: ({ snapshot }) => snapshot.cluster.revision }),
        settings: t.field({ type: 'JSON', resolve: ({ snapshot }) => snapshot.cluster.settings }),
        manifest: t.field({
          type: 'JSON',
          args: { revision: t.arg.int({ description: 'As it was at this revision; the newest unless given.' }) },
          resolve: async (view, { revision }) =>
            revision == null ? manifestOf(view.snapshot) : (await manifestAt(view.ctx, view.snapshot.cluster.name, revision)).manifest,
        }),
        nodes: t.field({
          type: [objects.node],
          args: { name, network, service, ...page },
          resolve: (view, { limit, after, ...filter }) => view.list('node', filterOf(filter), limit, after),
        }),
        networks: t.field({
          type: [objects.network],
          args: { name, node, service, ...page },
          resolve: (view, { limit, after, ...filter }) => view.list('network', filterOf(filter), limit, after),
        }),
        services: t.field({
          type: [objects.service],
          args: { name, node, network, ...page },
          resolve: (view, { limit, after, ...filter }) => view.list('service', filterOf(filter), limit, after),
        }),
        endpoints: t.field({
          type: [objects.endpoint],
          args: { name, node, network, service, ...page },
          resolve: (view, { limit, after, ...filter }) => view.list('endpoint', filterOf(filter), limit, after),
        }),
        node: t.field({
          type: objects.node,
          nullable: true,
          args: one,
          resolve: (view, args) => view.of<'node'>(objectNamed(view.snapshot, 'node', args.name)),
        }),
        network: t.field({
          type: objects.network,
          nullable: true,
          args: one,
          resolve: (view, args) => view.of<'network'>(objectNamed(view.snapshot, 'network', args.name)),
        }),
        service: t.field({
          type: objects.service,
          nullable: true,
          args: one,
          resolve: (view, args) => view.of<'service'>(objectNamed(view.snapshot, 'service', args.name)),
        }),
        endpoint: t.field({
          type: objects.endpoint,
          nullable: true,
          args: one,
          resolve: (view, args) => view.of<'endpoint'>(objectNamed(view.snapshot, 'endpoint', args.name)),
        }),
        flannel: t.field({
          type: flannel,
          nullable: true,
          description: 'null: the cluster has no flannel network.',
          resolve: (view) => (view.snapshot.flannel === null ? null : view),
        }),
        pools: t.field({
          type: [poolUsage],
          description: 'How much of each pool is used, and by what.',
          resolve: async ({ ctx, snapshot }) => [...(await poolsOf(ctx, snapshot))],
        }),
        findings: t.field({
          type: 'JSON',
          description: 'What a person should know, as REST answers it.',
          resolve: ({ ctx, snapshot }) => findingsOf(ctx, snapshot),
        }),
        drift: t.field({
          type: progress.drift.page,
          description: 'What was found in kernels that was not as it was applied, newest first.',
          args: {
            node,
            outcome: t.arg({ type: progress.drift.outcome }),
            limit: t.arg.int({ defaultValue: DRIFT_SHOWN }),
            cursor: t.arg.string({ description: '`nextCursor` of the page before.' }),
          },
          resolve: (view, args) => driftOf(view, args),
        }),
        status: t.field({ type: progress.clusterStatus, resolve: (view) => view.status() }),
        revisions: t.field({
          type: [progress.revision],
          description: 'Newest first.',
          args: {
            limit: t.arg.int({ defaultValue: REVISIONS_SHOWN }),
            before: t.arg.int(),
            wishes: t.arg.boolean({ description: 'Only what somebody wants, without what agents and tasks have seen.' }),
          },
          resolve: async ({ ctx, snapshot: { cluster } }, { limit, before, wishes }) => {
            const page = [lengthAsked(limit, REVISIONS_SHOWN), before ?? undefined] as const;
            return wishes === true ? [...(await newestWishes(ctx, cluster.name, ...page))] : [...(await listRevisions(ctx, cluster.name, ...page)).items];
          },
        }),
        jobs: t.field({
          type: [progress.job],
          description: 'Newest first.',
          args: {
            node,
            status: t.arg({ type: inputs.enumOf('JobStatus', jobStatuses) }),
            limit: t.arg.int({ defaultValue: JOBS_SHOWN }),
            before: t.arg.id({ description: 'Id of the last job of the page before.' }),
          },
          resolve: async ({ ctx, snapshot }, args) => {
            const status = jobStatuses.find((word) => word === args.status);
            const filter = { ...(args.node == null ? {} : { node: args.node }), ...(status === undefined ? {} : { status }) };
            return [...(await listJobs(ctx, snapshot, filter, lengthAsked(args.limit, JOBS_SHOWN), args.before ?? undefined)).items];
          },
        }),
        job: t.field({
          type: progress.job,
          nullable: true,
          args: { id: t.arg.id({ required: true }) },
          resolve: ({ ctx, snapshot }, { id }) => findJob(ctx, snapshot, id),
        }),
      };
    },
  });

  builder.queryType({
    fields: (t) => ({
      clusters: t.field({
        type: [cluster],
        args: {
          name: t.arg.string({ description: 'Only names that start with this.' }),
          limit: t.arg.int({ description: 'All unless given.' }),
          after: t.arg.string({ description: 'Name of the last cluster of the page before.' }),
        },
        resolve: async (_root, { name: prefix, limit, after }, { ctx, principal }) => {
          const all = (await ctx.store.listClusters())
            .filter(({ name }) => isInScope(principal, name) && name.startsWith(prefix ?? ''))
            .sort((a, b) => (a.name < b.name ? -1 : 1));
          const { items } = pageOf(all, lengthAsked(limit, all.length), after ?? undefined);
          return Promise.all(items.map(async ({ name }) => new ClusterView({ ctx }, await ctx.store.snapshot(name))));
        },
      }),
      cluster: t.field({
        type: cluster,
        nullable: true,
        args: { name: t.arg.string({ required: true }) },
        resolve: async (_root, { name }, context) => context.reading?.cluster(name) ?? new ClusterView(context, await context.ctx.store.snapshot(name)),
      }),
    }),
  });
  builder.queryFields((t) => ({
    waitForRevision: t.field({
      type: progress.clusterStatus,
      description: 'Answers when every node has applied a revision, and what agents saw on account of it.',
      args: {
        cluster: t.arg.string({ required: true }),
        revision: t.arg.int({ description: 'The newest unless given.' }),
        timeout: t.arg.float({ description: 'Seconds.' }),
      },
      resolve: (_root, { cluster: name, revision, timeout }, { ctx, gone }) =>
        waitApplied(ctx, name, revision ?? undefined, timeout ?? DEFAULT_WAIT_SECONDS, gone),
    }),
  }));
  return cluster;
}

export type ClusterType = ReturnType<typeof clusterType>;

function filterOf(args: { readonly [F in keyof ObjectFilter]?: string | null | undefined }): ObjectFilter {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null && value !== undefined));
}
