import type { ForeignMark } from '@portolan/check';
import type { Id, Snapshot } from '@portolan/model';
import type { Context } from './context.js';
import { inParallel } from './in-parallel.js';

/** What nodes saw is large: so many are read at a time. */
const READS = 4;

/** Marks that rules of other programs match, by node, as the agents saw them last. Not read where the change brings no marks. */
export async function foreignMarksFor(ctx: Context, before: Snapshot, after: Snapshot): Promise<ReadonlyMap<Id, readonly ForeignMark[]>> {
  if (!bringsMarks(before, after)) return new Map();
  const nodes = [...after.nodes.keys()];
  const seen = await inParallel(nodes, READS, async (id) => (await ctx.store.observed(id))?.foreign ?? []);
  return new Map(nodes.map((id, at) => [id, (seen[at] ?? []).flatMap(({ text }) => matchedMarks(text))]));
}

function bringsMarks(before: Snapshot, after: Snapshot): boolean {
  if (before.cluster.settings.markRange.join() !== after.cluster.settings.markRange.join()) return true;
  const had = new Set(marksOf(before));
  return marksOf(after).some((mark) => !had.has(mark));
}

function marksOf({ services }: Snapshot): readonly number[] {
  return [...services.values()].flatMap(({ networks }) => networks.flatMap(({ mark, localMark }) => [mark, localMark])).filter((mark) => mark !== null);
}

const ALL_BITS = 0xffffffff;
/** The match of iptables by the mark of a packet, as iptables-save writes it. One that is negated, or of connections (connmark), matches no mark of ours by itself. */
const markMatch = /(?:^|\s)-m mark --mark (0x[0-9a-f]{1,8}|[0-9]{1,10})(?:\/(0x[0-9a-f]{1,8}|[0-9]{1,10}))?(?=\s|$)/gi;

export function matchedMarks(rule: string): readonly ForeignMark[] {
  return [...rule.matchAll(markMatch)].map(([, value, mask]) => ({ value: Number(value), mask: mask === undefined ? ALL_BITS : Number(mask) }));
}
