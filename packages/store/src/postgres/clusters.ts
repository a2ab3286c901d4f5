import type { Cluster, ClusterSettings } from '@portolan/model';
import type { Cluster as ClusterRow } from '../generated/prisma/client.js';
import type { RevisionRow } from '../ports.js';
import type { Connections } from './connections.js';
import { clusterNotFound } from './snapshots.js';

function clusterOf({ id, name, settings, revision }: ClusterRow): Cluster {
  return { id, name, settings: settings as unknown as ClusterSettings, revision };
}

/** By name. */
export async function allClusters({ prisma }: Connections): Promise<readonly Cluster[]> {
  return (await prisma.cluster.findMany({ orderBy: { name: 'asc' } })).map(clusterOf);
}

export async function insertedCluster({ prisma }: Connections, cluster: Pick<Cluster, 'id' | 'name' | 'settings'>): Promise<Cluster> {
  const { id, name, settings } = cluster;
  return clusterOf(await prisma.cluster.create({ data: { id, name, settings } }));
}

export async function removeCluster({ prisma }: Connections, name: string): Promise<void> {
  if ((await prisma.cluster.deleteMany({ where: { name } })).count === 0) throw clusterNotFound(name);
}

/** Newest first. */
export async function revisionRows(
  { prisma }: Connections,
  cluster: string,
  page: { readonly limit: number; readonly before?: number },
): Promise<readonly RevisionRow[]> {
  const row = await prisma.cluster.findUnique({
    where: { name: cluster },
    select: {
      revisions: {
        ...(page.before === undefined ? {} : { where: { revision: { lt: page.before } } }),
        orderBy: { revision: 'desc' },
        take: page.limit,
        include: { changes: { orderBy: { position: 'asc' }, select: { action: true, kind: true, name: true } } },
      },
    },
  });
  if (row === null) throw clusterNotFound(cluster);
  return row.revisions.map(({ revision, actor, from, summary, createdAt, changes }) => ({
    revision,
    actor,
    from,
    summary,
    createdAt: createdAt.toISOString(),
    changes,
  }));
}
