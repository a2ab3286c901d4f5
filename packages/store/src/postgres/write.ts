import type { Id } from '@portolan/model';
import type { Transaction } from './connections.js';
import type { SnapshotRows } from './rows.js';
import { type ChildTable, childKeys, type NounTable, type Table, tables } from './tables.js';

/**
 * Every statement takes its rows as one JSON array, so that one row and ten thousand cost the same statements, and
 * PostgreSQL itself turns text into inet, enums and jsonb.
 */
function insertSql(table: Table): string {
  const columns = tables[table];
  const values = columns.map((column) => (column === 'cluster_id' ? '$2' : `r.${column}`));
  return `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${values.join(', ')} FROM jsonb_populate_recordset(null::${table}, $1::jsonb) r`;
}

function updateSql(table: NounTable): string {
  const assignments = tables[table].filter((column) => column !== 'id' && column !== 'cluster_id').map((column) => `${column} = r.${column}`);
  return `UPDATE ${table} t SET ${assignments.join(', ')} FROM jsonb_populate_recordset(null::${table}, $1::jsonb) r WHERE t.id = r.id AND t.cluster_id = $2`;
}

function deleteSql(table: ChildTable): string {
  const keys = childKeys[table].map((column) => `t.${column} = r.${column}`);
  return `DELETE FROM ${table} t USING jsonb_populate_recordset(null::${table}, $1::jsonb) r WHERE t.cluster_id = $2 AND ${keys.join(' AND ')}`;
}

/** Parents first; deletions run in reverse. */
const nounTables = ['nodes', 'networks', 'services', 'endpoints'] as const satisfies readonly NounTable[];
const childTables = Object.keys(childKeys) as readonly ChildTable[];

/** The database and the snapshot are out of step, which the lock on the cluster's row should make impossible. */
function expectRows(count: number, expected: number, what: string): void {
  if (count !== expected) throw new Error(`${what}: ${count} of ${expected} rows were there; the snapshot in memory is not that of the database`);
}

async function execute(transaction: Transaction, sql: string, rows: readonly object[], cluster: Id, what: string): Promise<void> {
  if (rows.length === 0) return;
  expectRows(await transaction.$executeRawUnsafe(sql, JSON.stringify(rows), cluster), rows.length, what);
}

/**
 * Writes a difference, in the order in which values become free before they are taken: first all deletions, then
 * table by table what changed and what is new. Keys of endpoints and addresses to their nouns are checked at COMMIT.
 */
export async function writeRows(transaction: Transaction, cluster: Id, { nouns, children }: SnapshotRows): Promise<void> {
  for (const table of childTables) await execute(transaction, deleteSql(table), children[table].deleted, cluster, `delete from ${table}`);
  for (const table of [...nounTables].reverse()) {
    const { deleted } = nouns[table];
    if (deleted.length === 0) continue;
    const count = await transaction.$executeRawUnsafe(`DELETE FROM ${table} WHERE id = ANY($1::text[]) AND cluster_id = $2`, [...deleted], cluster);
    expectRows(count, deleted.length, `delete from ${table}`);
  }
  for (const table of nounTables) {
    await execute(transaction, updateSql(table), nouns[table].updated, cluster, `update ${table}`);
    await execute(transaction, insertSql(table), nouns[table].inserted, cluster, `insert into ${table}`);
  }
  for (const table of childTables) await execute(transaction, insertSql(table), children[table].inserted, cluster, `insert into ${table}`);
}
