import type { Space } from '@portolan/node-state';
import { withoutQuotes } from './foreign-marks.js';
import { isOwnSpace } from './rules.js';
import { linesOfSave } from './saved-rules.js';
import { tagOfRule } from './tag.js';

/** A foreign rule that may swallow packets before ours see them. */
export interface Obstruction {
  /** `TABLE/CHAIN` */
  readonly chain: string;
  /** As iptables-save prints it: a rule, or a chain with its policy. */
  readonly text: string;
}

/** Each stage passes these before the tables that our entries are in. */
const earlier: ReadonlySet<string> = new Set(['raw', 'mangle']);

const swallowing = / -j (?:DROP|REJECT)(?: |$)/;
const mayMatter = /"portolan rule-entry| -j (?:DROP|REJECT)/;
const closedChain = /^:(\S+) DROP(?: |$)/;

/**
 * Foreign rules with the target DROP or REJECT in front of our entry in its chain, those in the tables `raw` and `mangle` at the stage of
 * an entry, and a policy DROP there; in a namespace of our own all of them. Which packets a rule matches is not looked at: it is
 * told with its text. Behind our entry nothing is told, the policy of the chain included: what is ours has been accepted by then.
 *
 * Out of reach: what foreign chains do that a rule in front of ours leads to, chains in which we have no entry (such as `INPUT` of the
 * host for VXLAN), rules of nftables that iptables does not show, eBPF and the filters of network cards.
 */
export function obstructionsOf(space: Space, text: string): readonly Obstruction[] {
  const own = isOwnSpace(space);
  const found: (Obstruction & { readonly table: string; readonly stage: string })[] = [];
  /** `TABLE/CHAIN` of the entries that came already. */
  const entered = new Set<string>();
  const stages = new Set<string>();
  for (const { table, line } of linesOfSave(text)) {
    const stage = line.startsWith(':') ? (closedChain.exec(line)?.[1] ?? '') : (line.split(' ', 2)[1] ?? '');
    const chain = `${table}/${stage}`;
    if (line.startsWith(':')) {
      if (stage !== '' && (own || earlier.has(table))) found.push({ table, stage, chain, text: line.replace(/ \[.*$/, '') });
      continue;
    }
    // Hosts have tens of thousands of rules; few can be either.
    if (!mayMatter.test(line)) continue;
    const tag = tagOfRule(space, line);
    if (tag?.kind === 'rule-entry') {
      entered.add(chain);
      stages.add(stage);
    } else if (tag === undefined && !entered.has(chain) && swallowing.test(withoutQuotes(line))) found.push({ table, stage, chain, text: line });
  }
  return found.flatMap(({ table, stage, chain, text }) => (own || entered.has(chain) || (earlier.has(table) && stages.has(stage)) ? [{ chain, text }] : []));
}
