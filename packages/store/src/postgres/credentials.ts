import type { ApiToken, CredentialStore, JoinToken, NodeCredential } from '../credentials.js';
import type { ApiToken as ApiTokenRow, JoinToken as JoinTokenRow, NodeCredential as NodeCredentialRow } from '../generated/prisma/client.js';
import { KEPT_REFUSALS } from '../history.js';
import { callsOf } from './calls.js';
import { openConnections } from './connections.js';
import type { PostgresOptions } from './index.js';

function joinTokenOf({ createdAt, expiresAt, revokedAt, ...row }: JoinTokenRow): JoinToken {
  return { ...row, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString(), revokedAt: revokedAt?.toISOString() ?? null };
}

function nodeCredentialOf({ issuedAt, expiresAt, revokedAt, ...row }: NodeCredentialRow): NodeCredential {
  return { ...row, issuedAt: issuedAt.toISOString(), expiresAt: expiresAt.toISOString(), revokedAt: revokedAt?.toISOString() ?? null };
}

function apiTokenOf({ clusters, createdAt, expiresAt, revokedAt, ...row }: ApiTokenRow): ApiToken {
  return {
    ...row,
    clusters: Array.isArray(clusters) ? clusters.map(String) : null,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
  };
}

/**
 * Credentials over PostgreSQL, with sessions of its own: who may come in is asked by every request, and must not wait behind commits. The
 * schema is that of the intent store, which brings it up to date.
 */
export function openPostgresCredentials({ url, poolSize = 4, log }: Omit<PostgresOptions, 'migrationsDirectory'>): CredentialStore {
  const connections = openConnections(url, poolSize);
  const run = callsOf(connections, log);
  const { prisma } = connections;
  const isValidAt = (now: string) => ({ revokedAt: null, expiresAt: { gt: now } });

  return {
    addJoinToken: (token) => run(async () => void (await prisma.joinToken.create({ data: token }))),
    joinToken: (id) =>
      run(async () => {
        const row = await prisma.joinToken.findUnique({ where: { id } });
        return row === null ? null : joinTokenOf(row);
      }),
    joinTokens: (clusterId) =>
      run(async () => (await prisma.joinToken.findMany({ where: { clusterId }, orderBy: [{ createdAt: 'desc' }, { id: 'asc' }] })).map(joinTokenOf)),
    spendJoinToken: (id, secretHash, now) =>
      run(async () => {
        const where = { id, secretHash, usesLeft: { gt: 0 }, ...isValidAt(now) };
        const [row] = await prisma.joinToken.updateManyAndReturn({ where, data: { usesLeft: { decrement: 1 } } });
        return row === undefined ? null : joinTokenOf(row);
      }),
    revokeJoinToken: (clusterId, id, now) =>
      run(async () => (await prisma.joinToken.updateMany({ where: { id, clusterId, revokedAt: null }, data: { revokedAt: now } })).count > 0),

    addNodeCredential: (credential) => run(async () => void (await prisma.nodeCredential.create({ data: credential }))),
    nodeCredentials: (nodeId) =>
      run(async () => (await prisma.nodeCredential.findMany({ where: { nodeId }, orderBy: [{ issuedAt: 'desc' }, { id: 'asc' }] })).map(nodeCredentialOf)),
    nodeCredential: (id) =>
      run(async () => {
        const row = await prisma.nodeCredential.findUnique({ where: { id } });
        return row === null ? null : nodeCredentialOf(row);
      }),
    validNodeCredentials: (now) =>
      run(async () => (await prisma.nodeCredential.findMany({ where: isValidAt(now), orderBy: [{ issuedAt: 'asc' }, { id: 'asc' }] })).map(nodeCredentialOf)),
    revokeNodeCredentials: (nodeId, now, except) =>
      run(async () => {
        const where = { nodeId, ...isValidAt(now), ...(except === undefined ? {} : { id: { not: except } }) };
        return (await prisma.nodeCredential.updateMany({ where, data: { revokedAt: now } })).count;
      }),

    addApiToken: ({ clusters, ...token }) =>
      run(async () => void (await prisma.apiToken.create({ data: { ...token, ...(clusters === null ? {} : { clusters: [...clusters] }) } }))),
    apiTokens: () => run(async () => (await prisma.apiToken.findMany({ orderBy: { name: 'asc' } })).map(apiTokenOf)),
    apiToken: (id) =>
      run(async () => {
        const row = await prisma.apiToken.findUnique({ where: { id } });
        return row === null ? null : apiTokenOf(row);
      }),
    revokeApiToken: (id, now) => run(async () => (await prisma.apiToken.updateMany({ where: { id, revokedAt: null }, data: { revokedAt: now } })).count > 0),

    addRefusals: (refusals) =>
      run(async () => {
        await prisma.$executeRaw`
          INSERT INTO refusals (at, "from", actor, method, path, reason)
          SELECT * FROM jsonb_to_recordset(${JSON.stringify(refusals)}::jsonb) AS r(at timestamptz, "from" text, actor text, method text, path text, reason text)`;
        await prisma.$executeRaw`DELETE FROM refusals WHERE id <= (SELECT id FROM refusals ORDER BY id DESC OFFSET ${KEPT_REFUSALS} LIMIT 1)`;
      }),
    refusals: (limit) =>
      run(async () =>
        (await prisma.refusal.findMany({ orderBy: { id: 'desc' }, take: limit, omit: { id: true } })).map(({ at, ...row }) => ({
          ...row,
          at: at.toISOString(),
        })),
      ),

    close: () => connections.close(),
  };
}
