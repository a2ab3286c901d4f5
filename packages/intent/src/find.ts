import { ledgerOf } from '@portolan/ipam';
import { type Id, type NounKind, nounCollections, portolanError, type Snapshot } from '@portolan/model';
import type { Nouns } from './types.js';

const collections: { readonly [K in NounKind]: (snapshot: Snapshot) => ReadonlyMap<Id, Nouns[K]> } = {
  node: (snapshot) => snapshot[nounCollections.node],
  network: (snapshot) => snapshot[nounCollections.network],
  service: (snapshot) => snapshot[nounCollections.service],
  endpoint: (snapshot) => snapshot[nounCollections.endpoint],
};

/** All objects of a kind, by id. */
export function nounsOf<K extends NounKind>(snapshot: Snapshot, kind: K): ReadonlyMap<Id, Nouns[K]> {
  return collections[kind](snapshot);
}

/** The object of that name, found without a walk through the snapshot. */
export function findNoun<K extends NounKind>(snapshot: Snapshot, kind: K, name: string): Nouns[K] | undefined {
  const id = ledgerOf(snapshot).idOf(kind, name);
  return id === undefined ? undefined : nounsOf(snapshot, kind).get(id);
}

/** The object of that name. Throws `not-found`, and `precondition-failed` unless `version`, where it is given, is the object's. */
export function existingNoun<K extends NounKind>(snapshot: Snapshot, kind: K, name: string, version?: number): Nouns[K] {
  const noun = findNoun(snapshot, kind, name);
  if (noun === undefined) throw portolanError('not-found', '', `there is no ${kind} "${name}"`);
  if (version !== undefined && version !== noun.version) {
    throw portolanError('precondition-failed', '', `the ${kind} "${name}" has version ${noun.version}, not ${version}`);
  }
  return noun;
}
