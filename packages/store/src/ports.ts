import type { RegistryEntry, RegistryView } from '@portolan/flannel';
import type { Change, Cluster, ClusterSettings, Id, Snapshot } from '@portolan/model';
import type { NodeState, ObservedObject, StateDelta } from '@portolan/node-state';
import type { Plan } from '@portolan/plan';
import type { Drift, Liveness, Report, ReportOrder, ServerTraffic, Signals, SyncHint, TrafficReading } from '@portolan/protocol';
import type { Changeset, ChangesetStatus, NewChangeset, Rollout } from './changesets.js';

/** Who changed what, for the audit trail. */
export interface ChangeNote {
  /** 'rest', 'graphql', 'agent:NODE' … */
  readonly actor: string;
  /** What was done, for people: "apply manifest", "delete endpoint web.1". */
  readonly summary: string;
  /** Address that the request came from; left out where nobody asked. */
  readonly from?: string | undefined;
  /**
   * Moves a changeset in the same transaction, and writes the new revision into it. Fails with `precondition-failed` when it is no longer of
   * that version, and with `rollout-in-progress` when another one is under way.
   */
  readonly changeset?: { readonly id: string; readonly version: number; readonly status: ChangesetStatus; readonly rollout: Rollout | null } | undefined;
  /** The report that the change follows from: nothing is changed when a later one of the node was saved. */
  readonly report?: { readonly nodeId: Id; readonly order: ReportOrder } | undefined;
}

export interface Committed {
  readonly snapshot: Snapshot;
  /** False when the edit changed nothing: no revision was made. */
  readonly changed: boolean;
}

export interface RevisionRow {
  readonly revision: number;
  readonly actor: string;
  /** Address that the request came from; null where nobody asked. */
  readonly from: string | null;
  readonly summary: string;
  readonly createdAt: string;
  /** What was created, changed and deleted (`changesOf` of the model). */
  readonly changes: readonly Change[];
}

export interface NodeStateRow {
  readonly nodeId: Id;
  readonly generation: number;
  /** Revision that first gave this state. */
  readonly revision: number;
  readonly state: NodeState;
  readonly createdAt: string;
}

/** Progress of one node. The three integers of which everything else follows. */
export interface NodeProgress {
  readonly nodeId: Id;
  readonly generation: number;
  /** Hash of the newest computed state. */
  readonly stateHash: string;
  /** Newest revision whose state for this node is computed. */
  readonly computedRevision: number;
  /** Newest revision that the node has applied. */
  readonly appliedRevision: number;
  readonly lastReportAt: string | null;
  /** Of the latest report that had one; null before. */
  readonly reportOrder: ReportOrder | null;
  /** Revision of the cluster when the node was about to be given its first state; null before. Its state is none of before that. */
  readonly handedRevision: number | null;
  readonly lastStatus: 'applied' | 'failed' | null;
  readonly lastErrors: Report['errors'];
  /** Reports with status failed since the last applied one, and the time of the first of them; 0 and null when there is none. */
  readonly failures: number;
  readonly failingSince: string | null;
  /** Keys that wait for an absent namespace, by the last report. */
  readonly lastWaiting: Report['waiting'];
  /** Kernel, tools and versions, by the last report; {} before the first. */
  readonly facts: Report['facts'];
  /** Of the observed objects that are held (`observed`); null where there are none. */
  readonly observedHash: string | null;
  /** By the last report; `noSignals` before the first. */
  readonly signals: Signals;
}

/** How much is under way, over all clusters. */
export interface StoreCounts {
  /** Outbox messages that are not yet published. */
  readonly outbox: number;
  readonly jobs: Readonly<Record<JobRow['status'], number>>;
}

export interface JobRow {
  readonly id: string;
  readonly nodeId: Id;
  readonly generation: number;
  readonly revision: number;
  /** queued: committed, maybe not yet in Redis; superseded: a newer generation was applied instead. */
  readonly status: 'queued' | 'applied' | 'failed' | 'superseded';
  readonly plan: Plan;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  /** The last report that named this job. */
  readonly report: Report | null;
}

