import type { Id, Snapshot } from '@portolan/model';

/** The snapshot with every node up and every namespace there; no endpoint was probed. */
export function seenWhole(snapshot: Snapshot): Snapshot {
  return {
    ...snapshot,
    nodes: eachOf(snapshot.nodes, (node) => ({ ...node, condition: 'up', underlayMtu: 1500 })),
    endpoints: eachOf(snapshot.endpoints, (endpoint) => ({ ...endpoint, presence: 'present' })),
  };
}

/** The map with each of its values changed. */
export function eachOf<T>(nouns: ReadonlyMap<Id, T>, change: (noun: T) => T): ReadonlyMap<Id, T> {
  return new Map([...nouns].map(([id, noun]) => [id, change(noun)]));
}
