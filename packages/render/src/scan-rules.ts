import type { ObservedObject, Space } from '@portolan/node-state';
import { isOwnSpace } from './rules.js';
import type { Scan } from './scan.js';
import { type RuleTag, tagOfRule } from './tag.js';

/**
 * Output of `iptables-save` (all tables). A rule of ours is recognised by its comment and not parsed. An object is
 * damaged when not each of its rules is there exactly once, all with one hash.
 */
export function scanIptablesSave(space: Space, text: string): Scan {
  const tags = new Map<string, RuleTag[]>();
  const foreign: string[] = [];
  const own = isOwnSpace(space);
  for (const line of text.split('\n')) {
    if (!line.startsWith('-A ')) continue;
    const tag = tagOfRule(space, line);
    if (tag === undefined) {
      if (own) foreign.push(line);
      continue;
    }
    const known = tags.get(tag.key);
    if (known === undefined) tags.set(tag.key, [tag]);
    else known.push(tag);
  }
  return { objects: [...tags].map(([key, rules]) => objectOf(space, key, rules)), foreign };
}

function objectOf(space: Space, key: string, rules: readonly RuleTag[]): ObservedObject {
  const [first] = rules;
  const kind = first?.kind ?? 'mark';
  const whole =
    first !== undefined &&
    rules.length === first.count &&
    new Set(rules.map(({ index }) => index)).size === first.count &&
    rules.every(({ hash, count }) => hash === first.hash && count === first.count);
  return { key, hash: whole ? first.hash : '', space, kind };
}
