import type { NamespaceDump } from '@portolan/dump';
import { markOfRule, matchText } from './rule.js';

/** What two services' marks have in common counts by these; real servers more, as two rules may have been confused with each other. */
const RULES = 3;
const REAL_SERVERS = 3.5;
const VIRTUAL_SERVER = 0.1;
/** A virtual server alone tells nothing of whose it is. */
const LEAST = 0.2;

interface Traces {
  readonly rules: ReadonlyMap<number, readonly string[]>;
  readonly realServers: ReadonlyMap<number, ReadonlySet<string>>;
  readonly virtualServers: ReadonlySet<number>;
}

/**
 * For each mark of the expected state the mark that the namespace uses for the same service: the one that most of its rules and real servers agree on,
 * so that one of them may be missing, doubled or wrong. Marks that nothing was found of are not in it.
 */
export function marksInUse(expected: NamespaceDump, observed: NamespaceDump): ReadonlyMap<number, number> {
  const wanted = tracesOf(expected);
  const there = tracesOf(observed);
  const users = new Map<string, Set<number>>();
  const note = (trace: string, mark: number): void => void users.set(trace, (users.get(trace) ?? new Set()).add(mark));
  for (const [mark, rules] of there.rules) for (const rule of rules) note(rule, mark);
  for (const [mark, addresses] of there.realServers) for (const address of addresses) note(address, mark);

  const pairs: { readonly mark: number; readonly inUse: number; readonly score: number }[] = [];
  for (const mark of new Set([...wanted.virtualServers, ...wanted.rules.keys(), ...wanted.realServers.keys()])) {
    const traces = [...(wanted.rules.get(mark) ?? []), ...(wanted.realServers.get(mark) ?? [])];
    for (const inUse of new Set(traces.flatMap((trace) => [...(users.get(trace) ?? [])]))) {
      const score = scoreOf(wanted, mark, there, inUse);
      if (score > LEAST) pairs.push({ mark, inUse, score });
    }
  }
  pairs.sort((a, b) => b.score - a.score || Number(b.mark === b.inUse) - Number(a.mark === a.inUse) || a.mark - b.mark || a.inUse - b.inUse);
  const marks = new Map<number, number>();
  const taken = new Set<number>();
  for (const { mark, inUse } of pairs) {
    if (marks.has(mark) || taken.has(inUse)) continue;
    marks.set(mark, inUse);
    taken.add(inUse);
  }
  return marks;
}

function tracesOf({ rules, realServers, virtualServers }: NamespaceDump): Traces {
  const byRule = new Map<number, string[]>();
  for (const rule of rules) {
    const mark = markOfRule(rule);
    if (mark !== null) byRule.set(mark, [...(byRule.get(mark) ?? []), matchText(rule)]);
  }
  const byServer = new Map<number, Set<string>>();
  for (const { mark, address } of realServers) byServer.set(mark, (byServer.get(mark) ?? new Set<string>()).add(address));
  return { rules: byRule, realServers: byServer, virtualServers: new Set(virtualServers.map(({ mark }) => mark)) };
}

function scoreOf(wanted: Traces, mark: number, there: Traces, inUse: number): number {
  const rules = wanted.rules.get(mark) ?? [];
  const found = new Set(there.rules.get(inUse));
  const servers = wanted.realServers.get(mark) ?? new Set<string>();
  const foundServers = there.realServers.get(inUse) ?? new Set<string>();
  const common = [...servers].filter((address) => foundServers.has(address)).length;
  return (
    (rules.length === 0 ? 0 : (RULES * rules.filter((rule) => found.has(rule)).length) / rules.length) +
    (common === 0 ? 0 : (REAL_SERVERS * common) / (servers.size + foundServers.size - common)) +
    (there.virtualServers.has(inUse) ? VIRTUAL_SERVER : 0)
  );
}
