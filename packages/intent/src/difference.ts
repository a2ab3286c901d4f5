import { type Change, type FlannelSpec, type NounKind, nounKinds, type Snapshot } from '@portolan/model';
import { nounsOf } from './find.js';
import { flannelSpecOf } from './flannel.js';
import { isNamed } from './manifest.js';
import { pointerTo } from './problems.js';
import { isGone } from './resolve-flannel.js';
import { specOf } from './specs.js';
import type { NounSpecs } from './types.js';

export interface ObjectDifference extends Change {
  /** Of an object that comes or goes: each of its fields but the name. */
  readonly fields: readonly FieldDifference[];
}

export interface FieldDifference {
  /** JSON pointer in the spec: in that of after, of what is gone in that of before. */
  readonly path: string;
  /** null where it was not there. */
  readonly before: unknown;
  /** null where it is not there any more. */
  readonly after: unknown;
}

/**
 * What people would have to write otherwise: the specs that differ, field by field. By name: an object that was deleted and made anew is one that
 * changed. What was observed is in no spec, and an endpoint that leaves is gone. Members of lists are told apart by what identifies them (network,
 * subnet, published port), not by their place.
 */
export function snapshotDifference(before: Snapshot, after: Snapshot): readonly ObjectDifference[] {
  if (before === after) return [];
  const { name, settings } = after.cluster;
  const changed = fieldsOf(before.cluster.settings, settings, '');
  const [was, is] = [flannelIn(before), flannelIn(after)];
  return [
    ...(changed.length === 0 ? [] : [{ action: 'change' as const, kind: 'cluster' as const, name, fields: changed }]),
    ...differenceOf('flannel', is?.network ?? was?.network ?? name, was, is),
    ...nounKinds.flatMap((kind) => {
      const [own, now] = [specsIn(before, kind, after), specsIn(after, kind, before)];
      return [...new Set([...own.keys(), ...now.keys()])].sort().flatMap((each) => differenceOf(kind, each, own.get(each), now.get(each)));
    }),
  ];
}

function flannelIn({ flannel, nodes }: Snapshot): FlannelSpec | undefined {
  return isGone(flannel) ? undefined : flannelSpecOf(flannel, nodes);
}

/** The specs, by name, of what is not the very same object in the other snapshot: what a spec says follows from its object, for names do not change. */
function specsIn<K extends NounKind>(snapshot: Snapshot, kind: K, other: Snapshot): ReadonlyMap<string, NounSpecs[K]> {
  const others = nounsOf(other, kind);
  return new Map(
    [...nounsOf(snapshot, kind)].flatMap(([id, noun]) =>
      others.get(id) === noun || !isNamed(noun) ? [] : [[noun.name, specOf(snapshot, kind, noun)] as const],
    ),
  );
}

function differenceOf(kind: Change['kind'], name: string, before: object | undefined, after: object | undefined): readonly ObjectDifference[] {
  const action = before === undefined ? 'create' : after === undefined ? 'delete' : 'change';
  const fields = fieldsOf(before ?? {}, after ?? {}, '').filter(({ path }) => kind === 'flannel' || path !== '/name');
  return fields.length === 0 ? [] : [{ action, kind, name, fields }];
}

function fieldsOf(before: unknown, after: unknown, path: string): readonly FieldDifference[] {
  if (before === after) return [];
  if (Array.isArray(before) && Array.isArray(after)) {
    const members = membersOf(before, after, path);
    if (members !== undefined) return members;
    const same = before.length === after.length && before.every((member, i) => fieldsOf(member, after[i], '').length === 0);
    return same ? [] : [{ path, before, after }];
  }
  if (isObject(before) && isObject(after)) {
    const [was, is] = [new Map<string, unknown>(Object.entries(before)), new Map<string, unknown>(Object.entries(after))];
    return [...new Set([...was.keys(), ...is.keys()])].flatMap((name) =>
      was.get(name) === is.get(name) ? [] : fieldsOf(was.get(name), is.get(name), path + pointerTo(name)),
    );
  }
  return [{ path, before: before ?? null, after: after ?? null }];
}

/** The differences of two lists of things with an identity; undefined for other lists, and where those that stay change places, for then their order matters. */
function membersOf(before: readonly unknown[], after: readonly unknown[], path: string): readonly FieldDifference[] | undefined {
  const [was, is] = [placesOf(before), placesOf(after)];
  if (was === undefined || is === undefined) return undefined;
  const [left, kept] = [[...was.keys()].filter((identity) => is.has(identity)), [...is.keys()].filter((identity) => was.has(identity))];
  if (left.some((identity, i) => identity !== kept[i])) return undefined;
  const gone = [...was].flatMap(([identity, i]) => (is.has(identity) ? [] : [{ path: path + pointerTo(i), before: before[i], after: null }]));
  return [
    ...gone,
    ...[...is].flatMap(([identity, i]) => {
      const place = was.get(identity);
      return fieldsOf(place === undefined ? undefined : before[place], after[i], path + pointerTo(i));
    }),
  ];
}

/** Where each member is, by its identity; undefined where one has none, or two have the same. */
function placesOf(members: readonly unknown[]): ReadonlyMap<string, number> | undefined {
  const places = new Map<string, number>();
  members.forEach((member, i) => {
    const identity = identityOf(member);
    if (identity !== undefined) places.set(identity, i);
  });
  return places.size === members.length ? places : undefined;
}

function identityOf(member: unknown): string | undefined {
  if (!isObject(member)) return undefined;
  const { network, subnet, published, protocol } = member as Readonly<Record<string, unknown>>;
  if (typeof network === 'string') return network;
  if (typeof subnet === 'string') return subnet;
  return typeof published === 'number' && typeof protocol === 'string' ? `${published}/${protocol}` : undefined;
}

function isObject(value: unknown): value is object {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
