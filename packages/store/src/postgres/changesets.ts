import { type Change, type Id, portolanError } from '@portolan/model';
import { activeStatuses, type Changeset, type ChangesetStatus, type NewChangeset } from '../changesets.js';
import type { Changeset as Row, ChangesetStatus as StoredStatus } from '../generated/prisma/client.js';
import type { ChangeNote, IntentStore } from '../ports.js';
import type { Connections, Transaction } from './connections.js';

/** Prisma's enums have no hyphens. */
const statusOf = (stored: StoredStatus): ChangesetStatus => (stored === 'rolled_back' ? 'rolled-back' : stored);
const storedStatus = (status: ChangesetStatus): StoredStatus => (status === 'rolled-back' ? 'rolled_back' : status);

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function changesetOf({
  sequence: _sequence,
  changes,
  status,
  document,
  plan,
  rollout,
  createdAt,
  updatedAt,
  ...row
}: Omit<Row, 'plan'> & { readonly plan?: Row['plan'] }): Changeset {
  const stored = (plan ?? {}) as Partial<Pick<Changeset['plan'], 'nodes' | 'blockers'>>;
  return {
    ...row,
    status: statusOf(status),
    document: document as unknown as Changeset['document'],
    plan: { changes: changes as unknown as readonly Change[], nodes: stored.nodes ?? [], blockers: stored.blockers ?? [] },
    rollout: rollout as unknown as Changeset['rollout'],
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

export async function insertedChangeset({ prisma }: Connections, { document, plan, ...changeset }: NewChangeset): Promise<Changeset> {
  const { changes, ...rest } = plan;
  return changesetOf(
    await prisma.changeset.create({ data: { ...changeset, document: document as object, changes: changes as unknown as object[], plan: rest as object } }),
  );
}

export async function oneChangeset({ prisma }: Connections, cluster: Id, id: string): Promise<Changeset | null> {
  const row = uuid.test(id) ? await prisma.changeset.findFirst({ where: { id, clusterId: cluster } }) : null;
  return row === null ? null : changesetOf(row);
}

/** Newest first. A `before` that is unknown gives none. */
export async function changesetRows(
  { prisma }: Connections,
  cluster: Id,
  { limit, before }: Parameters<IntentStore['changesets']>[1],
): Promise<readonly Changeset[]> {
  const last = before === undefined ? undefined : uuid.test(before) ? await prisma.changeset.findUnique({ where: { id: before } }) : null;
  if (last === null) return [];
  const where = { clusterId: cluster, ...(last === undefined ? {} : { sequence: { lt: last.sequence } }) };
  return (await prisma.changeset.findMany({ where, orderBy: { sequence: 'desc' }, take: limit })).map(changesetOf);
}

export async function activeChangesetRow({ prisma }: Connections, cluster: Id): Promise<Changeset | null> {
  const row = await prisma.changeset.findFirst({ where: { clusterId: cluster, status: { in: [...activeStatuses].map(storedStatus) } }, omit: { plan: true } });
  return row === null ? null : changesetOf(row);
}

const moveSql = `UPDATE changesets SET version = version + 1, status = $3::changeset_status, rollout = $4::json, revision = coalesce(revision, $5), updated_at = now()
  WHERE id = $1::uuid AND version = $2`;

type Move = NonNullable<ChangeNote['changeset']>;

async function moved(connection: Connections['prisma'] | Transaction, { id, version, status, rollout }: Move, revision: number | null): Promise<boolean> {
  const text = rollout === null ? null : JSON.stringify(rollout);
  return (await connection.$executeRawUnsafe(moveSql, id, version, status, text, revision)) === 1;
}

/** See IntentStore.updateChangeset. */
export function updatedChangeset({ prisma }: Connections, id: string, version: number, change: Pick<Move, 'status' | 'rollout'>): Promise<boolean> {
  return moved(prisma, { id, version, ...change }, null);
}

/** See ChangeNote.changeset. Only the commit that applies it gives it a revision: what takes it back is a revision of its own. */
export async function moveChangeset(transaction: Transaction, move: Move, revision: number): Promise<void> {
  if (!(await moved(transaction, move, revision))) throw portolanError('precondition-failed', '', `the changeset ${move.id} has moved meanwhile`);
}
