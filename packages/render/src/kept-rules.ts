import type { ObjectKind, Space } from '@portolan/node-state';
import type { Table } from './rules.js';
import { linesOfSave } from './saved-rules.js';
import { tagOfRule } from './tag.js';

/** A rule as iptables-save printed it, without `-A`: the chain comes first. */
export interface KeptRule {
  readonly table: Table;
  readonly line: string;
}

/** By key of the object: rules that are written as they were found, because nothing is to be changed about them. They are not parsed. */
export type KeptRules = ReadonlyMap<string, { readonly space: Space; readonly kind: ObjectKind; readonly lines: readonly KeptRule[] }>;

export const noRulesKept: KeptRules = new Map();

const ours: readonly Table[] = ['mangle', 'nat', 'filter'];

/** The rules of ours with these keys in the output of `iptables-save`. */
export function keptRules(space: Space, text: string, keys: ReadonlySet<string>): KeptRules {
  const kept = new Map<string, { space: Space; kind: ObjectKind; lines: KeptRule[] }>();
  for (const { table, line } of linesOfSave(text)) {
    const tag = tagOfRule(space, line);
    const known = ours.find((name) => name === table);
    if (tag === undefined || known === undefined || !keys.has(tag.key)) continue;
    const object = kept.get(tag.key) ?? { space, kind: tag.kind, lines: [] };
    object.lines.push({ table: known, line: line.slice('-A '.length) });
    kept.set(tag.key, object);
  }
  return kept;
}
