import { portolanError, type Snapshot } from '@portolan/model';
import type { Connections } from './connections.js';
import { gathered } from './gathered.js';
import { loadSnapshot } from './load.js';

/** Snapshots by the name of their cluster. They are immutable, so every reader gets the same one. */
export interface Snapshots {
  /** The newest. One question for the revision, and a load only when it has moved. Fails with `not-found`. */
  current(cluster: string): Promise<Snapshot>;
  /** The one in memory when it is of this identity and revision. */
  remembered(cluster: string, id: string, revision: number): Snapshot | undefined;
  /** Keeps what is newer than what is there. */
  remember(snapshot: Snapshot): void;
  forget(cluster: string): void;
}

export function clusterNotFound(name: string): Error {
  return portolanError('not-found', '', `there is no cluster "${name}"`);
}

interface ClusterRow {
  readonly id: string;
  readonly name: string;
  readonly revision: number;
}

export function openSnapshots({ prisma, lookUp }: Connections): Snapshots {
  const snapshots = new Map<string, Snapshot>();
  // Readers that come while a load is under way wait for it instead of loading the same again.
  const loads = new Map<string, Promise<Snapshot>>();

  // A hundred agents ask within a moment. Each is answered by a question that was put after it asked, so everybody sees what was committed before.
  const revisionOf = gathered({
    together: async (names: readonly string[]) => {
      const rows = await lookUp<ClusterRow>('SELECT id, name, revision FROM clusters WHERE name = ANY($1::text[])', [[...new Set(names)]]);
      const byName = new Map(rows.map((row) => [row.name, row]));
      return names.map((name) => byName.get(name));
    },
    most: Number.POSITIVE_INFINITY,
  });

  const remember = (snapshot: Snapshot): void => {
    const { id, name, revision } = snapshot.cluster;
    const known = snapshots.get(name)?.cluster;
    if (known === undefined || known.id !== id || known.revision < revision) snapshots.set(name, snapshot);
  };
  const remembered = (name: string, id: string, revision: number): Snapshot | undefined => {
    const snapshot = snapshots.get(name);
    return snapshot?.cluster.id === id && snapshot.cluster.revision === revision ? snapshot : undefined;
  };
  const load = async (name: string): Promise<Snapshot> => {
    const snapshot = await loadSnapshot(prisma, name);
    if (snapshot === undefined) throw clusterNotFound(name);
    remember(snapshot);
    return remembered(name, snapshot.cluster.id, snapshot.cluster.revision) ?? snapshot;
  };

  return {
    remembered,
    remember,
    forget: (name) => void snapshots.delete(name),
    async current(name) {
      const row = await revisionOf(name);
      if (row === undefined) throw clusterNotFound(name);
      const known = remembered(name, row.id, row.revision);
      if (known !== undefined) return known;
      // A load of before may have read an older revision than the one just seen.
      const key = `${row.id} ${row.revision}`;
      const underway = loads.get(key) ?? load(name).finally(() => loads.delete(key));
      loads.set(key, underway);
      return underway;
    },
  };
}
