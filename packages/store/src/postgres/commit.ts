import { randomUUID } from 'node:crypto';
import { changesOf, diffSnapshots, type ImagedChange, imagedChanges, isEmptyDifference, portolanError, type Snapshot } from '@portolan/model';
import type { ChangeNote, Committed, IntentStore } from '../ports.js';
import { moveChangeset } from './changesets.js';
import type { Connections, Transaction } from './connections.js';
import { isConflict, isOutage, ofCaller } from './failures.js';
import { loadSnapshot } from './load.js';
import { snapshotRows } from './rows.js';
import { clusterNotFound, type Snapshots } from './snapshots.js';
import { writeRows } from './write.js';

const ATTEMPTS = 5;

type Edit = Parameters<IntentStore['commit']>[2];

interface LockedCluster {
  readonly id: string;
  readonly revision: number;
}

/** A commit of which only the answer to COMMIT is missing. */
interface ReadyCommit {
  readonly committed: Committed;
  readonly commitId: string;
}

const lockSql = 'SELECT id, revision FROM clusters WHERE name = $1 FOR UPDATE';

/** See `settledRevisionOf`. */
const settledSql = `SELECT min(greatest(applied_revision, handed_revision)) AS settled FROM node_progress
  WHERE cluster_id = $1 AND (last_report_at IS NOT NULL OR handed_revision IS NOT NULL)`;

const overtakenSql = 'SELECT 1 AS later FROM node_progress WHERE node_id = $1 AND (report_start, report_count) > ($2::bigint, $3::int)';

/** The revision with its changes, in one statement. */
const noteSql = `WITH moved AS (UPDATE clusters SET revision = $2, settings = coalesce($3::jsonb, settings), flannel = CASE WHEN $8 THEN $9::json ELSE flannel END WHERE id = $1),
  noted AS (INSERT INTO revisions (cluster_id, revision, actor, summary, commit_id, "from") VALUES ($1, $2, $4, $5, $7::uuid, $10))
  INSERT INTO audit (cluster_id, revision, position, action, kind, name, object_id, before)
  SELECT $1, $2, r.position, r.action, r.kind, r.name, r."objectId", r.before
  FROM json_to_recordset($6::json) AS r(position int, action audit_action, kind audit_kind, name text, "objectId" text, before json)`;

async function writeRevision(
  transaction: Transaction,
  before: Snapshot,
  after: Snapshot,
  note: ChangeNote,
  changes: readonly ImagedChange[],
  commitId: string,
): Promise<void> {
  const { id, settings, revision } = after.cluster;
  const newSettings = settings === before.cluster.settings ? null : JSON.stringify(settings);
  const isNewFlannel = after.flannel !== before.flannel;
  const flannel = after.flannel === null ? null : JSON.stringify(after.flannel);
  const rows = JSON.stringify(changes.map((change, position) => ({ position, ...change })));
  await transaction.$executeRawUnsafe(noteSql, id, revision, newSettings, note.actor, note.summary, rows, commitId, isNewFlannel, flannel, note.from ?? null);
}

async function isOvertaken(transaction: Transaction, { nodeId, order: { start, count } }: NonNullable<ChangeNote['report']>): Promise<boolean> {
  return (await transaction.$queryRawUnsafe<unknown[]>(overtakenSql, nodeId, start, count)).length > 0;
}

/** One run of the edit under the lock of its cluster, not yet committed. */
async function applyEdit(
  transaction: Transaction,
  snapshots: Snapshots,
  cluster: string,
  locked: LockedCluster,
  note: ChangeNote,
  edit: Edit,
  commitId: string,
): Promise<Committed> {
  const before = snapshots.remembered(cluster, locked.id, locked.revision) ?? (await loadSnapshot(transaction, cluster));
  if (before === undefined) throw clusterNotFound(cluster);
  if (note.report !== undefined && (await isOvertaken(transaction, note.report))) return { snapshot: before, changed: false };
  // Nothing was given up: then nobody need be asked who still holds it.
  const [row] = before.retired.length === 0 ? [] : await transaction.$queryRawUnsafe<{ settled: number | null }[]>(settledSql, locked.id);
  const settled = row?.settled ?? before.cluster.revision;
  const edited = ofCaller(() => edit(before, settled));
  const difference = diffSnapshots(before, edited);
  if (isEmptyDifference(difference)) return { snapshot: before, changed: false };
  const after: Snapshot = { ...edited, cluster: { ...edited.cluster, revision: before.cluster.revision + 1 } };
  await writeRows(transaction, locked.id, snapshotRows(difference));
  const changes = imagedChanges(changesOf(before, edited, difference), before, difference);
  await writeRevision(transaction, before, after, note, changes, commitId);
  if (note.changeset !== undefined) await moveChangeset(transaction, note.changeset, after.cluster.revision);
  return { snapshot: after, changed: true };
}

/** Whether a commit whose COMMIT got no answer was made; undefined when that cannot be learned now. */
async function wasMade(connections: Connections, { committed, commitId }: ReadyCommit): Promise<boolean | undefined> {
  const { name, revision, id } = committed.snapshot.cluster;
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      return await connections.transaction(async (transaction) => {
        // Waits for the transaction in question, if the server still runs it.
        await transaction.$queryRawUnsafe(lockSql, name);
        return (await transaction.revision.count({ where: { clusterId: id, revision, commitId } })) === 1;
      });
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  return undefined;
}

/** Settles a commit that failed with `error` after all its statements had run. */
async function settled(connections: Connections, ready: ReadyCommit, error: unknown): Promise<Committed> {
  const made = await wasMade(connections, ready);
  if (made === true) return ready.committed;
  if (made === false) throw error;
  throw portolanError('store-unavailable', '', 'PostgreSQL was lost while it committed; whether the change was made is not known', {
    cause: error,
    fix: 'Read the object again to see whether the change was made; if not, try again.',
  });
}

/** See IntentStore.commit. */
export async function commitEdit(connections: Connections, snapshots: Snapshots, cluster: string, note: ChangeNote, edit: Edit): Promise<Committed> {
  for (let attempt = 1; ; attempt++) {
    let ready: ReadyCommit | undefined;
    try {
      await connections.transaction(async (transaction) => {
        const [locked] = await transaction.$queryRawUnsafe<LockedCluster[]>(lockSql, cluster);
        if (locked === undefined) throw clusterNotFound(cluster);
        const commitId = randomUUID();
        ready = { committed: await applyEdit(transaction, snapshots, cluster, locked, note, edit, commitId), commitId };
      });
    } catch (error) {
      if (isConflict(error) && attempt < ATTEMPTS) continue;
      if (ready === undefined || !isOutage(error)) throw error;
      if (ready.committed.changed) await settled(connections, ready, error);
    }
    if (ready === undefined) throw new Error('a transaction ended without a result');
    snapshots.remember(ready.committed.snapshot);
    return ready.committed;
  }
}
