import { findNoun, type NounSpecs, type Nouns, specOf } from '@portolan/intent';
import { type Endpoint, type Id, type NounKind, nounCollections, portolanError, type Snapshot } from '@portolan/model';

/** An object as every door shows it: its identity and version, and its spec with every value filled in. */
export type Representation<K extends NounKind> = NounSpecs[K] & { readonly id: Id; readonly version: number; readonly presence?: Endpoint['presence'] };

export function representationOf<K extends NounKind>(snapshot: Snapshot, kind: K, noun: Nouns[K]): Representation<K> {
  return { ...specOf(snapshot, kind, noun), id: noun.id, version: noun.version, ...('presence' in noun ? { presence: noun.presence } : {}) };
}

/** Throws `not-found`. */
export function objectNamed<K extends NounKind>(snapshot: Snapshot, kind: K, name: string): Nouns[K] {
  const noun = findNoun(snapshot, kind, name);
  if (noun === undefined) throw portolanError('not-found', '', `cluster ${snapshot.cluster.name} has no ${kind} ${name}`);
  return noun;
}

/** Names; `name` is a prefix. What does not exist matches nothing. */
export interface ObjectFilter {
  readonly name?: string;
  readonly node?: string;
  readonly network?: string;
  readonly service?: string;
}

/** The objects of a kind that match, by name. */
export function objectsOf<K extends NounKind>(snapshot: Snapshot, kind: K, filter: ObjectFilter = {}): readonly Nouns[K][] {
  const nouns = snapshot[nounCollections[kind]] as ReadonlyMap<Id, Nouns[K]>;
  const [first, ...others] = relationsOf(snapshot, kind, filter);
  const prefix = filter.name ?? '';
  if (first === undefined) return prefix === '' ? sortedByName(nouns) : sortedByName(nouns).filter((noun) => noun.name.startsWith(prefix));
  return [...first]
    .filter((id) => others.every((ids) => ids.has(id)))
    .map((id) => nouns.get(id))
    .filter((noun) => noun?.name.startsWith(prefix) === true)
    .filter((noun) => noun !== undefined)
    .sort(byName);
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Send it as `cursor` for the next page; null on the last. */
  readonly nextCursor: string | null;
}

/** One page of a list that is sorted by name; the cursor is the name of the last object of the page before. */
export function pageOf<T extends { readonly name: string }>(sorted: readonly T[], limit: number, cursor?: string): Page<T> {
  const start = cursor === undefined ? 0 : firstBeyond(sorted, cursor);
  const items = sorted.slice(start, start + limit);
  const last = items.at(-1);
  return { items, nextCursor: last !== undefined && start + limit < sorted.length ? last.name : null };
}

function firstBeyond(sorted: readonly { readonly name: string }[], name: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]?.name ?? '') <= name) low = middle + 1;
    else high = middle;
  }
  return low;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

// A snapshot shares the maps that an edit did not touch, so a list stays sorted over many revisions.
const sortedLists = new WeakMap<object, readonly { readonly name: string }[]>();

function sortedByName<T extends { readonly name: string }>(nouns: ReadonlyMap<Id, T>): readonly T[] {
  const known = sortedLists.get(nouns);
  if (known !== undefined) return known as readonly T[];
  const sorted = [...nouns.values()].sort(byName);
  sortedLists.set(nouns, sorted);
  return sorted;
}

/** For each named relation the ids of the objects of `kind` that are in it. */
function relationsOf(snapshot: Snapshot, kind: NounKind, filter: ObjectFilter): readonly ReadonlySet<Id>[] {
  return (['node', 'network', 'service'] as const).flatMap((by) => {
    const name = filter[by];
    return name === undefined ? [] : [relatedIds(snapshot, kind, by, name)];
  });
}

function relatedIds(snapshot: Snapshot, kind: NounKind, by: NounKind, name: string): ReadonlySet<Id> {
  const origin = findNoun(snapshot, by, name);
  if (origin === undefined) return new Set();
  return kind === by ? new Set([origin.id]) : (linksOf(snapshot).get(origin.id)?.[kind] ?? new Set());
}

type Links = Readonly<Record<NounKind, Set<Id>>>;

const linksOfSnapshots = new WeakMap<Snapshot, ReadonlyMap<Id, Links>>();

/** Which objects each object has to do with, both ways. */
function linksOf(snapshot: Snapshot): ReadonlyMap<Id, Links> {
  const known = linksOfSnapshots.get(snapshot);
  if (known !== undefined) return known;
  const links = new Map<Id, Links>();
  const of = (id: Id): Links => {
    const own = links.get(id) ?? { node: new Set(), network: new Set(), service: new Set(), endpoint: new Set() };
    links.set(id, own);
    return own;
  };
  const tie = (kind: NounKind, id: Id, otherKind: NounKind, otherId: Id): void => {
    of(id)[otherKind].add(otherId);
    of(otherId)[kind].add(id);
  };
  for (const node of snapshot.nodes.values()) for (const { networkId } of node.loadBalancers) tie('node', node.id, 'network', networkId);
  for (const service of snapshot.services.values()) for (const { networkId } of service.vips) tie('service', service.id, 'network', networkId);
  for (const endpoint of snapshot.endpoints.values()) {
    tie('endpoint', endpoint.id, 'node', endpoint.nodeId);
    tie('endpoint', endpoint.id, 'service', endpoint.serviceId);
    tie('service', endpoint.serviceId, 'node', endpoint.nodeId);
    for (const { networkId } of endpoint.addresses) tie('endpoint', endpoint.id, 'network', networkId);
  }
  linksOfSnapshots.set(snapshot, links);
  return links;
}
