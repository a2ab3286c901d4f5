import type { Snapshot } from '@portolan/model';
import type { Changeset } from '@portolan/store';
import type { Context } from './context.js';

/** A changeset that has become a revision and is under way. */
export type Underway = Changeset & { readonly revision: number; readonly rollout: NonNullable<Changeset['rollout']> };

/**
 * The newest snapshot, and the changeset that is under way with it. A rollout begins with a revision and is taken back with one, so the two
 * belong together when there was none in between.
 */
export async function snapshotWithRollout(ctx: Context, cluster: string): Promise<{ readonly snapshot: Snapshot; readonly underway: Underway | null }> {
  for (;;) {
    const snapshot = await ctx.store.snapshot(cluster);
    const underway = await underwayIn(ctx, snapshot);
    if ((await ctx.store.snapshot(cluster)).cluster.revision === snapshot.cluster.revision) return { snapshot, underway };
  }
}

export async function underwayIn(ctx: Context, { cluster: { id } }: Snapshot): Promise<Underway | null> {
  const active = await ctx.store.activeChangeset(id);
  if (active === null || active.revision === null || active.rollout === null) return null;
  return { ...active, revision: active.revision, rollout: active.rollout };
}
