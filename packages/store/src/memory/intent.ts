import { randomUUID } from 'node:crypto';
import { changesOf, diffSnapshots, emptySnapshotOf, type Id, isEmptyDifference, portolanError, type Snapshot } from '@portolan/model';
import { isLater } from '@portolan/protocol';
import { revisionNotFound } from '../history.js';
import type { CountedServers, IntentStore, JobRow, OutboxMessage, RevisionRow, TrafficRow } from '../ports.js';
import { settledRevisionOf } from '../settled.js';
import { memoryChangesets } from './changesets.js';
import { refuseConflicts } from './conflicts.js';
import { driftPage } from './drift.js';
import { addGeneration, addReport, moveRevision, type NodeHistory, newNodeHistory } from './node-history.js';

interface ClusterRecord {
  snapshot: Snapshot;
  /** Newest last. */
  readonly revisions: RevisionRow[];
  /** By revision, from 0. */
  readonly history: Snapshot[];
}

const before = (page: { readonly before?: number }, { revision }: RevisionRow): boolean => page.before === undefined || revision < page.before;

function trafficOfMarks(row: TrafficRow | undefined, marks: ReadonlySet<number>): readonly TrafficRow[] {
  const of = ({ at, servers }: CountedServers): CountedServers => ({ at, servers: servers.filter(({ mark }) => marks.has(mark)) });
  return row === undefined ? [] : [{ ...row, latest: of(row.latest), before: row.before === null ? null : of(row.before) }];
}

export interface MemoryStoreOptions {
  /** The time of day; that of the system unless given. */
  readonly now?: () => Date;
  /** Ids of jobs; random unless given. */
  readonly newId?: () => string;
}

