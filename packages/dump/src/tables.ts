import type { DumpedChain, DumpedRule } from './namespace.js';
import { type DumpedRules, ruleOf } from './read-rules.js';

/** In the order in which iptables-save prints tables and their built-in chains. */
export const builtInChains: Readonly<Record<string, readonly string[]>> = {
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  raw: ['PREROUTING', 'OUTPUT'],
};

/** The same as iptables-save prints it: with all built-in chains of a table, then the others by name, and rules by chain. */
export function inSaveOrder({ chains, rules }: DumpedRules): DumpedRules {
  const tables = [...new Set([...chains, ...rules].map(({ table }) => table))].sort((a, b) => rank(a) - rank(b));
  const ordered = tables.flatMap((table) => {
    const own = chains.filter((chain) => chain.table === table);
    const first = (builtInChains[table] ?? []).map((chain): DumpedChain => own.find((known) => known.chain === chain) ?? { table, chain, policy: 'ACCEPT' });
    const others = own.filter(({ chain }) => !isBuiltIn(table, chain)).sort((a, b) => (a.chain < b.chain ? -1 : 1));
    return [...first, ...others];
  });
  const places = new Map(ordered.map(({ table, chain }, i) => [`${table} ${chain}`, i]));
  const placeOf = ({ table, chain }: DumpedRule): number => places.get(`${table} ${chain}`) ?? ordered.length;
  return { chains: ordered, rules: rules.toSorted((a, b) => placeOf(a) - placeOf(b)) };
}

/** Rules of one table by chain. */
type Chains = Map<string, DumpedRule[]>;

/**
 * What is there after `iptables-restore --noflush` has read this text in a namespace without rules. Throws on a line that it does not know: the text is a
 * renderer's.
 */
export function restoredTables(text: string): DumpedRules {
  const tables = new Map<string, Chains>();
  let [table, chains] = ['', new Map() as Chains];
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      table = line.slice(1);
      chains = tables.get(table) ?? new Map((builtInChains[table] ?? []).map((chain) => [chain, []]));
      tables.set(table, chains);
    } else if (line !== '' && line !== 'COMMIT') carryOut(table, chains, line);
  }
  return {
    chains: [...tables].flatMap(([name, made]) => [...made.keys()].map((chain) => ({ table: name, chain, policy: isBuiltIn(name, chain) ? 'ACCEPT' : null }))),
    rules: [...tables.values()].flatMap((made) => [...made.values()].flat()),
  };
}

function carryOut(table: string, chains: Chains, line: string): void {
  const [verb = '', chain] = line.split(' ', 2);
  const meant = chain === undefined ? [...chains.keys()] : [chain];
  if (line.startsWith(':')) chains.set(verb.slice(1), []);
  else if (verb === '-F') for (const each of meant) chains.set(each, []);
  else if (verb === '-X') for (const each of meant) if (!isBuiltIn(table, each)) chains.delete(each);
  if (line.startsWith(':') || verb === '-F' || verb === '-X') return;
  const rule = verb === '-A' || verb === '-I' ? ruleOf(table, line, verb) : undefined;
  const rules = rule === undefined ? undefined : chains.get(rule.chain);
  if (rule === undefined || rules === undefined) throw new Error(`iptables-restore would not take the line ${line} in an empty table ${table}`);
  if (verb === '-A') rules.push(rule);
  else rules.unshift(rule);
}

function isBuiltIn(table: string, chain: string): boolean {
  return builtInChains[table]?.includes(chain) === true;
}

function rank(table: string): number {
  const at = Object.keys(builtInChains).indexOf(table);
  return at === -1 ? Number.MAX_SAFE_INTEGER : at;
}
