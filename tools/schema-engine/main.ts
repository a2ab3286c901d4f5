// Stands in for Prisma's native schema-engine executable: its command line, and JSON-RPC in lines on standard input and output.
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { administer, type OpenEngine, openEngine } from './engine.js';

interface Request {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
}

interface Schema {
  readonly files?: readonly { readonly path: string; readonly content: string }[];
}

const args = process.argv.slice(2);

function option(name: string): string | undefined {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args[at + 1];
}

function datasourceUrl(): string {
  const datasource = option('--datasource');
  const url = datasource === undefined ? undefined : (JSON.parse(datasource) as { url?: string }).url;
  return url ?? process.env.DATABASE_URL ?? '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function codeOf(error: unknown): string | undefined {
  const code = error !== null && typeof error === 'object' && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** The sub-commands beside the protocol: Prisma reads an error as JSON lines, of which it skips the first. */
async function runSubCommand(command: string | undefined): Promise<never> {
  const url = datasourceUrl();
  try {
    if (command === 'can-connect-to-database') {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.end();
    } else {
      const name = pg.escapeIdentifier(decodeURIComponent(new URL(url).pathname.slice(1)));
      await administer(url, `${command === 'create-database' ? 'CREATE' : 'DROP'} DATABASE ${name}`);
    }
    process.exit(0);
  } catch (error) {
    const fields = { message: messageOf(error), is_panic: false, error_code: codeOf(error) === '3D000' ? 'P1003' : 'P1001' };
    writeSync(2, `{}\n${JSON.stringify({ timestamp: new Date().toISOString(), level: 'ERROR', fields, target: 'schema_engine::logger' })}`);
    process.exit(1);
  }
}

let open: OpenEngine | undefined;

function say(message: object): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
}

async function answerOf(method: string, params: Record<string, unknown>): Promise<unknown> {
  const { files = [] } = ((params.schema ?? params.to) as Schema | undefined) ?? {};
  open ??= await openEngine(
    datasourceUrl(),
    files.map(({ path, content }) => [path, content]),
  );
  if (method === 'diff') {
    const { stdout, exitCode } = await open.engine.diff({
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
      ...params,
    } as unknown as Parameters<OpenEngine['engine']['diff']>[0]);
    if (stdout !== null) say({ id: 'print', method: 'print', params: { content: stdout } });
    return { exitCode };
  }
  if (method === 'getDatabaseVersion') return open.engine.version(null);
  if (method === 'listMigrationDirectories') {
    const { migrationDirectories } = params.migrationsList as { migrationDirectories: readonly { path: string }[] };
    return { migrations: migrationDirectories.map(({ path }) => path) };
  }
  if (method === 'evaluateDataLoss') {
    // It needs the migrations' schema, which only this call works out, and which applyMigrations forgets.
    const { migrationsList, filters } = params as unknown as Parameters<OpenEngine['engine']['devDiagnostic']>[0];
    await open.engine.devDiagnostic({ migrationsList, filters });
  }
  const call: unknown = Reflect.get(open.engine, method);
  if (typeof call !== 'function') throw new Error(`the schema engine has no method ${method}`);
  return ((await call.call(open.engine, params)) as unknown) ?? {};
}

async function serve(line: string): Promise<void> {
  const { id, method, params = {} } = JSON.parse(line) as Request;
  if (method === undefined) return;
  try {
    say({ id, result: await answerOf(method, params) });
  } catch (error) {
    const details = { is_panic: false, message: messageOf(error), meta: null, error_code: codeOf(error) };
    say({ id, error: { code: 4466, message: 'error', data: details } });
  }
}

if (args.includes('cli')) await runSubCommand(args[args.indexOf('cli') + 1]);

// One request at a time: the engine keeps what one call learned for the next.
let queue: Promise<void> = Promise.resolve();
function end(): void {
  queue = queue.then(async () => {
    await open?.close();
    process.exit(0);
  });
}
createInterface({ input: process.stdin })
  .on('line', (line) => {
    queue = queue.then(() => serve(line));
  })
  .on('close', end);
process.on('SIGTERM', end);
