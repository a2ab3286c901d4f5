import { type Change, changesOf, diffSnapshots, isEmptyDifference, type Snapshot } from '@portolan/model';
import type { ChangeNote, Committed } from '../ports.js';
import type { Connections, Transaction } from './connections.js';
import { isConflict, isOutage, ofCaller } from './failures.js';
import { loadSnapshot } from './load.js';
import { snapshotRows } from './rows.js';
import { clusterNotFound, type Snapshots } from './snapshots.js';
import { writeRows } from './write.js';

const ATTEMPTS = 5;

interface LockedCluster {
  readonly id: string;
  readonly revision: number;
  /** Number of the transaction, by which PostgreSQL can be asked later what became of it. */
  readonly transaction: string;
}

const lockSql = 'SELECT id, revision, pg_current_xact_id()::text AS transaction FROM clusters WHERE name = $1 FOR UPDATE';

/** The revision with its changes, in one statement. */
const noteSql = `WITH moved AS (UPDATE clusters SET revision = $2, settings = coalesce($3::jsonb, settings) WHERE id = $1),
  noted AS (INSERT INTO revisions (cluster_id, revision, actor, summary) VALUES ($1, $2, $4, $5))
  INSERT INTO audit (cluster_id, revision, position, action, kind, name)
  SELECT $1, $2, r.position, r.action, r.kind, r.name FROM jsonb_populate_recordset(null::audit, $6::jsonb) r`;

async function writeRevision(transaction: Transaction, before: Snapshot, after: Snapshot, note: ChangeNote, changes: readonly Change[]): Promise<void> {
  const { id, settings, revision } = after.cluster;
  const newSettings = settings === before.cluster.settings ? null : JSON.stringify(settings);
  const rows = JSON.stringify(changes.map((change, position) => ({ position, ...change })));
  await transaction.$executeRawUnsafe(noteSql, id, revision, newSettings, note.actor, note.summary, rows);
}

/** One run of the edit under the lock of its cluster, not yet committed. */
async function applyEdit(
  transaction: Transaction,
  snapshots: Snapshots,
  cluster: string,
  locked: LockedCluster,
  note: ChangeNote,
  edit: (snapshot: Snapshot) => Snapshot,
): Promise<Committed> {
  const before = snapshots.remembered(cluster, locked.id, locked.revision) ?? (await loadSnapshot(transaction, cluster));
  if (before === undefined) throw clusterNotFound(cluster);
  const edited = ofCaller(() => edit(before));
  const difference = diffSnapshots(before, edited);
  if (isEmptyDifference(difference)) return { snapshot: before, changed: false };
  const after: Snapshot = { ...edited, cluster: { ...edited.cluster, revision: before.cluster.revision + 1 } };
  await writeRows(transaction, locked.id, snapshotRows(difference));
  await writeRevision(transaction, before, after, note, changesOf(before, edited, difference));
  return { snapshot: after, changed: true };
}

/** Whether a transaction whose COMMIT got no answer was committed; undefined when that cannot be learned now. */
async function wasCommitted({ prisma }: Connections, transaction: string): Promise<boolean | undefined> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const [row] = await prisma.$queryRawUnsafe<{ status: string | null }[]>('SELECT pg_xact_status($1::xid8) AS status', transaction);
      if (row?.status === 'committed') return true;
      if (row?.status === 'aborted') return false;
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return undefined;
}

/** See IntentStore.commit. */
export async function commitEdit(
  connections: Connections,
  snapshots: Snapshots,
  cluster: string,
  note: ChangeNote,
  edit: (snapshot: Snapshot) => Snapshot,
): Promise<Committed> {
  for (let attempt = 1; ; attempt++) {
    let ready: { readonly committed: Committed; readonly transaction: string } | undefined;
    try {
      const committed = await connections.transaction(async (transaction) => {
        const [locked] = await transaction.$queryRawUnsafe<LockedCluster[]>(lockSql, cluster);
        if (locked === undefined) throw clusterNotFound(cluster);
        const result = await applyEdit(transaction, snapshots, cluster, locked, note, edit);
        ready = { committed: result, transaction: locked.transaction };
        return result;
      });
      snapshots.remember(committed.snapshot);
      return committed;
    } catch (error) {
      if (isConflict(error) && attempt < ATTEMPTS) continue;
      if (ready?.committed.changed === true && isOutage(error) && (await wasCommitted(connections, ready.transaction)) === true) {
        snapshots.remember(ready.committed.snapshot);
        return ready.committed;
      }
      throw error;
    }
  }
}
