import { bodyHash, type KernelObject, type ObjectKind, type RuleEntryBody, type Space } from '@portolan/node-state';
import type { Step } from '@portolan/plan';
import type { Layout } from './batch.js';
import { type KeptRules, noRulesKept } from './kept-rules.js';
import { chainOfEntry, chainsOfKind, isOwnSpace, rulesOf, type Table } from './rules.js';
import { assertOneLine } from './sheet.js';
import { restOfKey, ruleComment } from './tag.js';

/** What the tool that reads the text can do. */
type Tool = Pick<Layout, 'randomFully'>;

/**
 * Text for `iptables-restore --noflush` that makes the rules of one namespace what is wanted: each table in one
 * transaction, whole and in canonical order, whatever was there.
 *
 * ```
 * own namespace           -F, -X, then every rule in the built-in chains, as Swarm has them
 * host, endpoint          :PORTOLAN-… (made or emptied), then every rule; jumps only as their entries' steps say
 * ```
 * `wanted` are the objects of this namespace that are rules, `steps` those of the plan for them. Of an object in `kept` these lines are
 * written instead of its own; those of objects that are not wanted come last.
 */
export function renderTables(space: Space, wanted: readonly KernelObject[], steps: readonly Step[], tool: Tool, kept: KeptRules = noRulesKept): string {
  const rules = new Map<Table, string[]>();
  /** `TABLE CHAIN` of each that has a rule. */
  const filled = new Set<string>();
  const write = (table: Table, line: string): void => {
    append(rules, table, `-A ${line}`);
    filled.add(`${table} ${line.split(' ', 1)[0]}`);
  };
  for (const object of [...wanted].sort(byPlaceInChain)) {
    if (object.body.kind === 'rule-entry') continue;
    for (const { table, line } of kept.get(object.key)?.lines ?? ruleLines(object, tool)) write(table, line);
  }
  const known = new Set(wanted.map(({ key }) => key));
  for (const [key, { space: place, kind, lines }] of kept) {
    if (place === space && kind !== 'rule-entry' && !known.has(key)) for (const { table, line } of lines) write(table, line);
  }
  if (isOwnSpace(space)) return (['mangle', 'nat'] as const).map((table) => transaction(table, ['-F', '-X', ...(rules.get(table) ?? [])])).join('');

  const chains = new Map<Table, Set<string>>();
  const needed = new Set<string>();
  const head = new Map<Table, string[]>();
  const doubled = new Set<string>();
  // A chain that is written is emptied before, whether its entry is wanted, too, or not.
  for (const place of filled) {
    const [table, chain] = place.split(' ') as [Table, string];
    chainSet(chains, table).add(chain);
  }
  for (const { body } of wanted) {
    if (body.kind !== 'rule-entry') continue;
    chainSet(chains, body.table).add(chainOfEntry(space, body));
    needed.add(`${body.table} ${chainOfEntry(space, body)}`);
  }
  for (const step of steps) {
    const kind = step.action === 'delete' ? step.observed.kind : step.object.body.kind;
    for (const [table, chain] of chainsOfKind[kind] ?? []) chainSet(chains, table).add(chain);
    if (kind !== 'rule-entry') continue;
    const { body, jump } = entryOf(space, step, tool);
    chainSet(chains, body.table).add(chainOfEntry(space, body));
    if (step.action !== 'create') append(head, body.table, `-D ${jump(step.observed.hash)}`);
    // Of an entry that is there twice one goes at a time, for how often it is there nobody has counted.
    if (step.action !== 'create' && step.observed.hash === '') doubled.add(`${body.table} ${chainOfEntry(space, body)}`);
    else if (step.action !== 'delete') append(head, body.table, `-I ${jump(step.object.hash)}`);
  }
  return (['nat', 'filter'] as const)
    .filter((table) => chains.has(table))
    .map((table) => {
      const names = [...chainSet(chains, table)].sort();
      const unneeded = names.filter((chain) => [needed, doubled, filled].every((places) => !places.has(`${table} ${chain}`)));
      return transaction(table, [
        ...names.map((chain) => `:${chain} - [0:0]`),
        ...(head.get(table) ?? []),
        ...(rules.get(table) ?? []),
        ...unneeded.map((chain) => `-X ${chain}`),
      ]);
    })
    .join('');
}

/**
 * What accepts comes before the policies that close the rest. Pods come last: they do not get behind the gateway's bridge but by a
 * published port, and what returns from their chain has passed all the others.
 */
const placeInChain: Partial<Record<ObjectKind, number>> = { 'endpoint-filter': 1, 'gateway-policy': 1, 'pod-forward': 2, 'pod-masquerade': 2 };

function byPlaceInChain(a: KernelObject, b: KernelObject): number {
  return (placeInChain[a.body.kind] ?? 0) - (placeInChain[b.body.kind] ?? 0);
}

function ruleLines({ space, key, hash, body }: Pick<KernelObject, 'space' | 'key' | 'hash' | 'body'>, tool: Tool): { table: Table; line: string }[] {
  const rules = rulesOf(space, body, tool);
  return rules.map(({ table, chain, match, target }, i) => ({
    table,
    line: assertOneLine([chain, match, ruleComment(space, key, hash, i + 1, rules.length), '-j', target].filter((part) => part !== '').join(' ')),
  }));
}

/** The body of an entry, which its key tells, and the text of its jump for a hash in the comment. */
function entryOf(space: Space, step: Step, tool: Tool): { body: RuleEntryBody; jump: (hash: string) => string } {
  const key = step.action === 'delete' ? step.observed.key : step.object.key;
  const [table, stage] = restOfKey(space, key).split('/') as [RuleEntryBody['table'], RuleEntryBody['stage']];
  const body: RuleEntryBody = { kind: 'rule-entry', table, stage };
  return {
    body,
    jump: (hash) =>
      ruleLines({ space, key, hash: hash === '' ? bodyHash(body) : hash, body }, tool)
        .map(({ line }) => line)
        .join(''),
  };
}

function transaction(table: Table, lines: readonly string[]): string {
  return `*${table}\n${lines.map((line) => `${line}\n`).join('')}COMMIT\n`;
}

function append<K>(map: Map<K, string[]>, key: K, line: string): void {
  const lines = map.get(key);
  if (lines === undefined) map.set(key, [line]);
  else lines.push(line);
}

function chainSet(chains: Map<Table, Set<string>>, table: Table): Set<string> {
  const known = chains.get(table) ?? new Set();
  chains.set(table, known);
  return known;
}
