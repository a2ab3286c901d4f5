import { PortolanError, portolanError } from '@portolan/model';
import type { Changeset, NodeRollout, Rollout } from '@portolan/store';
import type { Actor } from './actor.js';
import { changesetWithId, moveChangeset, wrongStatus } from './changesets.js';
import type { Context } from './context.js';
import { parsed } from './parse.js';
import { ResumeSchema, TakeBackSchema } from './rollout-schemas.js';
import { takeBack } from './take-back.js';

/** No further node is given the change; those that have it keep it. */
export function pauseChangeset(ctx: Context, actor: Actor, cluster: string, id: string): Promise<Changeset> {
  return moveChangeset(ctx, actor, cluster, id, 'pause', ['rolling'], (changeset) => ({
    status: 'paused',
    rollout: { ...rolloutOf(changeset), reason: `paused by ${actor.name}` },
  }));
}

/** Goes on. Nodes that failed are watched anew; other options count from now on. */
export function resumeChangeset(ctx: Context, actor: Actor, cluster: string, id: string, request: unknown): Promise<Changeset> {
  const { rollout: wish = {} } = parsed(ResumeSchema, request ?? {});
  const at = ctx.clock.now().toISOString();
  return moveChangeset(ctx, actor, cluster, id, 'resume', ['paused'], (changeset) => {
    const rollout = rolloutOf(changeset);
    const nodes = Object.entries(rollout.nodes).map(([nodeId, node]): [string, NodeRollout] => [
      nodeId,
      node.state === 'failed' ? { state: 'released', at } : node,
    ]);
    return { status: 'rolling', rollout: { ...rollout, spec: { ...rollout.spec, ...wish }, nodes: Object.fromEntries(nodes), reason: null } };
  });
}

/** It stays. */
export function confirmChangeset(ctx: Context, actor: Actor, cluster: string, id: string): Promise<Changeset> {
  return moveChangeset(ctx, actor, cluster, id, 'confirm', ['confirming'], (changeset) => ({
    status: 'applied',
    rollout: { ...rolloutOf(changeset), confirmBy: null },
  }));
}

/** Back to what was wanted before it, on every node. */
export async function rollbackChangeset(ctx: Context, actor: Actor, cluster: string, id: string, request: unknown): Promise<Changeset> {
  const { force = false } = parsed(TakeBackSchema, request ?? {});
  const snapshot = await ctx.store.snapshot(cluster);
  for (;;) {
    const changeset = await changesetWithId(ctx, snapshot, id);
    const { status, version, revision, rollout } = changeset;
    if ((status !== 'rolling' && status !== 'paused' && status !== 'confirming') || revision === null || rollout === null) {
      throw wrongStatus(changeset, 'roll back', ['rolling', 'paused', 'confirming']);
    }
    try {
      await takeBack(ctx, actor, cluster, { ...changeset, revision, rollout: { ...rollout, reason: `rolled back by ${actor.name}` } }, force);
      return await changesetWithId(ctx, snapshot, id);
    } catch (error) {
      // A rollout moves by itself, too.
      if (!(error instanceof PortolanError && error.code === 'precondition-failed')) throw error;
      if ((await changesetWithId(ctx, snapshot, id)).version === version) throw error;
    }
  }
}

function rolloutOf({ id, rollout }: Changeset): Rollout {
  if (rollout === null) throw portolanError('internal', '', `the changeset ${id} is under way without a rollout`);
  return rollout;
}
