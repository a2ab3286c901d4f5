import type { Id, Node, Snapshot } from '@portolan/model';
import type { NodeProgress } from '@portolan/store';
import type { Context } from './context.js';
import { progressByNode } from './drains.js';
import type { NodeEvidence } from './rollout.js';
import type { Underway } from './rollout-view.js';
import { touchedServices } from './touched-services.js';

/** What is known of the nodes of a rollout. `base`: the snapshot before the change. */
export async function rolloutEvidence(ctx: Context, snapshot: Snapshot, base: Snapshot, underway: Underway): Promise<ReadonlyMap<Id, NodeEvidence>> {
  const progress = progressByNode(await ctx.store.progress(snapshot.cluster.id));
  const services = touchedServices(underway.plan.changes, base, snapshot);
  const evidence = new Map<Id, NodeEvidence>();
  for (const [id, { state }] of Object.entries(underway.rollout.nodes)) {
    const node = snapshot.nodes.get(id);
    if (node === undefined) continue;
    const row = progress.get(id);
    evidence.set(id, {
      name: node.name,
      isUp: ctx.liveness.isAlive(snapshot.cluster.name, node.name) ?? node.condition === 'up',
      hasApplied: row !== undefined && row.appliedRevision >= underway.revision,
      failure: row === undefined ? null : state === 'released' ? await failureToApply(ctx, snapshot, node, row, underway.revision) : failureOf(row),
      silentVips: silentVips(snapshot, services, row, underway.revision),
    });
  }
  return evidence;
}

function failureOf({ lastStatus, lastErrors: [error] }: NodeProgress): string | null {
  if (lastStatus !== 'failed') return null;
  return error === undefined ? 'it reports a failure' : `${error.message} [${error.code}]`;
}

/** Only of a state with the change: one that failed before says nothing of it. */
async function failureToApply(ctx: Context, { cluster }: Snapshot, { id: nodeId }: Node, row: NodeProgress, revision: number): Promise<string | null> {
  const failure = failureOf(row);
  if (failure === null) return null;
  const [job] = await ctx.store.jobs(cluster.id, { nodeId, status: 'failed', limit: 1 });
  return job !== undefined && job.revision >= revision ? failure : null;
}

/** VIPs of these services that were dialled since the change, and did not answer. */
function silentVips(snapshot: Snapshot, services: ReadonlySet<Id>, row: NodeProgress | undefined, revision: number): readonly string[] {
  return Object.entries(row?.signals.vips ?? {}).flatMap(([key, seen]) => {
    const [serviceId = '', networkId = '', port = ''] = key.split('/');
    if (seen.answers || seen.revision < revision || !services.has(serviceId)) return [];
    return [`${snapshot.services.get(serviceId)?.name ?? serviceId}:${port} on network ${snapshot.networks.get(networkId)?.name ?? networkId}`];
  });
}
