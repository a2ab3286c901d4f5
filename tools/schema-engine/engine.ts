import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { bindMigrationAwareSqlAdapterFactory, type SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';
import { openConnection } from './connection.js';

export interface OpenEngine {
  readonly engine: bindings.SchemaEngine;
  /** Drops the shadow databases that the engine left. */
  close(): Promise<void>;
}

/** Runs `sql` in the database that every PostgreSQL has, beside the one of `url`. */
export async function administer(url: string, sql: string): Promise<void> {
  const beside = new URL(url);
  beside.pathname = '/postgres';
  const client = new pg.Client({ connectionString: beside.href });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** The engine itself never disposes of a shadow database, so they are noted here. */
function adapterFactory(url: string, shadows: Set<() => Promise<void>>): SqlMigrationAwareDriverAdapterFactory {
  return {
    provider: 'postgres',
    adapterName: 'portolan-schema-engine',
    connect: () => openConnection(url),
    async connectToShadowDb() {
      const name = `prisma_migrate_shadow_db_${randomBytes(8).toString('hex')}`;
      await administer(url, `CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE template0`);
      const shadow = new URL(url);
      shadow.pathname = `/${name}`;
      const connection = await openConnection(shadow.href, async () => {
        shadows.delete(connection.dispose);
        await administer(url, `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
      });
      shadows.add(connection.dispose);
      return connection;
    },
  };
}

/** The part of the global WebAssembly that is used here; the types of Node 20 lack it. */
interface WasmCompiler {
  instantiate(
    bytes: Uint8Array,
    imports: Readonly<Record<string, object>>,
  ): Promise<{ readonly instance: { readonly exports: Readonly<Record<string, unknown>> } }>;
}
const compiler: WasmCompiler = Reflect.get(globalThis, 'WebAssembly');

let instantiated = false;
async function instantiate(): Promise<void> {
  if (instantiated) return;
  // The engine leaves the text of a panic here before it traps.
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: { set_message: (message: string) => console.error(`schema engine: ${message}`) } });
  const folder = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'));
  const { instance } = await compiler.instantiate(await readFile(join(folder, 'schema_engine_bg.wasm')), {
    './schema_engine_bg.js': { ...bindings },
  });
  bindings.__wbg_set_wasm(instance.exports);
  const start = instance.exports.__wbindgen_start;
  if (typeof start === 'function') start();
  instantiated = true;
}

/** `datamodels`: path and content of each schema file; none is fine. */
export async function openEngine(url: string, datamodels: readonly (readonly [string, string])[]): Promise<OpenEngine> {
  await instantiate();
  const shadows = new Set<() => Promise<void>>();
  const engine = await bindings.SchemaEngine.new(
    // An empty list makes the engine panic.
    { datamodels: datamodels.length === 0 ? undefined : datamodels.map(([path, content]) => [path, content]) },
    (line: string) => {
      if (process.env.DEBUG !== undefined) console.error(line);
    },
    bindMigrationAwareSqlAdapterFactory(adapterFactory(url, shadows)),
  );
  return {
    engine,
    async close() {
      await Promise.all([...shadows].map((dispose) => dispose()));
    },
  };
}
