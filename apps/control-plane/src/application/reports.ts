import { observeNode } from '@portolan/intent';
import type { Snapshot } from '@portolan/model';
import { isLater, type ReportAnswer } from '@portolan/protocol';
import { agentActor } from './actor.js';
import { reportOfAgent } from './agent-protocol.js';
import { commitEdit, type Edit } from './commit.js';
import type { Context } from './context.js';
import { newRepairs } from './drift.js';
import { objectNamed } from './objects.js';

/**
 * Takes in what an agent says: progress, what it observed, and what it sees of its endpoints and of its host. A report that comes after a later one of the node
 * (held up on its way, or doubled) is answered, and nothing is done about it.
 */
export async function takeReport(ctx: Context, snapshot: Snapshot, name: string, document: unknown): Promise<ReportAnswer> {
  const node = objectNamed(snapshot, 'node', name);
  const report = await reportOfAgent(ctx, node.id, document);
  const cluster = snapshot.cluster.name;
  const repairs = await newRepairs(ctx, snapshot, node.id, report);
  const { generation, reportOrder, observedHash } = await ctx.store.saveReport(node.id, report);
  const { order } = report;
  if (order !== undefined && reportOrder !== null && isLater(reportOrder, order)) {
    ctx.log.debug({ cluster, node: name, order, latest: reportOrder }, 'a report came after a later one and is not taken');
    return { generation, wantsObjects: false, overtakenBy: reportOrder };
  }
  for (const { kind, seconds } of repairs) ctx.counters.driftRepaired(cluster, kind, seconds);
  const fields = { cluster, node: name, revision: report.revision, generation: report.generation, status: report.status };
  if (report.status === 'failed') ctx.log.warn({ ...fields, errors: report.errors }, 'node reports that it could not apply its state');
  else ctx.log.debug({ ...fields, steps: report.steps.length }, 'node reports');
  ctx.changes.notify('reported', cluster);

  const { health, underlayMtu, underlayLink, onLink } = report.signals;
  const seen = { presence: report.endpoints, health, underlayMtu, underlayLink, onLink };
  const edit: Edit = (current) => observeNode(current, node.id, seen);
  const source = order === undefined ? undefined : { nodeId: node.id, order };
  if (edit(snapshot) !== snapshot) await commitEdit(ctx, agentActor(name), cluster, `what ${name} sees of its host and its endpoints`, edit, source);
  return { generation, wantsObjects: observedHash !== report.observed.hash };
}
