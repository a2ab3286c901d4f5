import type { Id, Snapshot } from '@portolan/model';

/** Of all hosts: their addresses are in it. */
const UNDERLAY = '172.16.0.0/16';

/** The snapshot with every node up and every namespace there, as agents report it; no endpoint was probed. */
export function seenWhole(snapshot: Snapshot): Snapshot {
  return {
    ...snapshot,
    nodes: eachOf(snapshot.nodes, (node) => ({ ...node, condition: 'up', underlayMtu: 1500, underlayLink: 'eth0', onLink: [UNDERLAY] })),
    endpoints: eachOf(snapshot.endpoints, (endpoint) => ({ ...endpoint, presence: 'present' })),
  };
}

/** The map with each of its values changed. */
export function eachOf<T>(nouns: ReadonlyMap<Id, T>, change: (noun: T) => T): ReadonlyMap<Id, T> {
  return new Map([...nouns].map(([id, noun]) => [id, change(noun)]));
}