/** One time that something of ours was not as it was applied. */
export interface DriftRow extends Drift {
  readonly nodeId: Id;
  /** Changes with each report in which it is open. */
  readonly seenAt: string;
  /** repaired by the agent, or gone: it is no longer there, or no longer wanted. */
  readonly outcome: 'open' | 'repaired' | 'gone';
  readonly endedAt: string | null;
}

export interface DriftFilter {
  readonly nodeId?: Id;
  readonly outcome?: DriftRow['outcome'];
  readonly limit: number;
  /** Of the row that was last in the page before. */
  readonly before?: Pick<DriftRow, 'since' | 'nodeId' | 'key'>;
}

export interface ObservedRow {
  readonly nodeId: Id;
  readonly hash: string;
  readonly objects: readonly ObservedObject[];
  readonly foreign: Report['observed']['foreign'];
  readonly observedAt: string;
}

/** What IPVS of a node had counted at a time, by the clock of its agent. */
export interface CountedServers {
  readonly at: string;
  /** Those that had counted nothing are left out. */
  readonly servers: readonly ServerTraffic[];
}

export interface TrafficRow {
  readonly nodeId: Id;
  /** By the newest reading, and by the one before; null where there is only one. */
  readonly latest: CountedServers;
  readonly before: CountedServers | null;
}

/** What compute made for one node out of one revision. */
export interface ComputedState {
  readonly nodeId: Id;
  /**
   * Of the state. Without `changed` it must still be that of the node's newest state when it is saved; where another control plane has saved a
   * state meanwhile, the node stays behind and is computed again. Left out: it is not looked at.
   */
  readonly hash?: string | undefined;
  /** Missing when the hash equals the node's newest state: only computedRevision moves. */
  readonly changed?: {
    readonly state: NodeState;
    readonly plan: Plan;
    /** From the state before, where it is small enough to go with the job. */
    readonly delta?: StateDelta | undefined;
  };
}

export interface OutboxMessage {
  readonly id: string;
  readonly cluster: string;
  readonly node: string;
  readonly hint: SyncHint;
}

/**
 * The truth. Every method fails with `store-unavailable` when the database cannot be reached, and then nothing
 * was changed.
 */
export interface IntentStore {
  /** Brings the schema up to date; safe when several control planes start at once. Returns the migrations applied. */
  migrate(): Promise<readonly string[]>;
  close(): Promise<void>;
  ping(): Promise<void>;

  listClusters(): Promise<readonly Cluster[]>;
  /** Fails with `duplicate-name`. */
  createCluster(cluster: { readonly id: Id; readonly name: string; readonly settings: ClusterSettings }): Promise<Cluster>;
  /** Deletes a cluster and all that belongs to it. Fails with `not-found`. */
  deleteCluster(name: string): Promise<void>;
  /** The newest snapshot; answers from memory when the revision has not moved. Fails with `not-found`. */
  snapshot(cluster: string): Promise<Snapshot>;
  /**
   * The only way to change intent. Serialised for each cluster (row lock), so `edit` sees the newest snapshot; it is
   * pure and may run again after a serialisation conflict. `settledRevision` is the least settled revision (`settledRevisionOf`) of the nodes, and
   * the cluster's revision when there are none: what was given up till then is held by nobody. Writes exactly the difference, the revision, the audit
   * rows; all or nothing. What `edit` throws is passed on and nothing is written. The database's own constraints
   * answer with the codes of the model (`address-taken`, `vni-taken`, `mark-taken`, `port-taken`, `duplicate-name`,
   * `subnet-overlap`) even where the edit did not see it.
   */
  commit(cluster: string, note: ChangeNote, edit: (snapshot: Snapshot, settledRevision: number) => Snapshot): Promise<Committed>;
  revisions(cluster: string, page: { readonly limit: number; readonly before?: number }): Promise<readonly RevisionRow[]>;
  /**
   * The snapshot as it was at a revision, by the images of what was changed since; `retired` is that of today. Fails with `not-found` for a
   * revision that never was, and with `history-missing` for one of which the images are not kept.
   */
  snapshotAt(cluster: string, revision: number): Promise<Snapshot>;

