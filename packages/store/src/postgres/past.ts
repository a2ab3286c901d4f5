import { type ImagedChange, portolanError, rewound, type Snapshot } from '@portolan/model';
import { revisionNotFound } from '../history.js';
import type { Connections } from './connections.js';
import type { Snapshots } from './snapshots.js';

interface ImageRow {
  readonly kind: ImagedChange['kind'];
  /** Null: written before images were kept. */
  readonly objectId: string | null;
  readonly before: ImagedChange['before'];
}

/** Of each object that was changed after $2 and up to $3 the first image: how it was at $2. */
const imagesSql = `SELECT DISTINCT ON (kind, object_id) kind::text, object_id AS "objectId", before FROM audit
  WHERE cluster_id = $1 AND revision > $2 AND revision <= $3 ORDER BY kind, object_id, revision`;

/** See IntentStore.snapshotAt. */
export async function snapshotAt({ prisma }: Connections, snapshots: Snapshots, cluster: string, revision: number): Promise<Snapshot> {
  const newest = await snapshots.current(cluster);
  if (!Number.isSafeInteger(revision) || revision < 0 || revision > newest.cluster.revision) throw revisionNotFound(cluster, revision);
  const rows = await prisma.$queryRawUnsafe<ImageRow[]>(imagesSql, newest.cluster.id, revision, newest.cluster.revision);
  const images = rows.map(({ objectId, ...row }) => {
    if (objectId === null) throw portolanError('history-missing', '', `what cluster ${cluster} was like at revision ${revision} is not kept`);
    return { ...row, objectId };
  });
  return rewound(newest, revision, images);
}
