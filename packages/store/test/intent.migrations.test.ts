import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { IntentStore } from '../src/ports.js';
import { openPostgresStore } from '../src/postgres/index.js';
import { startDatabases, type TestDatabases } from './fixtures/database.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const migrations = join(root, 'prisma/migrations');
const names = readdirSync(migrations, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));

let databases: TestDatabases;
beforeAll(async () => {
  databases = await startDatabases();
});
afterAll(() => databases.stop());

let url: string;
let count = 0;
const stores: IntentStore[] = [];
beforeEach(async () => {
  url = await databases.create(`migrations${++count}`);
});
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
});

function open(migrationsDirectory?: string): IntentStore {
  const store = openPostgresStore({ url, ...(migrationsDirectory === undefined ? {} : { migrationsDirectory }) });
  stores.push(store);
  return store;
}

/** Exit status and output of Prisma's own CLI, over its WebAssembly engine. */
function prisma(...args: readonly string[]): Promise<{ readonly status: number; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['tools/prisma.mjs', ...args], { cwd: root, env: { ...process.env, DATABASE_URL: url } }, (error, stdout, stderr) => {
      resolve({ status: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr });
    });
  });
}

/** A copy of the migrations, to be changed. */
function copied(change: (directory: string) => void): string {
  const directory = mkdtempSync(join(tmpdir(), 'portolan-migrations-'));
  cpSync(migrations, directory, { recursive: true });
  change(directory);
  return directory;
}

function add(directory: string, name: string, sql: string): void {
  mkdirSync(join(directory, name));
  writeFileSync(join(directory, name, 'migration.sql'), sql);
}

describe('migrations', () => {
  it('make the schema in an empty database, and then nothing more', async () => {
    const store = open();
    expect(await store.migrate()).toEqual(names);
    expect(await store.migrate()).toEqual([]);
    expect(await store.listClusters()).toEqual([]);
  });

  it('are applied once when five control planes start together', async () => {
    const applied = await Promise.all(Array.from({ length: 5 }, () => open().migrate()));
    expect(applied.flat()).toEqual(names);
    expect(applied.filter((each) => each.length === 0)).toHaveLength(4);
  });

  it('are in the format of Prisma, which finds nothing left to do', async () => {
    await open().migrate();
    const { status, output } = await prisma('migrate', 'deploy');
    expect(output).toContain('No pending migrations to apply');
    expect(status).toBe(0);
    const shadows = await databases.query(url, "SELECT datname FROM pg_database WHERE datname LIKE 'prisma_migrate%'");
    expect(shadows).toEqual([]);
  });

  it('take up where Prisma left off', async () => {
    expect(await prisma('migrate', 'deploy')).toMatchObject({ status: 0 });
    expect(await open().migrate()).toEqual([]);
  });

  it('give exactly the schema of prisma/schema.prisma', async () => {
    const toSchema = ['--to-schema', 'prisma/schema.prisma'];
    expect(await prisma('migrate', 'diff', '--exit-code', '--from-migrations', 'prisma/migrations', ...toSchema)).toMatchObject({ status: 0 });
    // The check itself can fail: two means that there is a difference.
    const grown = copied((directory) => add(directory, '29990101000000_more', 'ALTER TABLE nodes ADD COLUMN zone text;'));
    expect(await prisma('migrate', 'diff', '--exit-code', '--from-migrations', grown, ...toSchema)).toMatchObject({ status: 2 });
    rmSync(grown, { recursive: true });
  });

  it('refuse one that was edited after it was applied', async () => {
    await open().migrate();
    const edited = copied((directory) => writeFileSync(join(directory, names[0] ?? '', 'migration.sql'), 'SELECT 1;'));
    await expect(open(edited).migrate()).rejects.toMatchObject({
      code: 'internal',
      problems: [{ message: expect.stringContaining('edited'), fix: expect.stringContaining('Restore') }],
    });
    rmSync(edited, { recursive: true });
  });

  it('refuse a database of a newer version', async () => {
    const newer = copied((directory) => add(directory, '29990101000000_more', 'SELECT 1;'));
    await open(newer).migrate();
    await expect(open().migrate()).rejects.toMatchObject({ problems: [{ fix: expect.stringContaining('newer') }] });
    rmSync(newer, { recursive: true });
  });

  it('that fail leave nothing behind and are refused until they are resolved', async () => {
    const broken = copied((directory) => add(directory, '29990101000000_broken', 'CREATE TABLE half (id int); SELECT no_such_function();'));
    await expect(open(broken).migrate()).rejects.toMatchObject({ code: 'internal', problems: [{ message: expect.stringContaining('no_such_function') }] });
    expect(await databases.query(url, "SELECT to_regclass('half') AS half")).toEqual([{ half: null }]);
    await expect(open(broken).migrate()).rejects.toMatchObject({
      problems: [{ message: expect.stringContaining('failed before'), fix: expect.stringContaining('--rolled-back') }],
    });
    await databases.query(url, "UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '29990101000000_broken'");
    writeFileSync(join(broken, '29990101000000_broken', 'migration.sql'), 'CREATE TABLE whole (id int);');
    expect(await open(broken).migrate()).toEqual(['29990101000000_broken']);
    rmSync(broken, { recursive: true });
  });

  it('that are not there are missed by name', async () => {
    await expect(open('/nowhere').migrate()).rejects.toMatchObject({ code: 'internal', problems: [{ message: expect.stringContaining('/nowhere') }] });
  });

  it('need a database that exists', async () => {
    url = url.replace(/\/[^/]*$/, '/nowhere');
    await expect(open().migrate()).rejects.toMatchObject({ code: 'store-unavailable', message: expect.stringContaining('"nowhere" does not exist') });
  });
});
