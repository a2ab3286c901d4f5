import { type Id, portolanError } from '@portolan/model';
import type { JobRow, ObservedRow } from '../ports.js';
import type { Connections } from './connections.js';
import { objectsOfGenerations } from './states.js';

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
export async function observedRows(connections: Connections, nodeIds: readonly Id[]): Promise<readonly ObservedRow[]> {
  const rows = await connections.prisma.observedState.findMany({ where: { nodeId: { in: [...nodeIds] } } });
  const whole = rows.flatMap(({ nodeId, generation }) => (generation === null ? [] : [{ nodeId, generation }]));
  const objectsOf = whole.length === 0 ? new Map() : await objectsOfGenerations(connections.prisma, whole);
  const found: ObservedRow[] = [];
  const missed: Id[] = [];
  for (const { nodeId, hash, generation, objects: written, foreign, observedAt } of rows) {
    const objects = generation === null ? written : objectsOf.get(nodeId);
    // What was observed is by now something else, or written out, because the state is about to go.
    if (objects === undefined) missed.push(nodeId);
    else {
      found.push({
        nodeId,
        hash,
        objects: objects as unknown as ObservedRow['objects'],
        foreign: foreign as unknown as ObservedRow['foreign'],
        observedAt: observedAt.toISOString(),
      });
    }
  }
  return missed.length === 0 ? found : [...found, ...(await observedRows(connections, missed))];
}

export function reportOf(body: unknown): JobRow['report'] {
  return (body ?? null) as JobRow['report'];
}
