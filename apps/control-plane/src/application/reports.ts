import { observeNode } from '@portolan/intent';
import { portolanError, type Snapshot } from '@portolan/model';
import { PROTOCOL_VERSION, type ReportAnswer, ReportSchema } from '@portolan/protocol';
import { commitEdit, type Edit } from './commit.js';
import type { Context } from './context.js';
import { objectNamed } from './objects.js';
import { parsed } from './parse.js';

/** Takes in what an agent says: progress, what it observed, and what it sees of its endpoints and of its host. */
export async function takeReport(ctx: Context, snapshot: Snapshot, name: string, document: unknown): Promise<ReportAnswer> {
  const node = objectNamed(snapshot, 'node', name);
  const report = parsed(ReportSchema, document);
  if (report.protocol !== PROTOCOL_VERSION) {
    throw portolanError('invalid-document', '/protocol', `this control plane speaks version ${PROTOCOL_VERSION} of the protocol, not ${report.protocol}`, {
      fix: 'Run an agent of the same version as the control plane.',
    });
  }
  const cluster = snapshot.cluster.name;
  const known = report.observed.objects !== undefined || (await ctx.store.observed(node.id))?.hash === report.observed.hash;
  const progress = await ctx.store.saveReport(node.id, report);
  const fields = { cluster, node: name, revision: report.revision, generation: report.generation, status: report.status };
  if (report.status === 'failed') ctx.log.warn({ ...fields, errors: report.errors }, 'node reports that it could not apply its state');
  else ctx.log.debug({ ...fields, steps: report.steps.length }, 'node reports');
  ctx.changes.notify('reported', cluster);

  const { health, underlayMtu, underlayLink, onLink } = report.signals;
  const seen = { presence: report.endpoints, health, underlayMtu, underlayLink, onLink };
  const edit: Edit = (current) => observeNode(current, node.id, seen);
  if (edit(snapshot) !== snapshot) await commitEdit(ctx, agentActor(name), cluster, `what ${name} sees of its host and its endpoints`, edit);
  return { generation: progress.generation, wantsObjects: !known };
}

const AGENT = 'agent:';

function agentActor(node: string): string {
  return `${AGENT}${node}`;
}

/** Whether a revision was made by what an agent saw. */
export function isByAgent({ actor }: { readonly actor: string }): boolean {
  return actor.startsWith(AGENT);
}
