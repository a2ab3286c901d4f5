import type { DumpedChain, DumpedRule } from './namespace.js';
import { quoted, type Refuse, type SectionLine } from './sections.js';

export interface DumpedRules {
  readonly chains: readonly DumpedChain[];
  readonly rules: readonly DumpedRule[];
}

/** What iptables-save says, instead of rules, of tables that another backend made. */
const INCOMPATIBLE = /is incompatible/;
/** `-c` writes counters before a rule. */
const COUNTED = /^\[[0-9]+:[0-9]+\] /;
const CHAIN = /^:(\S+) (\S+)(?: \[[0-9]+:[0-9]+\])?\s*$/;

/** `iptables-save`, of either backend, with or without counters. */
export function readRules(lines: readonly SectionLine[], refuse: Refuse): DumpedRules {
  const chains: DumpedChain[] = [];
  const rules: DumpedRule[] = [];
  let open: { readonly table: string; readonly line: number } | undefined;
  const leave = (): void => {
    if (open !== undefined) refuse(open.line, `the table ${open.table} has no COMMIT: rules may be missing`);
    open = undefined;
  };
  for (const { number, text } of lines) {
    if (text.startsWith('#')) {
      if (INCOMPATIBLE.test(text)) refuse(number, text.slice(1).trim());
    } else if (text.startsWith('*')) {
      leave();
      open = { table: text.slice(1).trim(), line: number };
    } else if (text.trim() === 'COMMIT') {
      if (open === undefined) refuse(number, 'COMMIT without a table');
      open = undefined;
    } else if (open === undefined) refuse(number, `${quoted(text)} is in no table`);
    else if (text.startsWith(':')) {
      const [, chain, policy] = CHAIN.exec(text) ?? [];
      if (chain === undefined || policy === undefined) refuse(number, `${quoted(text)} is no chain`);
      else chains.push({ table: open.table, chain, policy: policy === '-' ? null : policy });
    } else {
      const rule = ruleOf(open.table, text.replace(COUNTED, ''), '-A');
      if (rule === undefined) refuse(number, `${quoted(text)} is no rule as iptables-save prints it`);
      else rules.push(rule);
    }
  }
  leave();
  return { chains, rules };
}

/** A word, or what stands between quotes. */
const WORD = /"(?:[^"\\]|\\.)*"|\S+/g;

/** The rule in a line such as `-A INPUT -d 10.0.0.5/32 -j ACCEPT`; undefined for anything else. Comments are left out. */
export function ruleOf(table: string, line: string, verb: '-A' | '-I'): DumpedRule | undefined {
  const [first, chain, ...words] = line.match(WORD) ?? [];
  if (first !== verb || chain === undefined) return undefined;
  const match: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === '-m' && words[i + 1] === 'comment') i++;
    else if (word === '--comment') i++;
    else if (word === '-j' || word === '-g') {
      const target = words[i + 1];
      if (target === undefined) return undefined;
      return { table, chain, match: match.join(' '), target, options: optionsOf(target, words.slice(i + 2)) };
    } else match.push(word);
  }
  return { table, chain, match: match.join(' '), target: null, options: '' };
}

/** Marks are written in one way: `--set-xmark 0xVALUE/0xMASK`. */
function optionsOf(target: string, words: readonly string[]): string {
  const [option, value = '', ...more] = words;
  const marks = target === 'MARK' || target === 'CONNMARK';
  if (!marks || (option !== '--set-mark' && option !== '--set-xmark') || more.length > 0) return words.join(' ');
  const [set, mask = 0xffffffff] = value.split('/').map(Number);
  if (set === undefined || !Number.isInteger(set) || !Number.isInteger(mask)) return words.join(' ');
  // --set-mark sets bits beyond its mask, too (xt_MARK).
  const changed = option === '--set-mark' ? mask | set : mask;
  return `--set-xmark 0x${(set >>> 0).toString(16)}/0x${(changed >>> 0).toString(16)}`;
}
