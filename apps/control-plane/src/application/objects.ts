import { findNoun, type Nouns } from '@portolan/intent';
import { type Id, type NounKind, nounCollections, portolanError, type Snapshot } from '@portolan/model';

/** Throws `not-found`. */
export function objectNamed<K extends NounKind>(snapshot: Snapshot, kind: K, name: string): Nouns[K] {
  const noun = findNoun(snapshot, kind, name);
  if (noun === undefined) throw portolanError('not-found', '', `cluster ${snapshot.cluster.name} has no ${kind} ${name}`);
  return noun;
}

/** Throws `precondition-failed` when a change is guarded by another revision. */
export function atRevision(snapshot: Snapshot, revision: number | undefined): Snapshot {
  if (revision === undefined || revision === snapshot.cluster.revision) return snapshot;
  throw portolanError('precondition-failed', '', `the cluster is at revision ${snapshot.cluster.revision}, not ${revision}`);
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
    if (name === undefined) return [];
    const origin = findNoun(snapshot, by, name);
    return [new Set(origin === undefined ? [] : kind === by ? [origin.id] : relatedIds(snapshot, kind, by, origin.id))];
  });
}

function relatedIds(snapshot: Snapshot, kind: NounKind, by: 'node' | 'network' | 'service', id: Id): readonly Id[] {
  const { nodes, services, endpoints } = snapshot;
  switch (`${kind} by ${by}` as const) {
    case 'endpoint by node':
      return idsOf(grouped(endpoints, by, ({ nodeId }) => [nodeId]).get(id));
    case 'endpoint by service':
      return idsOf(grouped(endpoints, by, keysOfService).get(id));
    case 'endpoint by network':
      return idsOf(grouped(endpoints, by, ({ addresses }) => networkIds(addresses)).get(id));
    case 'service by node':
      return (grouped(endpoints, 'node', ({ nodeId }) => [nodeId]).get(id) ?? []).flatMap(keysOfService);
    case 'node by service':
      return (grouped(endpoints, 'service', keysOfService).get(id) ?? []).map(({ nodeId }) => nodeId);
    case 'service by network':
      return idsOf(grouped(services, by, (service) => networkIds(service.networks)).get(id));
    case 'node by network':
      return idsOf(grouped(nodes, by, ({ loadBalancers }) => networkIds(loadBalancers)).get(id));
    case 'network by service':
      return networkIds(services.get(id)?.networks ?? []);
    case 'network by node':
      return networkIds(nodes.get(id)?.loadBalancers ?? []);
    default:
      return [];
  }
}

function keysOfService({ serviceId }: { readonly serviceId: Id | null }): readonly Id[] {
  return serviceId === null ? [] : [serviceId];
}

function idsOf(nouns: readonly { readonly id: Id }[] = []): readonly Id[] {
  return nouns.map(({ id }) => id);
}

function networkIds(held: readonly { readonly networkId: Id }[]): readonly Id[] {
  return held.map(({ networkId }) => networkId);
}

const groupsOfMaps = new WeakMap<object, Map<string, ReadonlyMap<Id, readonly unknown[]>>>();

/** The objects by each id that `keysOf` gives. Made once for a map of a snapshot, which later snapshots share. */
function grouped<T>(nouns: ReadonlyMap<Id, T>, by: string, keysOf: (noun: T) => readonly Id[]): ReadonlyMap<Id, readonly T[]> {
  const groups = groupsOfMaps.get(nouns) ?? new Map<string, ReadonlyMap<Id, readonly unknown[]>>();
  groupsOfMaps.set(nouns, groups);
  const known = groups.get(by);
  if (known !== undefined) return known as ReadonlyMap<Id, readonly T[]>;
  const made = new Map<Id, T[]>();
  for (const noun of nouns.values()) {
    for (const key of keysOf(noun)) {
      const group = made.get(key);
      if (group === undefined) made.set(key, [noun]);
      else group.push(noun);
    }
  }
  groups.set(by, made);
  return made;
}
