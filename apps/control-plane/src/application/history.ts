import { type Id, portolanError, type Snapshot } from '@portolan/model';
import type { JobRow, RevisionRow } from '@portolan/store';
import type { Context } from './context.js';
import { type PlanLines, planLines } from './nodes.js';
import { objectNamed, type Page } from './objects.js';

export const jobStatuses = ['queued', 'applied', 'failed', 'superseded'] as const satisfies readonly JobRow['status'][];

export interface JobLine extends Omit<JobRow, 'nodeId' | 'plan' | 'report'> {
  /** Name of the node; its id when it is gone. */
  readonly node: string;
  readonly plan: PlanLines;
}

export interface Job extends JobLine {
  readonly report: JobRow['report'];
}

export interface JobFilter {
  readonly node?: string;
  readonly status?: JobRow['status'];
}

/** Newest first. */
export async function listJobs(ctx: Context, snapshot: Snapshot, filter: JobFilter, limit: number, cursor?: string): Promise<Page<JobLine>> {
  const rows = await ctx.store.jobs(snapshot.cluster.id, {
    ...(filter.node === undefined ? {} : { nodeId: objectNamed(snapshot, 'node', filter.node).id }),
    ...(filter.status === undefined ? {} : { status: filter.status }),
    limit: limit + 1,
    ...(cursor === undefined ? {} : { before: cursor }),
  });
  const items = rows.slice(0, limit).map((row) => jobLine(snapshot, row));
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
}

/** The newest `limit` of each node, by the node's id; newest first. */
export async function newestJobs(ctx: Context, snapshot: Snapshot, nodeIds: readonly Id[], limit: number): Promise<ReadonlyMap<Id, readonly JobLine[]>> {
  const jobs = new Map<Id, JobLine[]>(nodeIds.map((id) => [id, []]));
  for (const row of await ctx.store.newestJobs(nodeIds, limit)) jobs.get(row.nodeId)?.push(jobLine(snapshot, row));
  return jobs;
}

/** Throws `not-found`, also for a job of another cluster. */
export async function findJob(ctx: Context, snapshot: Snapshot, id: string): Promise<Job> {
  const row = await ctx.store.job(id);
  if (row === null || !snapshot.nodes.has(row.nodeId)) throw portolanError('not-found', '', `cluster ${snapshot.cluster.name} has no job ${id}`);
  return jobFrom(snapshot, row);
}

function jobLine(snapshot: Snapshot, row: JobRow): JobLine {
  const { report: _report, ...line } = jobFrom(snapshot, row);
  return line;
}

function jobFrom(snapshot: Snapshot, { nodeId, plan, ...row }: JobRow): Job {
  return { ...row, node: snapshot.nodes.get(nodeId)?.name ?? nodeId, plan: planLines(plan) };
}

/** Newest first; the cursor is the last revision of the page before. */
export async function listRevisions(ctx: Context, cluster: string, limit: number, before?: number): Promise<Page<RevisionRow>> {
  const rows = await ctx.store.revisions(cluster, { limit: limit + 1, ...(before === undefined ? {} : { before }) });
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: rows.length > limit && last !== undefined ? String(last.revision) : null };
}
