import { inNaturalOrder } from '../../parts/natural.js';
import { type Entry, explainPage, type Kind, kinds } from './entries.js';

export interface FoundGroup {
  readonly kind: Kind;
  readonly entries: readonly Entry[];
  /** Found, and not shown. */
  readonly further: number;
}

/** So many of a kind are shown; of everything else whoever searches types more. */
const MOST_OF_A_KIND = 6;

/** How well a text fits: 0 the same, 1 begins so, 2 begins so after a dot, dash or underscore, 3 has it somewhere; nothing: not at all. */
function fitOf(text: string, term: string): number | undefined {
  const at = text.indexOf(term);
  if (at < 0) return undefined;
  if (at === 0) return text.length === term.length ? 0 : 1;
  return /[-_.:/ ]/.test(text.charAt(at - 1)) ? 2 : 3;
}

/** The best fit of each term, titles before words and details; nothing when one fits nowhere. */
function scoreOf({ title, words, detail }: Entry, terms: readonly string[]): number | undefined {
  let score = 0;
  for (const term of terms) {
    const own = fitOf(title.toLowerCase(), term);
    const others = [...words, detail].flatMap((text) => fitOf(text.toLowerCase(), term) ?? []);
    const best = Math.min(own ?? Number.POSITIVE_INFINITY, ...others.map((fit) => fit + 0.5));
    if (best === Number.POSITIVE_INFINITY) return undefined;
    score += best;
  }
  return score;
}

const address = /^\d{1,3}(\.\d{1,3}){3}$/;
/** A name or an address with a port. */
const target = /^[^\s:]+:\d{1,5}(\/(tcp|udp|sctp))?$/;

/** What a text asks for: kinds with the best hit first; without a text the pages. An address or NAME:PORT also leads to where a packet to it goes. */
export function foundOf(entries: readonly Entry[], query: string): readonly FoundGroup[] {
  const text = query.trim();
  if (text === '') return [{ kind: 'page', entries: entries.filter(({ kind }) => kind === 'page'), further: 0 }];
  const terms = text.toLowerCase().split(/\s+/);
  const scored = entries.flatMap((entry) => {
    const score = scoreOf(entry, terms);
    return score === undefined ? [] : [{ entry, score }];
  });
  const groups = kinds.flatMap((kind) => {
    const own = scored.filter(({ entry }) => entry.kind === kind);
    own.sort((one, other) => one.score - other.score || inNaturalOrder(one.entry.title, other.entry.title));
    const [best] = own;
    if (best === undefined) return [];
    return [{ kind, best: best.score, entries: own.slice(0, MOST_OF_A_KIND).map(({ entry }) => entry), further: Math.max(0, own.length - MOST_OF_A_KIND) }];
  });
  // Kinds with hits that are as good stay in their order.
  groups.sort((one, other) => one.best - other.best);
  const found = groups.map(({ kind, entries: own, further }): FoundGroup => ({ kind, entries: own, further }));
  if (!address.test(text) && !target.test(text)) return found;
  const asked: Entry = {
    id: `explain:${text}`,
    kind: 'explain',
    title: `Explain a packet to ${text}`,
    detail: 'where it goes, and who put there what is in its way',
    words: [],
    to: explainPage(text),
  };
  return [...found, { kind: 'explain', entries: [asked], further: 0 }];
}
