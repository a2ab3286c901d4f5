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

/** A cluster as the first schema had it. */
const firstCluster = `
  INSERT INTO clusters (id, name, settings) VALUES ('c', 'old', '{"markRange": [256, 300], "gatewaySubnet": "192.168.240.0/20"}');
  INSERT INTO nodes VALUES ('n', 'c', 'n1', 'worker', 'active', '172.16.130.1', '{}', 1);
  INSERT INTO networks VALUES ('net', 'c', 'net', false, 4097, '10.0.1.0/24', 1450, '{}', 1);
  INSERT INTO services VALUES ('web', 'c', 'web', 'rr', '{}', 1);
  INSERT INTO published_ports VALUES ('c', 'tcp', 8000, 80, 'web', 0);
  INSERT INTO endpoints VALUES ('e1', 'c', 'web', 'n', 'web.1', '{"pid": 4711}', 1, 'present', '{}', 1), ('e2', 'c', 'web', 'n', 'web.2', '{"pid": 4712}', 1, 'present', '{}', 1);
  INSERT INTO addresses (network_id, address, cluster_id, purpose, service_id, endpoint_id, mark, position) VALUES
    ('net', '10.0.1.1', 'c', 'gateway', null, null, null, 0), ('net', '10.0.1.20', 'c', 'vip', 'web', null, 329, 0),
    ('net', '10.0.1.3', 'c', 'endpoint', null, 'e1', null, 0), ('net', '10.0.1.4', 'c', 'endpoint', null, 'e2', null, 0);`;

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

  it('carry a cluster of the first schema over to the second', async () => {
    const first = copied((directory) => {
      for (const name of names.slice(1)) rmSync(join(directory, name), { recursive: true });
    });
    await open(first).migrate();
    rmSync(first, { recursive: true });
    await databases.query(url, firstCluster);
    const store = open();
    expect(await store.migrate()).toEqual(names.slice(1));
    const snapshot = await store.snapshot('old');
    expect(snapshot.cluster.settings).toMatchObject({ markRange: [256, 300], dnsTtl: 5, ipvsTimeouts: { tcp: 7800 } });
    expect(snapshot.networks.get('net')).toMatchObject({ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4097, mtu: 1450, extraSubnets: [] });
    expect(snapshot.services.get('web')).toMatchObject({
      endpointMode: 'vip',
      networks: [{ networkId: 'net', address: '10.0.1.20', mark: 329, localMark: null, aliases: [] }],
      ports: [{ published: 8000, target: 80, mode: 'ingress', externalTrafficPolicy: 'cluster' }],
    });
    expect([...snapshot.endpoints.values()].map(({ name, gatewayAddress }) => [name, gatewayAddress])).toEqual([
      ['web.1', '192.168.240.3'],
      ['web.2', '192.168.240.4'],
    ]);
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
