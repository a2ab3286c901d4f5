import { createHash } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from '../generated/prisma/client.js';
import { within } from '../outage.js';

const CONNECT_MILLISECONDS = 3_000;
const STATEMENT_MILLISECONDS = 30_000;
/** Longer than any transaction: a statement that takes too long is ended by PostgreSQL, a server that is gone by the watch below. */
const TRANSACTION_MILLISECONDS = 600_000;

/** The client as it is inside of a transaction. */
export type Transaction = Omit<PrismaClient, '$connect' | '$disconnect' | '$on' | '$use' | '$extends' | '$transaction'>;

export interface Connections {
  readonly prisma: PrismaClient;
  /** One prepared statement straight on the pool: for what every request asks. */
  lookUp<T extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<readonly T[]>;
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** A session of its own, outside of the pool and without a limit on statements. */
  session<T>(work: (client: pg.Client) => Promise<T>): Promise<T>;
  /** Gives what `work` gives, and ends its session when the server has stopped to answer: then `work` fails. */
  watched<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Prepared statements are named by their text: the same text on one session is parsed and planned once. */
function statementNames(): (sql: string) => string {
  const names = new Map<string, string>();
  return (sql) => {
    let name = names.get(sql);
    if (name === undefined) {
      name = `p${createHash('sha1').update(sql).digest('base64url')}`;
      names.set(sql, name);
    }
    return name;
  };
}

/** True when a new session opens and answers. A frozen server accepts connections, but never speaks. */
async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MILLISECONDS });
  // A broken probe is an answer; unheard it would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await within(CONNECT_MILLISECONDS, client.query('SELECT 1'));
    void client.end().catch(() => undefined);
    return true;
  } catch (error) {
    void client.end().catch(() => undefined);
    // Refused for want of room or of a password is an answer too: the sessions that exist may well work.
    return error instanceof pg.DatabaseError && !error.code?.startsWith('57P');
  }
}

/** Connects at the first use. */
export function openConnections(url: string, poolSize: number): Connections {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    connectionTimeoutMillis: CONNECT_MILLISECONDS,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    application_name: 'portolan',
    // Prisma's adapter reads dates as if each session were in UTC.
    options: `-c TimeZone=UTC -c statement_timeout=${STATEMENT_MILLISECONDS}`,
  });
  // An idle session that breaks is followed by another; unheard it would end the process.
  pool.on('error', () => undefined);
  const busy = new Set<pg.Client>();
  pool.on('acquire', (client) => {
    if (client instanceof pg.Client) busy.add(client);
  });
  pool.on('release', (_error, client) => {
    if (client instanceof pg.Client) busy.delete(client);
  });

  const nameOf = statementNames();
  const prisma = new PrismaClient({
    // Warnings of Prisma's own would be a second log beside ours.
    log: [],
    errorFormat: 'minimal',
    adapter: new PrismaPg(pool, { statementNameGenerator: ({ sql }) => nameOf(sql), disposeExternalPool: true }),
  });

  // A frozen server keeps its connections, so nothing below us ever reports it: ask it, on a session of its own.
  let probing: Promise<void> | undefined;
  const endSessionsOfFrozenServer = (): Promise<void> => {
    probing ??= (async () => {
      const suspects = [...busy];
      if (!(await answers(url))) for (const client of suspects) if (busy.has(client)) void client.end().catch(() => undefined);
      probing = undefined;
    })();
    return probing;
  };

  return {
    prisma,
    lookUp: async <T extends pg.QueryResultRow>(text: string, values: readonly unknown[]) =>
      (await pool.query<T>({ name: nameOf(text), text, values: [...values] })).rows,
    transaction: (work) => prisma.$transaction((transaction) => work(transaction), { maxWait: CONNECT_MILLISECONDS, timeout: TRANSACTION_MILLISECONDS }),
    async session(work) {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MILLISECONDS, keepAlive: true });
      // A session that breaks fails its query too; without a listener it would also end the process.
      client.on('error', () => undefined);
      busy.add(client);
      try {
        await client.connect();
        return await work(client);
      } finally {
        busy.delete(client);
        void client.end().catch(() => undefined);
      }
    },
    async watched(work) {
      const watch = setInterval(() => void endSessionsOfFrozenServer(), CONNECT_MILLISECONDS);
      try {
        return await work();
      } finally {
        clearInterval(watch);
      }
    },
    async close() {
      await prisma.$disconnect();
      // Prisma ends the pool only when it has used it.
      if (!pool.ending) await pool.end();
    },
  };
}