  createChangeset(changeset: NewChangeset): Promise<Changeset>;
  changeset(cluster: Id, id: string): Promise<Changeset | null>;
  /** Newest first; `before` is the id of the last of the page before. */
  changesets(cluster: Id, page: { readonly limit: number; readonly before?: string }): Promise<readonly Changeset[]>;
  /** The one that is rolling, paused or waits for its confirmation; there is one at most in a cluster. Its plan is asked for often and may be large: it has the changes only. */
  activeChangeset(cluster: Id): Promise<Changeset | null>;
  /** Compare-and-set: false when it is no longer of that version. */
  updateChangeset(id: string, version: number, change: { readonly status: ChangesetStatus; readonly rollout: Rollout | null }): Promise<boolean>;

  /**
   * Saves what was computed from `revision`, with a job and an outbox message for each changed node, in one transaction. Older
   * revisions than a node's computedRevision are ignored for that node, nodes that are gone too. Where the state did not change and
   * the last report says that it is applied, appliedRevision moves along: the node will not report again.
   */
  saveComputed(cluster: Id, revision: number, states: readonly ComputedState[]): Promise<void>;
  nodeState(nodeId: Id, generation?: number): Promise<NodeStateRow | null>;
  /** The newest of each of these nodes that has one, in no order. */
  newestStates(nodeIds: readonly Id[]): Promise<readonly NodeStateRow[]>;
  /** Progress of every node of the cluster that has any, or of one node alone. */
  progress(cluster: Id, nodeId?: Id): Promise<readonly NodeProgress[]>;
  /**
   * The node is about to be given its first state: it may hold from now on what is given up from now on, also before it reports. Answers with the revision
   * of the cluster at this moment, or when it was first noted. What was given up till then may be somebody else's, so the node must not be given a state that
   * is older. One after the other with commits. Fails with `not-found`.
   */
  noteHanded(nodeId: Id): Promise<number>;
  /**
   * Stores a report with its drift, and closes its jobs. One that is not later than the latest one of the node changes nothing; the answer has the order of that. An applied one moves appliedRevision: to computedRevision when its hash is that of the
   * newest state, else to the revision that first gave its generation; never back. Fails with `not-found`.
   */
  saveReport(nodeId: Id, report: Report): Promise<NodeProgress>;
  observed(nodeId: Id): Promise<ObservedRow | null>;
  /** The same of many nodes, in no order; those that have never reported have none. */
  observedOf(nodeIds: readonly Id[]): Promise<readonly ObservedRow[]>;
  /** The newest reading of a node, in place of the one before the last: whoever comes later counts. No revision and no progress moves. Fails with `not-found`. */
  saveTraffic(nodeId: Id, reading: Pick<TrafficReading, 'at' | 'servers'>): Promise<void>;
  /** The readings of all nodes of a cluster, of virtual servers with these marks only, in no order; by node. */
  traffic(cluster: Id, marks: readonly number[]): Promise<readonly TrafficRow[]>;
  /** Newest first, by `since`. A node keeps its open rows and the newest thousand others. */
  drift(cluster: Id, filter: DriftFilter): Promise<readonly DriftRow[]>;
  /** The newest `limit` of each node; newest first. */
  newestDrift(nodeIds: readonly Id[], filter: Pick<DriftFilter, 'outcome' | 'limit'>): Promise<readonly DriftRow[]>;
  jobs(
    cluster: Id,
    filter: { readonly nodeId?: Id; readonly status?: JobRow['status']; readonly limit: number; readonly before?: string },
  ): Promise<readonly JobRow[]>;
  /** The newest `limit` of each node; newest first. */
  newestJobs(nodeIds: readonly Id[], limit: number): Promise<readonly JobRow[]>;
  job(id: string): Promise<JobRow | null>;

