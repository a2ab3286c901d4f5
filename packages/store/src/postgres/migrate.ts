import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { portolanError } from '@portolan/model';
import pg from 'pg';
import type { Connections } from './connections.js';

/** The lock that Prisma Migrate itself takes, so that the two never run at once. */
const PRISMA_LOCK = 72707369;

/** Prisma's own table, byte for byte (7.10.0), so that `prisma migrate` agrees with what is done here. */
const tableSql = `CREATE TABLE IF NOT EXISTS _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL,
  finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)`;

interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

interface MigrationRow {
  readonly migration_name: string;
  readonly checksum: string;
  readonly finished_at: Date | null;
}

/** `prisma/migrations` of the repository, from the sources and from the build alike. */
const repositoryMigrations = fileURLToPath(new URL('../../../../prisma/migrations', import.meta.url));

async function readMigrations(directory: string): Promise<readonly Migration[]> {
  const names = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
    throw portolanError('internal', '', `the migrations of the database are not at ${directory}`, {
      cause,
      fix: 'Run from a complete installation, or say where the folder prisma/migrations is.',
    });
  });
  const folders = names.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
  return Promise.all(
    folders.map(async (name) => {
      const sql = await readFile(join(directory, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

function refuseUnfit(rows: readonly MigrationRow[], migrations: readonly Migration[]): void {
  const failed = rows.find(({ finished_at }) => finished_at === null)?.migration_name;
  if (failed !== undefined) {
    throw portolanError('internal', '', `the migration ${failed} failed before, or was cut off, and is not finished`, {
      fix: `Read its column "logs" in the table _prisma_migrations, undo what is left of it, then run: node tools/prisma.mjs migrate resolve --rolled-back ${failed}`,
    });
  }
  const checksums = new Map(migrations.map(({ name, checksum }) => [name, checksum]));
  for (const { migration_name: name, checksum } of rows) {
    const present = checksums.get(name);
    if (present === undefined) {
      throw portolanError('internal', '', `the database has the migration ${name}, which this version of Portolan does not know`, {
        fix: 'Start the version of Portolan that last used this database, or a newer one.',
      });
    }
    if (present !== checksum) {
      throw portolanError('internal', '', `the migration ${name} was edited after it was applied`, {
        fix: `Restore prisma/migrations/${name}/migration.sql, and put the change into a new migration: node tools/prisma.mjs migrate dev --name WHAT`,
      });
    }
  }
}

async function applyMigration(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  const id = randomUUID();
  await client.query('INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ($1, $2, $3)', [id, checksum, name]);
  try {
    // Sent as a whole, PostgreSQL runs it as one transaction: a migration that fails leaves nothing.
    await client.query(sql);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    await client.query('UPDATE _prisma_migrations SET logs = $2 WHERE id = $1', [id, text]).catch(() => undefined);
    if (!(cause instanceof pg.DatabaseError)) throw cause;
    throw portolanError('internal', '', `the migration ${name} failed: ${text}`, {
      cause,
      fix: `Put right what PostgreSQL names, then run: node tools/prisma.mjs migrate resolve --rolled-back ${name}`,
    });
  }
  await client.query('UPDATE _prisma_migrations SET finished_at = now(), applied_steps_count = 1 WHERE id = $1', [id]);
}

/**
 * Applies what is missing and returns the names. Several at once are safe: one applies, the others wait for it.
 * Fails with `store-unavailable`, and with `internal` when a migration was edited, is unknown or has failed.
 */
export async function applyMigrations(connections: Connections, directory = repositoryMigrations): Promise<readonly string[]> {
  const migrations = await readMigrations(directory);
  return connections.session(async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [PRISMA_LOCK]);
    await client.query(tableSql);
    const { rows } = await client.query<MigrationRow>('SELECT migration_name, checksum, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL');
    refuseUnfit(rows, migrations);
    const done = new Set(rows.map(({ migration_name }) => migration_name));
    const missing = migrations.filter(({ name }) => !done.has(name));
    for (const migration of missing) await applyMigration(client, migration);
    return missing.map(({ name }) => name);
  });
}
