import type { DriftEvent } from '../application/drift.js';
import { type JobLine, listJobs } from '../application/history.js';
import { type ClusterStatus, clusterStatus, type NodeStatus } from '../application/status.js';
import type { Builder } from './builder.js';
import { driftOf } from './drift-types.js';
import { follow } from './follow.js';
import { JOBS_SHOWN, lengthAsked } from './lengths.js';
import { type Movement, movementOf } from './movement.js';
import type { ProgressTypes } from './progress-types.js';

/** Jobs that are told each time. */
const MOST_JOBS = 100;

type Revisions = Omit<ClusterStatus, 'nodes'>;

export function registerSubscriptions(builder: Builder, progress: ProgressTypes): void {
  const revisions = builder.objectRef<Revisions>('ClusterRevisions').implement({
    description: 'How far a cluster has come.',
    fields: (t) => ({
      cluster: t.exposeString('cluster'),
      intentRevision: t.exposeInt('intentRevision'),
      computedRevision: t.exposeInt('computedRevision'),
      appliedRevision: t.exposeInt('appliedRevision'),
    }),
  });

  const movement = builder.objectRef<Movement>('Movement').implement({
    description: 'Something has moved in a cluster: intent, states, reports, drift, jobs, hosts. It is time to ask again.',
    fields: (t) => ({
      count: t.exposeInt('count', { description: 'Another one than before whenever something has moved.' }),
      intentRevision: t.exposeInt('intentRevision'),
      computedRevision: t.exposeInt('computedRevision'),
      appliedRevision: t.exposeInt('appliedRevision'),
    }),
  });

  builder.subscriptionType({
    fields: (t) => ({
      moved: t.field({
        type: movement,
        description: 'That anything has moved in a cluster, a few times a second at most. Small, however large the cluster is.',
        args: { cluster: t.arg.string({ required: true }) },
        subscribe: (_root, { cluster }, { ctx }) => follow(ctx, cluster, () => movementOf(ctx, cluster)),
        resolve: (moved) => moved,
      }),
      revision: t.field({
        type: revisions,
        description: 'The revisions of a cluster, whenever one of them moves.',
        args: { cluster: t.arg.string({ required: true }) },
        subscribe: (_root, { cluster }, { ctx }) =>
          follow(ctx, cluster, async (): Promise<Revisions> => {
            const { nodes: _nodes, ...moved } = await clusterStatus(ctx, cluster);
            return moved;
          }),
        resolve: (moved) => moved,
      }),
      nodeStatus: t.field({
        type: [progress.nodeStatus],
        description: 'The status of every node of a cluster, whenever one of them changes.',
        args: { cluster: t.arg.string({ required: true }) },
        subscribe: (_root, { cluster }, { ctx }) => follow(ctx, cluster, async (): Promise<NodeStatus[]> => [...(await clusterStatus(ctx, cluster)).nodes]),
        resolve: (nodes) => nodes,
      }),
      driftChanged: t.field({
        type: [progress.drift.event],
        description: 'The newest drift of a cluster, whenever something drifts, is repaired or goes.',
        args: { cluster: t.arg.string({ required: true }) },
        subscribe: (_root, { cluster }, { ctx }) =>
          follow(
            ctx,
            cluster,
            async (): Promise<DriftEvent[]> => [...(await driftOf({ ctx, snapshot: await ctx.store.snapshot(cluster) }, {})).items],
            withoutSight,
          ),
        resolve: (events) => events,
      }),
      jobMoved: t.field({
        type: [progress.job],
        description: 'The newest jobs of a cluster or of one node, newest first, whenever one is made or gets another status.',
        args: { cluster: t.arg.string({ required: true }), node: t.arg.string(), limit: t.arg.int({ defaultValue: JOBS_SHOWN }) },
        subscribe: (_root, { cluster, node, limit }, { ctx }) =>
          follow(
            ctx,
            cluster,
            async (): Promise<JobLine[]> => {
              const filter = node == null ? {} : { node };
              return [...(await listJobs(ctx, await ctx.store.snapshot(cluster), filter, lengthAsked(limit, JOBS_SHOWN, MOST_JOBS))).items];
            },
            (jobs) => jobs.map(({ id, status }) => [id, status]),
          ),
        resolve: (jobs) => jobs,
      }),
    }),
  });
}

/** An event that is seen again has not changed. */
function withoutSight(events: readonly DriftEvent[]): unknown {
  return events.map(({ seenAt: _seenAt, ...event }) => event);
}