  /** Hands unpublished messages to `publish`, oldest first, and marks them published when it returns. At least once. */
  drainOutbox(limit: number, publish: (messages: readonly OutboxMessage[]) => Promise<void>): Promise<number>;
  /** For metrics. */
  counts(): Promise<StoreCounts>;
}

/** Where an adapter says that its server went away and came back: once each, not once a failed call. pino fits. */
export interface StoreLog {
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

/** Jobs on their way to agents. Losing all of it costs latency only. */
export interface HintQueue {
  /**
   * Leaves at most one waiting hint a node: the newest. A queue of a node that never comes back stays that short. Fails with
   * `store-unavailable` within 3 s; then some of the messages may have arrived, and all may be published again.
   */
  publish(messages: readonly OutboxMessage[]): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** The agent's end of its queue. */
export interface HintSource {
  /** Calls `take` for each hint; a rejected promise makes the queue try again with back-off. */
  start(take: (hint: SyncHint) => Promise<void>): void;
  close(): Promise<void>;
}

/**
 * What both ends need of etcd. `publishRevision` and `ping` have a deadline of 3 s and fail with `store-unavailable`. The three
 * that last (watchRevision, watchAlive, keepAlive) do not fail in an outage: they resolve after the first attempt, go on
 * trying, and are ended by the function that they return or by `close`.
 */
export interface Coordination {
  /** Never moves the revision backwards: an older one than is published changes nothing. */
  publishRevision(cluster: string, revision: number): Promise<void>;
  /** Calls `onRevision` with the current value and then with newer ones; of several in quick succession some may be skipped, the newest never. Survives restarts and compaction of etcd. */
  watchRevision(cluster: string, onRevision: (revision: number) => void): Promise<() => Promise<void>>;
  /**
   * Keeps the node's liveness key while the process lives; takes a new lease by itself when one was lost. Of two holders of the
   * same node the one with the later `startedAt` has the key.
   */
  keepAlive(cluster: string, node: string, liveness: Liveness): Promise<() => Promise<void>>;
  /** Calls `onChange` with all live nodes, first with the present ones; survives restarts and compaction of etcd. */
  watchAlive(cluster: string, onChange: (alive: ReadonlyMap<string, Liveness>) => void): Promise<() => Promise<void>>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Seconds that a subnet is held unless it is renewed, as flannel has it. */
export const FLANNEL_TTL_SECONDS = 86_400;

/**
 * flannel's registry in etcd. All but `watch` have a deadline of 3 s (`renew` for each 500 leases, `remaining` for each lease) and fail
 * with `store-unavailable`; a write may have happened even then. Writes are compare-and-set: they answer false, and have changed nothing and left no lease behind, where the entry is no longer as `seen` says.
 */
export interface FlannelRegistry {
  read(prefix: string): Promise<RegistryView>;
  /**
   * Calls `onView` with the present state and with each newer one; undefined while etcd does not answer. It goes on by itself
   * after an outage or a compaction, from a new list. Resolves after the first attempt with what ends it.
   */
  watch(prefix: string, onView: (view: RegistryView | undefined) => void): Promise<() => Promise<void>>;
  /** `value` null removes it; `seen` is its modRevision, null: it must not be there. */
  writeConfig(prefix: string, value: string | null, seen: string | null): Promise<boolean>;
  /** Writes an entry: with a new lease of `FLANNEL_TTL_SECONDS`, or for good. The lease that it had is revoked when nothing else goes with it. */
  write(prefix: string, entry: { readonly key: string; readonly value: string; readonly reserved: boolean }, seen: RegistryEntry | null): Promise<boolean>;
  /** Removes an entry, and revokes its lease when nothing else goes with it. */
  remove(prefix: string, seen: RegistryEntry): Promise<boolean>;
  /** Renews leases for another TTL without writing the entries. Answers with the leases that are gone. */
  renew(leaseIds: readonly string[]): Promise<readonly string[]>;
  /** Seconds that each lease has left; those that are gone are missing. */
  remaining(leaseIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
  close(): Promise<void>;
}
