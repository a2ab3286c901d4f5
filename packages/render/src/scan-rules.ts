import type { ObservedObject, Space } from '@portolan/node-state';
import { foreignMarksOf } from './foreign-marks.js';
import { obstructionsOf } from './obstructions.js';
import { isOwnSpace } from './rules.js';
import type { Scan } from './scan.js';
import { type RuleTag, tagOfRule } from './tag.js';

/**
 * Output of `iptables-save` (all tables). A rule of ours is recognised by its comment and not parsed. Of foreign ones outside of our own
 * namespaces those are told that may swallow packets before ours, and one for each mark that they use. An object is
 * damaged when not each of its rules is there exactly once, all with one hash.
 */
export function scanIptablesSave(space: Space, text: string): Scan {
  const tags = new Map<string, RuleTag[]>();
  const foreign: string[] = [];
  const marks = new Set<string>();
  const own = isOwnSpace(space);
  for (const line of text.split('\n')) {
    if (!line.startsWith('-A ')) continue;
    const tag = tagOfRule(space, line);
    if (tag === undefined) {
      const fresh = (line.includes('mark ') ? foreignMarksOf(line) : []).map(({ mask, value }) => `${value}/${mask}`).filter((mark) => !marks.has(mark));
      for (const mark of fresh) marks.add(mark);
      if (own || fresh.length > 0) foreign.push(line);
      continue;
    }
    const known = tags.get(tag.key);
    if (known === undefined) tags.set(tag.key, [tag]);
    else known.push(tag);
  }
  const obstructions = obstructionsOf(space, text);
  return { objects: [...tags].map(([key, rules]) => objectOf(space, key, rules)), foreign, ...(obstructions.length === 0 ? {} : { obstructions }) };
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
