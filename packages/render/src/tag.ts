import { kindOfKey, type ObjectKind, objectKinds, type Space } from '@portolan/node-state';

/** Protocol number of our routes: free in iproute2's rt_protos, so that `ip route` shows it as a number. */
export const ROUTE_PROTOCOL = '80';

/** Of our rules of routing: after the table `local` (0), before `main` (32766). */
export const RULE_PRIORITY = 800;

/** Label of an address of ours on `lo`, which is nobody's link. */
export const ADDRESS_LABEL = 'lo:ptl';

/**
 * Flags that a scheduler gets. `sh` keeps a place for a real server of weight 0 and would drop the clients that it leads
 * there; with its fallback they go to another. `mh` gives such a one no place.
 */
export const schedulerFlags: Readonly<Partial<Record<string, string>>> = { sh: 'sh-fallback' };

const PREFIX = 'portolan';

/** Alias of a link of ours. */
export function linkAlias(key: string, hash: string): string {
  return `${PREFIX} ${key} ${hash}`;
}

/** Key of the object that a link with this alias belongs to. */
export function keyOfAlias(alias: string | undefined): string | undefined {
  const [prefix, key] = alias?.split(' ') ?? [];
  return prefix === PREFIX && key !== undefined && isKind(key) ? key : undefined;
}

/** Comment of the rule `index` (from 1) of the `count` rules of an object; at most 255 characters. */
export function ruleComment(space: Space, key: string, hash: string, index: number, count: number): string {
  return `-m comment --comment "${PREFIX} ${withoutSpace(space, key)} ${hash} ${index}/${count}"`;
}

export interface RuleTag {
  readonly key: string;
  readonly kind: ObjectKind;
  readonly hash: string;
  readonly index: number;
  readonly count: number;
}

const comment = new RegExp(`--comment "${PREFIX} ([^ "]+) ([0-9a-f]{16}) ([0-9]+)/([0-9]+)"`);

/** The tag of one line of iptables-save; undefined when the rule is not ours. */
export function tagOfRule(space: Space, line: string): RuleTag | undefined {
  const [, name = '', hash = '', index, count] = comment.exec(line) ?? [];
  if (!isKind(name)) return undefined;
  const kind = kindOfKey(`${name}/`);
  return { key: `${kind}/${space}${name.slice(kind.length)}`, kind, hash, index: Number(index), count: Number(count) };
}

/** The part of a key behind kind and space. */
export function restOfKey(space: Space, key: string): string {
  return key.slice(kindOfKey(key).length + space.length + 2);
}

function withoutSpace(space: Space, key: string): string {
  const kind = kindOfKey(key);
  return kind + key.slice(kind.length + 1 + space.length);
}

function isKind(key: string): boolean {
  return (objectKinds as readonly string[]).includes(key.split('/', 1)[0] ?? '');
}
