import { type ColumnType, ColumnTypeEnum, DriverAdapterError, type SqlDriverAdapter, type SqlQuery, type SqlResultSet } from '@prisma/driver-adapter-utils';
import pg from 'pg';

const { builtins } = pg.types;
const FIRST_USER_TYPE = 16384;
const TEXT_ARRAY: number = 1009;

/**
 * Types of the columns that the engine reads from PostgreSQL's catalogue. Prisma's own adapter refuses two of them:
 * "char" (18), which the engine wants as a character, and name (19), which it wants as text.
 */
const columnTypes: ReadonlyMap<number, ColumnType> = new Map<number, ColumnType>([
  [builtins.BOOL, ColumnTypeEnum.Boolean],
  [builtins.INT2, ColumnTypeEnum.Int32],
  [builtins.INT4, ColumnTypeEnum.Int32],
  [builtins.INT8, ColumnTypeEnum.Int64],
  [builtins.OID, ColumnTypeEnum.Int64],
  [builtins.TEXT, ColumnTypeEnum.Text],
  [builtins.VARCHAR, ColumnTypeEnum.Text],
  [builtins.BPCHAR, ColumnTypeEnum.Text],
  [builtins.JSON, ColumnTypeEnum.Json],
  [builtins.JSONB, ColumnTypeEnum.Json],
  [builtins.TIMESTAMPTZ, ColumnTypeEnum.DateTime],
  [18, ColumnTypeEnum.Character],
  [19, ColumnTypeEnum.Text],
  [1002, ColumnTypeEnum.TextArray],
  [1003, ColumnTypeEnum.TextArray],
  [1005, ColumnTypeEnum.Int32Array],
  [1007, ColumnTypeEnum.Int32Array],
  [TEXT_ARRAY, ColumnTypeEnum.TextArray],
  [1015, ColumnTypeEnum.TextArray],
  [1016, ColumnTypeEnum.Int64Array],
  [1028, ColumnTypeEnum.Int64Array],
]);

const asIs = (text: string): string => text;
const asTimestamp = (text: string): string => text.replace(' ', 'T').replace(/[+-]\d{2}(:\d{2})?$/, '+00:00');
// name[] and "char"[] are unknown to node-postgres; their text form is that of text[].
const asTextArray = pg.types.getTypeParser(TEXT_ARRAY, 'text');
const parsers: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [builtins.JSON, asIs],
  [builtins.JSONB, asIs],
  [builtins.TIMESTAMPTZ, asTimestamp],
  [1002, asTextArray],
  [1003, asTextArray],
]);

function columnType(oid: number): ColumnType {
  const known = columnTypes.get(oid) ?? (oid >= FIRST_USER_TYPE ? ColumnTypeEnum.Text : undefined);
  if (known === undefined) throw new DriverAdapterError({ kind: 'UnsupportedNativeDataType', type: String(oid) });
  return known;
}

function adapterError(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const { message, code = '', severity = 'ERROR', detail, column, hint } = error;
  const original = { originalCode: code, originalMessage: message };
  // The engine tells a fresh database by this one.
  if (code === '42P01') return new DriverAdapterError({ ...original, kind: 'TableDoesNotExist', table: /"([^"]+)"/.exec(message)?.[1] ?? '' });
  return new DriverAdapterError({ ...original, kind: 'postgres', code, severity, message, detail, column, hint });
}

/** The engine's way to one database: a single session, in which dates are in UTC. */
export async function openConnection(url: string, onDispose: () => Promise<void> = async () => {}): Promise<SqlDriverAdapter> {
  const client = new pg.Client({ connectionString: url, options: '-c TimeZone=UTC' });
  await client.connect();

  const run = async ({ sql, args }: SqlQuery): Promise<pg.QueryArrayResult<unknown[]>> => {
    try {
      return await client.query<unknown[]>({
        text: sql,
        values: args,
        rowMode: 'array',
        types: { getTypeParser: (oid: number) => parsers.get(oid) ?? pg.types.getTypeParser(oid, 'text') },
      });
    } catch (error) {
      throw adapterError(error);
    }
  };
  const queryable = {
    provider: 'postgres' as const,
    adapterName: 'portolan-schema-engine',
    async queryRaw(query: SqlQuery): Promise<SqlResultSet> {
      const { fields, rows } = await run(query);
      return { columnNames: fields.map((f) => f.name), columnTypes: fields.map((f) => columnType(f.dataTypeID)), rows };
    },
    async executeRaw(query: SqlQuery): Promise<number> {
      return (await run(query)).rowCount ?? 0;
    },
  };
  return {
    ...queryable,
    // Whole, as one implicit transaction: splitting at ";" would break functions and DO blocks.
    async executeScript(script) {
      await client.query(script).catch((error: unknown) => {
        throw adapterError(error);
      });
    },
    async startTransaction() {
      await client.query('BEGIN');
      return {
        ...queryable,
        options: { usePhantomQuery: false },
        commit: async () => void (await client.query('COMMIT')),
        rollback: async () => void (await client.query('ROLLBACK')),
      };
    },
    getConnectionInfo: () => ({ supportsRelationJoins: true }),
    async dispose() {
      await client.end();
      await onDispose();
    },
  };
}
