import type { DumpedRule } from '@portolan/dump';

/** One condition of a rule: `! -o docker_gwbridge` is { option: '-o', value: 'docker_gwbridge', negated: true }. */
export interface Condition {
  readonly option: string;
  /** '' of an option without one. Words that are no option belong to the option before them. */
  readonly value: string;
  readonly negated: boolean;
}

/** Modules that say nothing beside the options that they bring. */
const silentModules = new Set(['tcp', 'udp', 'sctp', 'state', 'conntrack', 'addrtype', 'multiport', 'mark', 'comment']);
/** Old and long names of options, by the name that is compared. */
const sameOption: Readonly<Record<string, string>> = {
  '--state': '--ctstate',
  '--destination-port': '--dport',
  '--source-port': '--sport',
  '--protocol': '-p',
  '--source': '-s',
  '--destination': '-d',
  '--in-interface': '-i',
  '--out-interface': '-o',
};
const protocolNames: Readonly<Record<string, string>> = { '6': 'tcp', '17': 'udp', '132': 'sctp' };

/** What a rule's match asks for, in an order that does not depend on the text: iptables-save of other versions orders and names options otherwise. */
export function conditionsOf(match: string): readonly Condition[] {
  const conditions: Condition[] = [];
  let negated = false;
  for (const word of match.split(/\s+/)) {
    const last = conditions.at(-1);
    if (word === '') continue;
    if (word === '!') negated = true;
    else if (word.startsWith('-')) {
      conditions.push({ option: sameOption[word] ?? word, value: '', negated });
      negated = false;
    } else if (last !== undefined) {
      conditions[conditions.length - 1] = { ...last, value: last.value === '' ? word : `${last.value} ${word}`, negated: last.negated || negated };
      negated = false;
    }
  }
  return conditions
    .filter(({ option, value }) => option !== '-m' || !silentModules.has(value))
    .map((condition) => ({ ...condition, value: plainValue(condition) }))
    .sort((a, b) => compareText(a.option, b.option) || compareText(a.value, b.value));
}

function plainValue({ option, value }: Condition): string {
  if (option === '--ctstate') return value.split(',').sort().join(',');
  if (option === '-p') return protocolNames[value] ?? value;
  return value.replace(/\/32$/, '');
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Of a rule that sets a mark and leaves no bit of the old one; null of others. */
export function markOfRule({ target, options }: DumpedRule): number | null {
  if (target !== 'MARK') return null;
  const [, value = '', mask = '0xffffffff'] = /^--set-x?mark (\S+?)(?:\/(\S+))?$/.exec(options.trim()) ?? [];
  return value === '' || Number(mask) !== 0xffffffff ? null : Number(value);
}

/** The rule with another mark, as iptables-save prints it. */
export function withMark(rule: DumpedRule, mark: number): DumpedRule {
  return { ...rule, options: `--set-xmark 0x${mark.toString(16)}/0xffffffff` };
}

const matchTexts = new WeakMap<DumpedRule, string>();

/** Table, chain and what a rule matches, the same for all ways to write it. */
export function matchText(rule: DumpedRule): string {
  const known = matchTexts.get(rule);
  if (known !== undefined) return known;
  const conditions = conditionsOf(rule.match).map(({ option, value, negated }) => `${negated ? '! ' : ''}${option} ${value}`);
  const text = `${rule.table} ${rule.chain} ${conditions.join(' ')}`;
  matchTexts.set(rule, text);
  return text;
}

/** The whole rule, the same for all ways to write it. */
export function sameRuleText(rule: DumpedRule): string {
  const mark = markOfRule(rule);
  // Where dockerd listens for names is drawn at random in each namespace.
  if (rule.chain === 'DOCKER_OUTPUT' || rule.chain === 'DOCKER_POSTROUTING') return resolverText(rule);
  return `${matchText(rule)} -j ${rule.target ?? ''} ${mark === null ? rule.options.replace('--to-port ', '--to-ports ').trim() : mark}`;
}

function resolverText({ table, chain, match, target, options }: DumpedRule): string {
  const text = matchText({ table, chain, match: match.replace(/--sport [0-9]+/, '--sport any'), target, options });
  return `${text} -j ${target ?? ''} ${options.replace(/(127\.0\.0\.11):[0-9]+/, '$1:any')}`;
}

/** Value of the first condition of that name that is not negated. */
export function conditionValue(match: string, option: string): string | undefined {
  return conditionsOf(match).find((condition) => condition.option === option && !condition.negated)?.value;
}
