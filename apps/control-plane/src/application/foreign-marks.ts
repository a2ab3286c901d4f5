import type { ForeignMark } from '@portolan/check';
import type { Id, Snapshot } from '@portolan/model';
import { foreignMarksOf } from '@portolan/render';
import type { Context } from './context.js';
import { observationsOf } from './observations.js';

/** Marks that rules of other programs match or set, by node, as the agents saw them last. Not read where the change brings no marks. */
export async function foreignMarksFor(ctx: Context, before: Snapshot, after: Snapshot): Promise<ReadonlyMap<Id, readonly ForeignMark[]>> {
  if (!bringsMarks(before, after)) return new Map();
  const marks = new Map<Id, readonly ForeignMark[]>([...after.nodes.keys()].map((id) => [id, []]));
  for await (const { nodeId, foreign } of observationsOf(ctx, [...marks.keys()])) {
    marks.set(
      nodeId,
      foreign.flatMap(({ text }) => foreignMarksOf(text)),
    );
  }
  return marks;
}

function bringsMarks(before: Snapshot, after: Snapshot): boolean {
  if (before.cluster.settings.markRange.join() !== after.cluster.settings.markRange.join()) return true;
  const had = new Set(marksOf(before));
  return marksOf(after).some((mark) => !had.has(mark));
}

function marksOf({ services }: Snapshot): readonly number[] {
  return [...services.values()].flatMap(({ networks }) => networks.flatMap(({ mark, localMark }) => [mark, localMark])).filter((mark) => mark !== null);
}