/** Twin of the store over PostgreSQL, in memory and for one process. */
export function openMemoryStore({ now: timeOfDay = () => new Date(), newId = randomUUID }: MemoryStoreOptions = {}): IntentStore {
  const clusters = new Map<string, ClusterRecord>();
  const histories = new Map<Id, NodeHistory>();
  const traffic = new Map<Id, TrafficRow>();
  /** In the order of making. */
  const jobs = new Map<string, Id>();
  const outbox = new Map<string, OutboxMessage>();
  let outboxId = 0;
  let draining: Promise<unknown> = Promise.resolve();

  const now = (): string => timeOfDay().toISOString();
  const { moved, forget, ...changesets } = memoryChangesets(now);
  const named = (name: string): ClusterRecord => {
    const record = clusters.get(name);
    if (record === undefined) throw portolanError('not-found', '', `there is no cluster "${name}"`);
    return record;
  };
  const withId = (id: Id): ClusterRecord | undefined => [...clusters.values()].find(({ snapshot }) => snapshot.cluster.id === id);
  const withNode = (nodeId: Id): Snapshot => {
    const record = [...clusters.values()].find(({ snapshot }) => snapshot.nodes.has(nodeId));
    if (record === undefined) throw portolanError('not-found', '', `there is no node with the id ${nodeId}`);
    return record.snapshot;
  };
  const historyOf = (nodeId: Id): NodeHistory => {
    const history = histories.get(nodeId) ?? newNodeHistory(nodeId);
    histories.set(nodeId, history);
    return history;
  };
  /** Drops the jobs of a node that its history does not keep, with their messages. */
  const forgetJobs = (nodeId: Id): void => {
    const kept = new Set(histories.get(nodeId)?.jobs.map(({ id }) => id));
    for (const [id, owner] of jobs) if (owner === nodeId && !kept.has(id)) jobs.delete(id);
    for (const [id, { hint }] of outbox) if (!jobs.has(hint.jobId)) outbox.delete(id);
  };
  const forgetNode = (nodeId: Id): void => {
    histories.delete(nodeId);
    traffic.delete(nodeId);
    forgetJobs(nodeId);
  };
  const job = (id: string): JobRow | null => histories.get(jobs.get(id) ?? '')?.jobs.find((row) => row.id === id) ?? null;
  const allJobs = (): JobRow[] => [...jobs.keys()].flatMap((id) => job(id) ?? []);

  return {
    async migrate() {
      return [];
    },
    async close() {},
    async ping() {},

    async listClusters() {
      return [...clusters.values()].map(({ snapshot }) => snapshot.cluster).sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    async createCluster({ id, name, settings }) {
      if (clusters.has(name)) throw portolanError('duplicate-name', '', 'a cluster of this name exists');
      if (withId(id) !== undefined) throw portolanError('duplicate-id', '', 'a cluster with this id exists');
      const cluster = { id, name, settings, revision: 0 };
      const snapshot = emptySnapshotOf(cluster);
      clusters.set(name, { snapshot, revisions: [], history: [snapshot] });
      return cluster;
    },
    async deleteCluster(name) {
      for (const nodeId of named(name).snapshot.nodes.keys()) forgetNode(nodeId);
      forget(named(name).snapshot.cluster.id);
      clusters.delete(name);
    },
    async snapshot(cluster) {
      return named(cluster).snapshot;
    },
    async commit(cluster, { actor, summary, from = null, changeset, report }, edit) {
      const record = named(cluster);
      const was = record.snapshot;
      const latest = report === undefined ? undefined : histories.get(report.nodeId)?.progress.reportOrder;
      if (report !== undefined && latest != null && isLater(latest, report.order)) return { snapshot: was, changed: false };
      const progress = [...was.nodes.keys()].flatMap((id) => histories.get(id)?.progress ?? []);
      const edited = edit(was, settledRevisionOf(was, progress));
      const difference = diffSnapshots(was, edited);
      if (isEmptyDifference(difference)) return { snapshot: was, changed: false };
      refuseConflicts(edited);
      const revision = was.cluster.revision + 1;
      const move = changeset === undefined ? () => undefined : moved(changeset, revision);
      record.snapshot = { ...edited, cluster: { ...edited.cluster, revision } };
      record.history.push(record.snapshot);
      move();
      record.revisions.push({ revision, actor, from, summary, createdAt: now(), changes: changesOf(was, edited, difference) });
      for (const node of difference.nodes.deleted) forgetNode(node.id);
      return { snapshot: record.snapshot, changed: true };
    },
    async revisions(cluster, page) {
      return named(cluster)
        .revisions.filter((row) => before(page, row))
        .reverse()
        .slice(0, page.limit);
    },
    async snapshotAt(cluster, revision) {
      const { history, snapshot } = named(cluster);
      const past = history[revision];
      if (past === undefined) throw revisionNotFound(cluster, revision);
      return { ...past, retired: snapshot.retired };
    },
    ...changesets,

    async saveComputed(cluster, revision, states) {
      const snapshot = withId(cluster)?.snapshot;
      for (const { nodeId, hash, changed } of states) {
        const node = snapshot?.nodes.get(nodeId);
        if (snapshot === undefined || node === undefined) continue;
        const history = historyOf(nodeId);
        if (history.progress.computedRevision > revision) continue;
        // Another control plane has saved another state than this one was compared with.
        if (changed === undefined && hash !== undefined && hash !== history.progress.stateHash) continue;
        if (changed === undefined || changed.state.hash === history.progress.stateHash) {
          moveRevision(history, revision);
          continue;
        }
        const { id, generation } = addGeneration(history, newId(), revision, changed.state, changed.plan, now());
        jobs.set(id, nodeId);
        forgetJobs(nodeId);
        outboxId++;
        const { delta } = changed;
        const hint = { jobId: id, generation, revision, nodeId, ...(delta === undefined ? {} : { delta }) };
        outbox.set(String(outboxId), { id: String(outboxId), cluster: snapshot.cluster.name, node: node.name, hint });
      }
    },
    async nodeState(nodeId, generation) {
      const states = histories.get(nodeId)?.states ?? [];
      return (generation === undefined ? states.at(-1) : states.find((row) => row.generation === generation)) ?? null;
    },
    async newestStates(nodeIds) {
      return [...new Set(nodeIds)].flatMap((id) => histories.get(id)?.states.at(-1) ?? []);
    },
    async progress(cluster, nodeId) {
      const nodes = [...(withId(cluster)?.snapshot.nodes.keys() ?? [])].sort();
      return nodes.filter((id) => nodeId === undefined || id === nodeId).flatMap((id) => histories.get(id)?.progress ?? []);
    },
    async noteHanded(nodeId) {
      const snapshot = withNode(nodeId);
      const history = historyOf(nodeId);
      const handedRevision = history.progress.handedRevision ?? snapshot.cluster.revision;
      history.progress = { ...history.progress, handedRevision };
      return handedRevision;
    },
    async saveReport(nodeId, report) {
      withNode(nodeId);
      return addReport(historyOf(nodeId), report, now());
    },
    async observed(nodeId) {
      return histories.get(nodeId)?.observed ?? null;
    },
    async observedOf(nodeIds) {
      return [...new Set(nodeIds)].flatMap((id) => histories.get(id)?.observed ?? []);
    },
    async saveTraffic(nodeId, { at, servers }) {
      withNode(nodeId);
      traffic.set(nodeId, { nodeId, latest: { at: new Date(at).toISOString(), servers }, before: traffic.get(nodeId)?.latest ?? null });
    },
    async traffic(cluster, marks) {
      const nodes = [...(withId(cluster)?.snapshot.nodes.keys() ?? [])].sort();
      return nodes.flatMap((id) => trafficOfMarks(traffic.get(id), new Set(marks)));
    },
    async drift(cluster, filter) {
      const nodes = [...(withId(cluster)?.snapshot.nodes.keys() ?? [])];
      return driftPage(
        nodes.flatMap((id) => histories.get(id)?.drift ?? []),
        filter,
      );
    },
    async newestDrift(nodeIds, { outcome, limit }) {
      const newest = [...new Set(nodeIds)].flatMap((nodeId) =>
        driftPage(histories.get(nodeId)?.drift ?? [], { nodeId, limit, ...(outcome !== undefined && { outcome }) }),
      );
      return driftPage(newest, { limit: newest.length });
    },
    async jobs(cluster, filter) {
      const nodes = withId(cluster)?.snapshot.nodes;
      const newestFirst = allJobs().reverse();
      const from = filter.before === undefined ? 0 : newestFirst.findIndex(({ id }) => id === filter.before) + 1;
      if (filter.before !== undefined && from === 0) return [];
      return newestFirst
        .slice(from)
        .filter((row) => nodes?.has(row.nodeId) && (filter.nodeId ?? row.nodeId) === row.nodeId && (filter.status ?? row.status) === row.status)
        .slice(0, filter.limit);
    },
    async newestJobs(nodeIds, limit) {
      const wanted = new Set([...new Set(nodeIds)].flatMap((nodeId) => histories.get(nodeId)?.jobs.toReversed().slice(0, limit) ?? []).map(({ id }) => id));
      return allJobs()
        .filter(({ id }) => wanted.has(id))
        .reverse();
    },
    async job(id) {
      return job(id);
    },

    async drainOutbox(limit, publish) {
      // One at a time, as rows that are locked are skipped by the others.
      const turn = draining.then(async () => {
        const messages = [...outbox.values()].slice(0, limit);
        if (messages.length === 0) return 0;
        await publish(messages);
        for (const { id } of messages) outbox.delete(id);
        return messages.length;
      });
      draining = turn.catch(() => undefined);
      return turn;
    },
    async counts() {
      const counts = { queued: 0, applied: 0, failed: 0, superseded: 0 };
      for (const { status } of allJobs()) counts[status]++;
      return { outbox: outbox.size, jobs: counts };
    },
  };
}
