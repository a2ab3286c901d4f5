import type { DumpedChain, DumpedRule } from './namespace.js';
import { type DumpedRules, ruleOf } from './read-rules.js';

/** In the order in which iptables-save prints tables and their built-in chains. */
const builtIn: Readonly<Record<string, readonly string[]>> = {
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  raw: ['PREROUTING', 'OUTPUT'],
};

/** Chains of one table with their rules. */
type Chains = Map<string, DumpedRule[]>;

/**
 * What iptables-save prints after `iptables-restore --noflush` has read this text in a namespace without rules. Throws on a line that it does not know:
 * the text is a renderer's.
 */
export function restoredTables(text: string): DumpedRules {
  const tables = new Map<string, Chains>();
  let [table, chains] = ['', new Map() as Chains];
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      table = line.slice(1);
      chains = tables.get(table) ?? new Map((builtIn[table] ?? []).map((chain) => [chain, []]));
      tables.set(table, chains);
    } else if (line !== '' && line !== 'COMMIT') carryOut(table, chains, line);
  }
  const names = [...tables.keys()].sort((a, b) => rank(a) - rank(b));
  return {
    chains: names.flatMap((name) =>
      inOrder(name, tables).map(([chain]): DumpedChain => ({ table: name, chain, policy: isBuiltIn(name, chain) ? 'ACCEPT' : null })),
    ),
    rules: names.flatMap((name) => inOrder(name, tables).flatMap(([, rules]) => rules)),
  };
}

function carryOut(table: string, chains: Chains, line: string): void {
  const [verb = '', chain] = line.split(' ', 2);
  const emptied = chain === undefined ? [...chains.keys()] : [chain];
  if (line.startsWith(':')) chains.set(verb.slice(1), []);
  else if (verb === '-F') for (const each of emptied) chains.set(each, []);
  else if (verb === '-X') for (const each of emptied) if (!isBuiltIn(table, each)) chains.delete(each);
  if (line.startsWith(':') || verb === '-F' || verb === '-X') return;
  const rule = verb === '-A' || verb === '-I' ? ruleOf(table, line, verb) : undefined;
  const rules = rule === undefined ? undefined : chains.get(rule.chain);
  if (rule === undefined || rules === undefined) throw new Error(`iptables-restore of an empty table ${table} would not take the line ${line}`);
  if (verb === '-A') rules.push(rule);
  else rules.unshift(rule);
}

function isBuiltIn(table: string, chain: string): boolean {
  return builtIn[table]?.includes(chain) === true;
}

function rank(table: string): number {
  const at = Object.keys(builtIn).indexOf(table);
  return at === -1 ? Number.MAX_SAFE_INTEGER : at;
}

/** Built-in chains first, then the others by name. */
function inOrder(table: string, tables: ReadonlyMap<string, Chains>): [string, DumpedRule[]][] {
  const chains = [...(tables.get(table) ?? [])];
  const others = chains.filter(([chain]) => !isBuiltIn(table, chain)).sort(([a], [b]) => (a < b ? -1 : 1));
  return [...chains.filter(([chain]) => isBuiltIn(table, chain)), ...others];
}
