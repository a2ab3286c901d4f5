import { PortolanError, problem, type Snapshot } from '@portolan/model';
import type { Changeset } from '@portolan/store';
import { changesetRepresentation } from './changeset-representation.js';
import { changesetWithId } from './changesets.js';
import type { Context } from './context.js';
import { waitUntil } from './wait.js';

/**
 * Resolves when the changeset is no longer rolling: it is applied, waits for its confirmation, is paused or was rolled back; the last two say why. Fails
 * with `wait-timeout`, naming what each node that is not done does.
 */
export function waitRollout(ctx: Context, cluster: string, id: string, timeoutSeconds: number, gone: AbortSignal): Promise<Changeset> {
  return waitUntil(ctx, cluster, timeoutSeconds, gone, async () => {
    const snapshot = await ctx.store.snapshot(cluster);
    const changeset = await changesetWithId(ctx, snapshot, id);
    return changeset.status === 'rolling' ? { late: () => timedOut(snapshot, changeset, timeoutSeconds) } : { done: changeset };
  });
}

function timedOut(snapshot: Snapshot, changeset: Changeset, seconds: number): PortolanError {
  const nodes = changesetRepresentation(snapshot, changeset).rollout?.nodes ?? [];
  const left = nodes.filter(({ state }) => state === 'waiting' || state === 'released' || state === 'applied').map(({ node, state }) => `${node} is ${state}`);
  const summary = `the changeset ${changeset.id} is still rolling after ${seconds} s: ${left.length} of ${nodes.length} nodes are left`;
  return new PortolanError([
    problem('wait-timeout', '', summary, 'The rollout goes on; read the changeset to see how far it is.'),
    ...left.map((line) => problem('wait-timeout', '', line)),
  ]);
}
