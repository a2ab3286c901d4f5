import type { DumpedRule, NamespaceDump } from '@portolan/dump';
import { ipv4Value, subnetOrUndefined } from '@portolan/model';
import type { ExpectedNamespace } from '../expected.js';
import type { Difference } from './difference.js';
import { GATEWAY } from './links.js';
import { type Condition, conditionsOf, conditionValue } from './rule.js';
import type { MatchedRules, WantedRule } from './rules.js';

/** What traffic to published ports looks like where the host leads it on. */
interface Published {
  /** `tcp 8000` */
  readonly ports: ReadonlySet<string>;
  readonly destinations: readonly string[];
  /** Links that it comes in by. */
  readonly links: ReadonlySet<string>;
}

/**
 * Rules that stand behind one that takes their packets: a jump to DOCKER-INGRESS below a DROP, a port's ACCEPT below the RETURN. One for each rule that takes them,
 * however many stand behind it. A rule of others' before ours that matches other traffic is none.
 */
export function orderDifferences(
  { role }: ExpectedNamespace,
  wanted: readonly WantedRule[],
  { found }: MatchedRules,
  observed: NamespaceDump,
): readonly Difference[] {
  if (role === 'overlay' || role === 'load-balancer') return [];
  const published = publishedTraffic(wanted, observed);
  const differences: Difference[] = [];
  const told = new Set<DumpedRule>();
  const placeOf = new Map<DumpedRule, number>(observed.rules.map((rule, at) => [rule, at]));
  const wantedOf = new Map<DumpedRule, WantedRule>([...found].map(([want, rule]) => [rule, want]));
  const rank = new Map(wanted.map((want, at) => [want, at]));
  // The jump to published ports first: it is the one to name when a rule takes everything.
  const sensitive = wanted.filter((want) => found.has(want)).sort((a, b) => Number(isIngressJump(b)) - Number(isIngressJump(a)));
  for (const want of sensitive) {
    const rule = found.get(want);
    if (rule === undefined) continue;
    const place = placeOf.get(rule) ?? 0;
    const taker = observed.rules.find((other, at) => {
      if (at >= place || other.table !== rule.table || other.chain !== rule.chain) return false;
      const wantedOther = wantedOf.get(other);
      if (wantedOther !== undefined && (rank.get(wantedOther) ?? 0) < (rank.get(want) ?? 0)) return false;
      return isIngressJump(want) ? takesPublished(other, published, observed) : takes(other, rule);
    });
    if (taker === undefined || told.has(taker)) continue;
    told.add(taker);
    differences.push({ kind: 'different', aspect: 'order', key: want.key, expected: want.object, found: { kind: 'rule', rule }, before: taker, position: 1 });
  }
  return differences;
}

function isIngressJump({ object }: WantedRule): boolean {
  return object.rule.target === 'DOCKER-INGRESS';
}

/** In nat whatever decides ends the walk through the chain; in filter what lets pass does no harm. */
const decidesNat = new Set(['RETURN', 'ACCEPT', 'DNAT', 'REDIRECT', 'DROP', 'REJECT']);
const decidesFilter = new Set(['DROP', 'REJECT', 'RETURN']);

/** Whether a rule takes all packets that another one, which lets pass or rewrites, is for. */
function takes(taker: DumpedRule, rule: DumpedRule): boolean {
  if (!(rule.table === 'nat' ? decidesNat : decidesFilter).has(taker.target ?? '')) return false;
  if (!['ACCEPT', 'DNAT', 'REDIRECT'].includes(rule.target ?? '') || taker.target === rule.target) return false;
  const conditions = conditionsOf(rule.match);
  return conditionsOf(taker.match).every(
    (condition) =>
      isModule(condition) ||
      conditions.some(({ option, value, negated }) => option === condition.option && value === condition.value && negated === condition.negated),
  );
}

function takesPublished(taker: DumpedRule, published: Published, observed: NamespaceDump): boolean {
  const { table, chain, target } = taker;
  if (table === 'nat' ? !decidesNat.has(target ?? '') : !decidesFilter.has(target ?? '')) return false;
  // What RETURN leaves to the policy of the chain has passed when that is ACCEPT.
  if (table === 'filter' && target === 'RETURN' && observed.chains.find((it) => it.table === table && it.chain === chain)?.policy !== 'DROP') return false;
  const protocol = conditionValue(taker.match, '-p');
  return conditionsOf(taker.match).every((condition) => coversPublished(condition, table, protocol, published));
}

/** Whether traffic to a published port, or the answers to it, can meet the condition. One that we do not know is taken for narrower. */
function coversPublished(condition: Condition, table: string, protocol: string | undefined, { ports, destinations, links }: Published): boolean {
  const { option, value, negated } = condition;
  if (negated) return option === '-i' && value === GATEWAY;
  switch (option) {
    case '-p':
      // Where no port is published the next one will be.
      return value === 'all' || (ports.size === 0 && ['tcp', 'udp', 'sctp'].includes(value)) || [...ports].some((port) => port.startsWith(`${value} `));
    case '--dport':
    case '--dports':
      return [...ports].some((port) => isPortIn(port, protocol, value));
    case '-o':
      return table === 'filter' && value === GATEWAY;
    case '-i':
      return value === GATEWAY || links.has(value);
    case '-d':
      return value === '0.0.0.0/0' || destinations.some((destination) => isWithin(destination, value));
    case '--dst-type':
      return table === 'nat' && value === 'LOCAL';
    case '--ctstate':
      return value.split(',').some((state) => ['NEW', 'ESTABLISHED'].includes(state));
    default:
      return isModule(condition);
  }
}

function isModule({ option, value }: Condition): boolean {
  return option === '-m' && ['tcp', 'udp', 'sctp', 'addrtype', 'conntrack', 'state', 'comment'].includes(value);
}

/** `8000`, `8000:8100`, `80,443` */
function isPortIn(port: string, protocol: string | undefined, value: string): boolean {
  const [ofPort = '', text = ''] = port.split(' ');
  if (protocol !== undefined && protocol !== ofPort) return false;
  return value.split(',').some((part) => {
    const [first = '', last = first] = part.split(':');
    return Number(text) >= Number(first) && Number(text) <= Number(last);
  });
}

function isWithin(address: string, destination: string): boolean {
  if (address === destination) return true;
  const value = ipv4Value(address);
  const subnet = subnetOrUndefined(destination);
  return value !== undefined && subnet !== undefined && subnet.first <= value && value <= subnet.last;
}

function publishedTraffic(wanted: readonly WantedRule[], observed: NamespaceDump): Published {
  const forwards = wanted.map(({ object }) => object.rule).filter(({ table, target }) => table === 'nat' && target === 'DNAT');
  return {
    ports: new Set(forwards.map(({ match }) => `${conditionValue(match, '-p') ?? 'tcp'} ${conditionValue(match, '--dport') ?? ''}`)),
    destinations: forwards.flatMap(({ options }) => /--to-destination ([0-9.]+)/.exec(options)?.[1] ?? []),
    links: new Set(observed.routes.filter(({ destination, table }) => destination === 'default' && table === 'main').flatMap(({ link }) => link ?? [])),
  };
}
