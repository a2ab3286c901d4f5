import type { DumpedRule, NamespaceDump } from '@portolan/dump';
import type { ExpectedNamespace } from '../expected.js';
import type { NamespaceObject } from '../object.js';
import type { Difference, Of, Sight, Wanted } from './difference.js';
import { isDockers } from './foreign.js';
import { hostVariant } from './host-rules.js';
import { orderDifferences } from './order.js';
import { conditionsOf, matchText, sameRuleText } from './rule.js';

export type WantedRule = Wanted<Of<'rule'>>;

/** From so many rules on the loss of all rules of a table is one fault: somebody emptied it. */
const WHOLE_TABLE = 3;

/** The rules of the expected state beside the one in the namespace that each was found as. */
export interface MatchedRules {
  readonly found: ReadonlyMap<WantedRule, DumpedRule>;
  readonly lacking: readonly WantedRule[];
  readonly copies: readonly DumpedRule[];
  readonly extra: readonly DumpedRule[];
}

/** Chains and rules that are missing, doubled, no longer wanted, wrong, or behind a rule that takes their packets. */
export function ruleDifferences(expected: ExpectedNamespace, wantedObjects: readonly Wanted[], observed: NamespaceDump, sight: Sight): readonly Difference[] {
  const variant = expected.role === 'host' ? hostVariant(wantedObjects, observed, sight) : wantedObjects;
  const chains = lostChains(variant, expected, observed).map((difference) => withRules(difference, variant));
  const lost = new Set(chains.map(({ expected: chain }) => (chain?.kind === 'chain' ? `${chain.chain.table} ${chain.chain.chain}` : '')));
  const wanted = variant
    .filter(isRule)
    .filter(({ object: { rule } }) => !lost.has(`${rule.table} ${rule.chain}`) && !lost.has(`${rule.table} ${rule.target ?? ''}`));
  const matched = matchRules(expected, wanted, observed);
  const misplaced = orderDifferences(expected, wanted, matched, observed);
  const swallowers = new Set(misplaced.map(({ before }) => before));

  const lacking = matched.lacking.filter(({ key }) => !expected.optional.has(key));
  const tables = lostTables(wanted, lacking);
  const single = lacking.filter(({ object }) => !tables.some(({ expected: rule }) => rule?.kind === 'rule' && rule.rule.table === object.rule.table));
  const surplus = matched.extra.filter((rule) => !swallowers.has(rule) && isDockers(rule, expected, wanted, sight));
  const pairs = replacements(single, surplus);
  const replaced = new Set(pairs.values());
  return [
    ...chains,
    ...tables,
    ...misplaced,
    ...single.map((lack): Difference => {
      const instead = pairs.get(lack);
      const found: NamespaceObject | null = instead === undefined ? null : { kind: 'rule', rule: instead };
      return {
        kind: found === null ? 'missing' : 'different',
        aspect: 'object',
        key: lack.key,
        expected: lack.object,
        found,
        position: positionOf(lack, wanted, matched, observed),
      };
    }),
    ...matched.copies
      .filter((rule) => !swallowers.has(rule) && !isFirewalldCopy(rule, sight))
      .map((rule): Difference => ({ kind: 'unexpected', aspect: 'copy', key: keyOfCopy(rule, wanted), expected: null, found: { kind: 'rule', rule } })),
    ...surplus
      .filter((rule) => !replaced.has(rule))
      .map((rule): Difference => ({ kind: 'unexpected', aspect: 'object', key: null, expected: null, found: { kind: 'rule', rule } })),
  ];
}

function isRule(wanted: Wanted): wanted is WantedRule {
  return wanted.object.kind === 'rule';
}

function lostChains(wanted: readonly Wanted[], { optional }: ExpectedNamespace, observed: NamespaceDump): readonly Difference[] {
  const there = new Set([...observed.chains, ...observed.rules].map(({ table, chain }) => `${table} ${chain}`));
  return wanted.flatMap(({ key, object }): readonly Difference[] =>
    object.kind === 'chain' && !optional.has(key) && !there.has(`${object.chain.table} ${object.chain.chain}`)
      ? [{ kind: 'missing', aspect: 'object', key, expected: object, found: null }]
      : [],
  );
}

/** A chain that is made anew needs its rules and the jumps to it. */
function withRules(difference: Difference, wanted: readonly Wanted[]): Difference {
  const { expected } = difference;
  if (expected?.kind !== 'chain') return difference;
  const { table, chain } = expected.chain;
  const implied = wanted
    .filter(isRule)
    .map(({ object }) => object)
    .filter(({ rule }) => rule.table === table && (rule.chain === chain || rule.target === chain))
    // Its own rules first: nothing comes in before it is whole.
    .sort((a, b) => Number(a.rule.chain !== chain) - Number(b.rule.chain !== chain));
  return { ...difference, implied };
}

