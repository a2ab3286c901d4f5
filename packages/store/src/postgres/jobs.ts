import type { Id } from '@portolan/model';
import type { StateDelta } from '@portolan/node-state';
import type { Prisma } from '../generated/prisma/client.js';
import type { IntentStore, JobRow, OutboxMessage, StoreCounts } from '../ports.js';
import type { Connections } from './connections.js';
import { CallerFailure } from './failures.js';
import { reportOf } from './reports.js';

const withReport = { report: { select: { body: true } } } as const satisfies Prisma.JobInclude;

function jobRow(job: Prisma.JobGetPayload<{ include: typeof withReport }>): JobRow {
  return {
    id: job.id,
    nodeId: job.nodeId,
    generation: job.generation,
    revision: job.revision,
    status: job.status,
    plan: job.plan as unknown as JobRow['plan'],
    createdAt: job.createdAt.toISOString(),
    finishedAt: job.finishedAt?.toISOString() ?? null,
    report: reportOf(job.report?.body),
  };
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Newest first. A `before` that is unknown gives none. */
export async function jobRows({ prisma }: Connections, cluster: Id, filter: Parameters<IntentStore['jobs']>[1]): Promise<readonly JobRow[]> {
  const { nodeId, status, limit, before } = filter;
  const where: Prisma.JobWhereInput = { clusterId: cluster, ...(nodeId === undefined ? {} : { nodeId }), ...(status === undefined ? {} : { status }) };
  if (before !== undefined) {
    const last = uuid.test(before) ? await prisma.job.findUnique({ where: { id: before }, select: { sequence: true } }) : null;
    if (last === null) return [];
    where.sequence = { lt: last.sequence };
  }
  return (await prisma.job.findMany({ where, orderBy: { sequence: 'desc' }, take: limit, include: withReport })).map(jobRow);
}

const newestSql = `SELECT j.id::text AS id FROM unnest($1::text[]) AS n(id)
  CROSS JOIN LATERAL (SELECT id FROM jobs WHERE node_id = n.id ORDER BY sequence DESC LIMIT $2) j`;

/** The newest of each node, newest first. */
export async function newestJobRows({ prisma, lookUp }: Connections, nodeIds: readonly Id[], limit: number): Promise<readonly JobRow[]> {
  const ids = (await lookUp<{ id: string }>(newestSql, [[...new Set(nodeIds)], limit])).map(({ id }) => id);
  return (await prisma.job.findMany({ where: { id: { in: ids } }, orderBy: { sequence: 'desc' }, include: withReport })).map(jobRow);
}

export async function oneJobRow({ prisma }: Connections, id: string): Promise<JobRow | null> {
  const job = uuid.test(id) ? await prisma.job.findUnique({ where: { id }, include: withReport }) : null;
  return job === null ? null : jobRow(job);
}

interface MessageRow {
  readonly id: bigint;
  readonly cluster: string;
  readonly node: string;
  readonly node_id: Id;
  readonly job: string;
  readonly generation: number;
  readonly revision: number;
  readonly delta: StateDelta | null;
}

/** Several control planes drain side by side: each takes rows that no other has locked. */
const takeSql = `SELECT o.id, c.name AS cluster, n.name AS node, n.id AS node_id, j.id::text AS job, j.generation, j.revision, j.delta
  FROM outbox o JOIN jobs j ON j.id = o.job_id JOIN nodes n ON n.id = j.node_id JOIN clusters c ON c.id = j.cluster_id
  ORDER BY o.id LIMIT $1 FOR UPDATE OF o SKIP LOCKED`;

function messageOf({ id, cluster, node, node_id: nodeId, job, generation, revision, delta }: MessageRow): OutboxMessage {
  const hint = { jobId: job, generation, revision, nodeId };
  return { id: String(id), cluster, node, hint: delta === null ? hint : { ...hint, delta } };
}

/** See IntentStore.drainOutbox. */
export async function publishOutbox(connections: Connections, limit: number, publish: (messages: readonly OutboxMessage[]) => Promise<void>): Promise<number> {
  return connections.transaction(async (transaction) => {
    const rows = await transaction.$queryRawUnsafe<MessageRow[]>(takeSql, limit);
    if (rows.length === 0) return 0;
    const messages = rows.map(messageOf);
    await publish(messages).catch((error: unknown) => {
      throw new CallerFailure(error);
    });
    await transaction.$executeRawUnsafe(
      'DELETE FROM outbox WHERE id = ANY($1::bigint[])',
      rows.map(({ id }) => String(id)),
    );
    return rows.length;
  });
}

export async function storeCounts({ prisma }: Connections): Promise<StoreCounts> {
  const outbox = await prisma.outboxMessage.count();
  const groups = await prisma.job.groupBy({ by: ['status'], _count: true });
  const jobs = { queued: 0, applied: 0, failed: 0, superseded: 0 };
  for (const { status, _count } of groups) jobs[status] = _count;
  return { outbox, jobs };
}
