import { type Id, portolanError } from '@portolan/model';
import type { JobRow, ObservedRow } from '../ports.js';
import type { Connections } from './connections.js';
import { objectsOfGeneration } from './states.js';

/** Commits hold the lock of their cluster from their first statement on, so this waits for the one that is under way. */
const handedSql = `INSERT INTO node_progress (node_id, cluster_id, handed_revision) SELECT n.id, c.id, c.revision FROM nodes n JOIN clusters c ON c.id = n.cluster_id
  WHERE n.id = $1 FOR SHARE OF c
  ON CONFLICT (node_id) DO UPDATE SET handed_revision = coalesce(node_progress.handed_revision, excluded.handed_revision) RETURNING handed_revision AS revision`;

/** See IntentStore.noteHanded. */
export async function noteHandedState({ prisma }: Connections, nodeId: Id): Promise<number> {
  const [row] = await prisma.$queryRawUnsafe<{ revision: number }[]>(handedSql, nodeId);
  if (row === undefined) throw portolanError('not-found', '', `there is no node with the id ${nodeId}`);
  return row.revision;
}

/** What was observed last, with the objects of a state where it is all of that. */
export async function observedRow(connections: Connections, nodeId: Id): Promise<ObservedRow | null> {
  const row = await connections.prisma.observedState.findUnique({ where: { nodeId } });
  if (row === null) return null;
  const { hash, generation } = row;
  const objects = generation === null ? row.objects : await objectsOfGeneration(connections.prisma, nodeId, generation);
  // What was observed is by now something else, or written out, because the state is about to go.
  if (objects === undefined) return observedRow(connections, nodeId);
  return {
    nodeId,
    hash,
    objects: objects as unknown as ObservedRow['objects'],
    foreign: row.foreign as unknown as ObservedRow['foreign'],
    observedAt: row.observedAt.toISOString(),
  };
}

export function reportOf(body: unknown): JobRow['report'] {
  return (body ?? null) as JobRow['report'];
}
