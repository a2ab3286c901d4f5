import { PortolanError, portolanError } from '@portolan/model';
import { within } from '../outage.js';
import type { IntentStore, StoreLog } from '../ports.js';
import { callsOf } from './calls.js';
import { activeChangesetRow, changesetRows, insertedChangeset, oneChangeset, updatedChangeset } from './changesets.js';
import { allClusters, insertedCluster, removeCluster, revisionRows } from './clusters.js';
import { commitEdit } from './commit.js';
import { progressRows, saveComputedStates } from './computed.js';
import { openConnections } from './connections.js';
import { driftRows, newestDriftRows } from './drift.js';
import { isOutage } from './failures.js';
import { gathered } from './gathered.js';
import { jobRows, newestJobRows, oneJobRow, publishOutbox, storeCounts } from './jobs.js';
import { applyMigrations } from './migrate.js';
import { snapshotAt } from './past.js';
import { noteHandedState, observedRows } from './reports.js';
import { type NodeReport, saveReportsOfNodes } from './save-reports.js';
import { openSnapshots } from './snapshots.js';
import { newestStateRows, nodeStateRow } from './states.js';
import { saveNodeTraffic, trafficRows } from './traffic.js';

export { openPostgresCredentials } from './credentials.js';

const PING_MILLISECONDS = 3_000;
/** Bounds what one transaction holds locked. */
const REPORTS_AT_ONCE = 64;

export interface PostgresOptions {
  /** `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`. The user must own the database, or may create in it. */
  readonly url: string;
  /** Default: `prisma/migrations` of the repository. */
  readonly migrationsDirectory?: string;
  /** Sessions at most; 10 unless given. */
  readonly poolSize?: number;
  readonly log?: StoreLog;
}

function isUnavailable(error: unknown): boolean {
  return error instanceof PortolanError && error.code === 'store-unavailable';
}

/**
 * Runs tasks of one key one after another. What waits behind a task that met an outage fails with it: each of them
 * would find the same, only later.
 */
function inTurn(): <T>(key: string, task: () => Promise<T>) => Promise<T> {
  const tails = new Map<string, Promise<unknown>>();
  return <T>(key: string, task: () => Promise<T>) => {
    const turn: Promise<T> = (tails.get(key) ?? Promise.resolve()).then(task, (error: unknown) => {
      if (isOutage(error)) throw error;
      return task();
    });
    tails.set(key, turn);
    const leave = (): void => {
      if (tails.get(key) === turn) tails.delete(key);
    };
    turn.then(leave, leave);
    return turn;
  };
}

/**
 * The store over PostgreSQL. It connects at the first call, and again by itself when the server was away. A server
 * that is frozen fails calls within about six seconds, a statement that is merely slow after thirty.
 */
export function openPostgresStore(options: PostgresOptions): IntentStore {
  const connections = openConnections(options.url, options.poolSize ?? 10);
  const snapshots = openSnapshots(connections);
  // Commits of a cluster wait for each other here, so that they do not sit on sessions waiting for its lock.
  const commitsInTurn = inTurn();

  const run = callsOf(connections, options.log);
  // A hundred nodes report within a moment, and each transaction is a write that is waited for.
  const reports = gathered({
    together: async (told: readonly NodeReport[]) => {
      const progress = await run(() => saveReportsOfNodes(connections, told));
      return told.map(({ nodeId }) => progress.get(nodeId));
    },
    keyOf: ({ nodeId }) => nodeId,
    most: REPORTS_AT_ONCE,
    isOfOne: (error) => !isUnavailable(error),
  });

  return {
    migrate: () => run(() => applyMigrations(connections, options.migrationsDirectory)),
    close: () => connections.close(),
    ping: () => run(async () => void (await within(PING_MILLISECONDS, connections.prisma.$queryRaw`SELECT 1`))),

    listClusters: () => run(() => allClusters(connections)),
    createCluster: (cluster) => run(() => insertedCluster(connections, cluster)),
    async deleteCluster(name) {
      await run(() => removeCluster(connections, name));
      snapshots.forget(name);
    },
    snapshot: (cluster) => run(() => snapshots.current(cluster)),
    commit: (cluster, note, edit) => commitsInTurn(cluster, () => run(() => commitEdit(connections, snapshots, cluster, note, edit))),
    revisions: (cluster, page) => run(() => revisionRows(connections, cluster, page)),
    snapshotAt: (cluster, revision) => run(() => snapshotAt(connections, snapshots, cluster, revision)),

    createChangeset: (changeset) => run(() => insertedChangeset(connections, changeset)),
    changeset: (cluster, id) => run(() => oneChangeset(connections, cluster, id)),
    changesets: (cluster, page) => run(() => changesetRows(connections, cluster, page)),
    activeChangeset: (cluster) => run(() => activeChangesetRow(connections, cluster)),
    updateChangeset: (id, version, change) => run(() => updatedChangeset(connections, id, version, change)),

    saveComputed: (cluster, revision, states) => run(() => saveComputedStates(connections, cluster, revision, states)),
    newestStates: (nodeIds) => run(() => newestStateRows(connections.prisma, nodeIds)),
    nodeState: (nodeId, generation) => run(() => nodeStateRow(connections.prisma, nodeId, generation)),
    progress: (cluster, nodeId) => run(() => progressRows(connections, cluster, nodeId)),
    noteHanded: (nodeId) => run(() => noteHandedState(connections, nodeId)),
    saveReport: async (nodeId, report) => {
      const progress = await reports({ nodeId, report });
      if (progress === undefined) throw portolanError('not-found', '', `there is no node with the id ${nodeId}`);
      return progress;
    },
    observed: (nodeId) => run(async () => (await observedRows(connections, [nodeId]))[0] ?? null),
    observedOf: (nodeIds) => run(() => observedRows(connections, nodeIds)),
    saveTraffic: (nodeId, reading) => run(() => saveNodeTraffic(connections, nodeId, reading)),
    traffic: (cluster, marks) => run(() => trafficRows(connections, cluster, marks)),
    drift: (cluster, filter) => run(() => driftRows(connections, cluster, filter)),
    newestDrift: (nodeIds, filter) => run(() => newestDriftRows(connections, nodeIds, filter)),
    jobs: (cluster, filter) => run(() => jobRows(connections, cluster, filter)),
    newestJobs: (nodeIds, limit) => run(() => newestJobRows(connections, nodeIds, limit)),
    job: (id) => run(() => oneJobRow(connections, id)),

    drainOutbox: (limit, publish) => run(() => publishOutbox(connections, limit, publish)),
    counts: () => run(() => storeCounts(connections)),
  };
}
