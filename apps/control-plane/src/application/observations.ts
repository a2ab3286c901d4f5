import type { Id } from '@portolan/model';
import type { ObservedRow } from '@portolan/store';
import type { Context } from './context.js';

/** What nodes saw is large: so many are read at a time. */
const NODES_AT_ONCE = 50;

/** What each of the nodes has observed last, of those that have ever reported, in no order. */
export async function* observationsOf(ctx: Context, nodeIds: readonly Id[]): AsyncGenerator<ObservedRow> {
  for (let first = 0; first < nodeIds.length; first += NODES_AT_ONCE) {
    yield* await ctx.store.observedOf(nodeIds.slice(first, first + NODES_AT_ONCE));
  }
}
