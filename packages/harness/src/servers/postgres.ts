import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { portolanError } from '@portolan/model';
import { type Account, findPostgresPrograms, postgresAccount, runToEnd } from './programs.js';
import { secretIn } from './secret.js';
import { type RunningServer, type ServerOptions, startServer, takeOver } from './server-process.js';

export interface PostgresOptions extends ServerOptions {
  /** Where the database files lie. Default: `files` in the directory. */
  readonly files?: string;
}

const database = 'portolan';

async function mayEnter(directory: string, account: Account): Promise<boolean> {
  return runToEnd('/usr/bin/test', ['-x', directory], account).then(
    () => true,
    () => false,
  );
}

/** The outermost folder on the way to `directory` that the account of PostgreSQL may not enter; undefined when it reaches it, or when we are not root. */
export async function unreachableFolder(directory: string): Promise<string | undefined> {
  const account = await postgresAccount();
  if (account === undefined) return undefined;
  const way = [resolve(directory)];
  for (let folder = resolve(directory); folder !== dirname(folder); folder = dirname(folder)) way.unshift(dirname(folder));
  for (const folder of way) {
    if (existsSync(folder) && !(await mayEnter(folder, account))) return folder;
  }
  return undefined;
}

/** Makes the parent of the database files. It stays ours: only the files themselves belong to the account. */
async function prepareParent(parent: string): Promise<void> {
  mkdirSync(parent, { recursive: true, mode: 0o711 });
  if (statSync(parent).uid === process.getuid?.()) chmodSync(parent, 0o711);
  const closed = await unreachableFolder(parent);
  if (closed !== undefined) {
    throw portolanError('in-use', '', `PostgreSQL runs as the account "postgres", which may not enter ${closed}`, {
      fix: `Use a directory that every account may enter, such as /var/lib/portolan, or run: chmod o+x ${closed}`,
    });
  }
}

/** initdb into a folder beside, then a rename: files that exist are whole. */
async function initialise(programs: string, parent: string, files: string, secret: string, account: Account | undefined): Promise<void> {
  const unfinished = join(parent, 'unfinished');
  const passwordFile = join(parent, 'password');
  rmSync(unfinished, { recursive: true, force: true });
  writeFileSync(passwordFile, secret, { mode: 0o600 });
  mkdirSync(unfinished, { mode: 0o700 });
  if (account !== undefined) for (const path of [unfinished, passwordFile]) chownSync(path, account.uid, account.gid);
  try {
    // --no-sync: nothing of value is in it yet.
    const flags = ['-D', unfinished, '-U', 'postgres', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'];
    await runToEnd(join(programs, 'initdb'), flags, account);
  } catch (cause) {
    throw portolanError('store-unavailable', '', `initdb failed: ${(cause as Error).message}`, { cause });
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(unfinished, files);
}

/** The eighth line of postmaster.pid is the server's own word on whether it accepts connections; a killed predecessor's file may be left, hence the pid. */
function saysReady(files: string, pid: number): boolean {
  const lines = readFileSync(join(files, 'postmaster.pid'), 'utf8').split('\n');
  return lines[0]?.trim() === String(pid) && lines[7]?.trim() === 'ready';
}

async function createDatabase(programs: string, port: number, secret: string): Promise<void> {
  const flags = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', database];
  await runToEnd(join(programs, 'createdb'), flags, undefined, { PGPASSWORD: secret }).catch((cause: Error) => {
    if (!cause.message.includes('already exists')) throw portolanError('store-unavailable', '', `createdb failed: ${cause.message}`, { cause });
  });
}

/**
 * A PostgreSQL with an empty database: url `postgresql://postgres:SECRET@127.0.0.1:PORT/portolan`, a superuser's. As root it runs as
 * the account "postgres". Fails with `tool-missing`, `in-use` (another run, or a directory out of that account's reach), `store-unavailable`.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningServer> {
  const programs = findPostgresPrograms();
  const account = await postgresAccount();
  const directory = resolve(options.directory);
  const files = resolve(options.files ?? join(directory, 'files'));
  const parent = dirname(files);
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  await takeOver(directory);
  await prepareParent(parent);
  const secret = secretIn(join(directory, 'secret'));
  const isNew = !existsSync(join(files, 'PG_VERSION'));
  if (isNew) await initialise(programs, parent, files, secret, account);
  const server = await startServer(
    {
      name: 'PostgreSQL',
      directory,
      command: join(programs, 'postgres'),
      marker: files,
      // Fast shutdown: sessions are ended, not awaited.
      stopSignal: 'SIGINT',
      ...(account === undefined ? {} : { account }),
      args: (port) => [
        ...['-D', files, '-p', String(port), '-c', 'listen_addresses=127.0.0.1'],
        // No Unix socket: its path may be 107 bytes at most, and a directory may be deeper.
        ...['-c', 'unix_socket_directories='],
        ...['-c', 'max_connections=200', '-c', 'log_checkpoints=off'],
        ...(options.durable === false ? ['-F', '-c', 'synchronous_commit=off', '-c', 'full_page_writes=off'] : []),
      ],
      url: (port) => `postgresql://postgres:${secret}@127.0.0.1:${port}/${database}`,
      isReady: async (_port, pid) => saysReady(files, pid),
    },
    options.port,
  );
  const created = join(directory, 'created');
  if (isNew || !existsSync(created)) {
    await createDatabase(programs, server.port, secret);
    writeFileSync(created, '');
  }
  return server;
}
