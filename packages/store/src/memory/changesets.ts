import { type Id, portolanError } from '@portolan/model';
import { activeStatuses, type Changeset, type NewChangeset } from '../changesets.js';
import type { ChangeNote, IntentStore } from '../ports.js';

export interface MemoryChangesets extends Pick<IntentStore, 'createChangeset' | 'changeset' | 'changesets' | 'activeChangeset' | 'updateChangeset'> {
  /** What the note of a commit asks for, not yet done; throws what refuses it. */
  moved(note: NonNullable<ChangeNote['changeset']>, revision: number): () => void;
  forget(cluster: Id): void;
}

export function memoryChangesets(now: () => string): MemoryChangesets {
  /** In the order of making. */
  const all = new Map<string, Changeset>();
  const activeOf = (cluster: Id): Changeset | undefined => [...all.values()].find((row) => row.clusterId === cluster && activeStatuses.has(row.status));

  function refuseSecond(row: Changeset, status: Changeset['status']): void {
    const other = activeOf(row.clusterId);
    if (activeStatuses.has(status) && other !== undefined && other.id !== row.id) {
      throw portolanError('rollout-in-progress', '', `the changeset ${other.id} of this cluster is ${other.status}`);
    }
  }

  return {
    async createChangeset(changeset: NewChangeset) {
      const at = now();
      const row: Changeset = { ...changeset, version: 1, status: 'planned', revision: null, rollout: null, createdAt: at, updatedAt: at };
      all.set(row.id, row);
      return row;
    },
    async changeset(cluster, id) {
      const row = all.get(id);
      return row?.clusterId === cluster ? row : null;
    },
    async changesets(cluster, { limit, before }) {
      const newestFirst = [...all.values()].filter((row) => row.clusterId === cluster).reverse();
      const from = before === undefined ? 0 : newestFirst.findIndex(({ id }) => id === before) + 1;
      return before !== undefined && from === 0 ? [] : newestFirst.slice(from, from + limit);
    },
    async activeChangeset(cluster) {
      const row = activeOf(cluster);
      return row === undefined ? null : { ...row, plan: { ...row.plan, nodes: [], blockers: [] } };
    },
    async updateChangeset(id, version, { status, rollout }) {
      const row = all.get(id);
      if (row === undefined || row.version !== version) return false;
      refuseSecond(row, status);
      all.set(id, { ...row, version: version + 1, status, rollout, updatedAt: now() });
      return true;
    },
    moved({ id, version, status, rollout }, revision) {
      const row = all.get(id);
      if (row === undefined || row.version !== version) throw portolanError('precondition-failed', '', `the changeset ${id} has moved meanwhile`);
      refuseSecond(row, status);
      // Only the commit that applies it gives it a revision: what takes it back is a revision of its own.
      return () => void all.set(id, { ...row, version: version + 1, status, rollout, revision: row.revision ?? revision, updatedAt: now() });
    },
    forget(cluster) {
      for (const { id, clusterId } of all.values()) if (clusterId === cluster) all.delete(id);
    },
  };
}
