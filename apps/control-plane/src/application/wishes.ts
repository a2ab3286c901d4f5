import { portolanError } from '@portolan/model';
import type { RevisionRow } from '@portolan/store';
import { isObservation, rolloutTaskActor } from './actor.js';
import type { Context } from './context.js';

const PAGE = 200;

/** Revisions after `since`, newest first, that say what somebody wants. */
export async function wishesSince(ctx: Context, cluster: string, since: number): Promise<readonly RevisionRow[]> {
  const found: RevisionRow[] = [];
  for await (const row of newestFirst(ctx, cluster)) {
    if (row.revision <= since) break;
    if (!isObservation(row)) found.push(row);
  }
  return found;
}

/** The newest revisions that say what somebody wants, before one if it is given; newest first. */
export async function newestWishes(ctx: Context, cluster: string, limit: number, before?: number): Promise<readonly RevisionRow[]> {
  const found: RevisionRow[] = [];
  for await (const row of newestFirst(ctx, cluster, before)) {
    if (found.length >= limit) break;
    if (!isObservation(row)) found.push(row);
  }
  return found;
}

/** A rollout that took itself back is no wish: to go back before it would be to make the change again. */
function isTakenBack({ actor, from }: RevisionRow): boolean {
  return actor === rolloutTaskActor.name && from === null;
}

async function newestWish(ctx: Context, cluster: string): Promise<RevisionRow | undefined> {
  for await (const row of newestFirst(ctx, cluster)) if (!isObservation(row) && !isTakenBack(row)) return row;
  return undefined;
}

/** The revision before the newest one that somebody made. */
export async function revisionToRestore(ctx: Context, cluster: string): Promise<number> {
  const wish = await newestWish(ctx, cluster);
  if (wish === undefined) throw portolanError('not-found', '', `nobody has changed cluster ${cluster} yet`, { fix: 'There is nothing to go back to.' });
  return wish.revision - 1;
}

async function* newestFirst(ctx: Context, cluster: string, from?: number): AsyncGenerator<RevisionRow, void> {
  for (let before = from; ; ) {
    const rows = await ctx.store.revisions(cluster, { limit: PAGE, ...(before === undefined ? {} : { before }) });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    before = last.revision;
  }
}