/**
 * Each wanted rule takes the first of its equals, which is the one that works; of those that end the walk through a chain the last, as an earlier one does harm. Of one
 * that Docker itself leaves twice the others are no copies.
 */
function matchRules({ repeatable }: ExpectedNamespace, wanted: readonly WantedRule[], observed: NamespaceDump): MatchedRules {
  const byText = new Map<string, DumpedRule[]>();
  for (const rule of observed.rules) {
    const text = sameRuleText(rule);
    const equals = byText.get(text);
    if (equals === undefined) byText.set(text, [rule]);
    else equals.push(rule);
  }
  const found = new Map<WantedRule, DumpedRule>();
  const lacking: WantedRule[] = [];
  const texts = new Set<string>();
  for (const want of wanted) {
    const text = sameRuleText(want.object.rule);
    texts.add(text);
    const equals = byText.get(text);
    const rule = repeatable.has(want.key) ? equals?.splice(0)[0] : ends(want.object.rule) ? equals?.pop() : equals?.shift();
    if (rule === undefined) lacking.push(want);
    else found.set(want, rule);
  }
  const left = [...byText].flatMap(([text, rules]) => rules.map((rule) => ({ rule, copy: texts.has(text) })));
  return {
    found,
    lacking,
    copies: left.filter(({ copy }) => copy).map(({ rule }) => rule),
    extra: left.filter(({ copy }) => !copy).map(({ rule }) => rule),
  };
}

/** Rules that end the walk through a chain for what they match. */
function ends({ target }: DumpedRule): boolean {
  return target === 'RETURN' || target === 'DROP' || target === 'REJECT';
}

function lostTables(wanted: readonly WantedRule[], lacking: readonly WantedRule[]): readonly Difference[] {
  return [...new Set(lacking.map(({ object }) => object.rule.table))].flatMap((table): readonly Difference[] => {
    const lost = lacking.filter(({ object }) => object.rule.table === table);
    const [first] = lost;
    if (first === undefined || lost.length < WHOLE_TABLE || lost.length < wanted.filter(({ object }) => object.rule.table === table).length) return [];
    return [{ kind: 'missing', aspect: 'table', key: first.key, expected: first.object, found: null, implied: lost.map(({ object }) => object) }];
  });
}

/** A wrong rule is there instead of the right one: it matches the same and does otherwise, or does the same and differs in one condition. */
function replacements(lacking: readonly WantedRule[], surplus: readonly DumpedRule[]): ReadonlyMap<WantedRule, DumpedRule> {
  const pairs = new Map<WantedRule, DumpedRule>();
  const taken = new Set<DumpedRule>();
  for (const isInstead of [isSameMatch, isNearlySame]) {
    for (const lack of lacking) {
      if (pairs.has(lack)) continue;
      const instead = surplus.find((rule) => !taken.has(rule) && isInstead(lack.object.rule, rule));
      if (instead === undefined) continue;
      pairs.set(lack, instead);
      taken.add(instead);
    }
  }
  return pairs;
}

function isSameMatch(wanted: DumpedRule, rule: DumpedRule): boolean {
  return matchText(wanted) === matchText(rule);
}

function isNearlySame(wanted: DumpedRule, rule: DumpedRule): boolean {
  if (wanted.table !== rule.table || wanted.chain !== rule.chain || wanted.target !== rule.target) return false;
  const [ours, theirs] = [conditionsOf(wanted.match), conditionsOf(rule.match)];
  const differing = ours.filter(({ option, value }, at) => theirs[at]?.option !== option || theirs[at]?.value !== value);
  return ours.length === theirs.length && differing.length === 1 && sameRuleText({ ...rule, match: wanted.match }) === sameRuleText(wanted);
}

/** Behind the last rule that comes before it in Docker's order. */
function positionOf(lack: WantedRule, wanted: readonly WantedRule[], { found }: MatchedRules, observed: NamespaceDump): number | null {
  const { table, chain } = lack.object.rule;
  const inChain = observed.rules.filter((rule) => rule.table === table && rule.chain === chain);
  const before = wanted.slice(0, wanted.indexOf(lack)).flatMap((want) => found.get(want) ?? []);
  const position = Math.max(0, ...before.map((rule) => inChain.indexOf(rule) + 1)) + 1;
  return position > inChain.length ? null : position;
}

function keyOfCopy(rule: DumpedRule, wanted: readonly WantedRule[]): string | null {
  const text = sameRuleText(rule);
  return wanted.find(({ object }) => sameRuleText(object.rule) === text)?.key ?? null;
}

function isFirewalldCopy({ table, chain, target }: DumpedRule, { firewalld }: Sight): boolean {
  return firewalld && table === 'nat' && chain === 'POSTROUTING' && target === 'SNAT';
}
