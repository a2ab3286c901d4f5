import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { startEtcd } from './etcd.js';
import { startPostgres, unreachableFolder } from './postgres.js';
import { isRunning, readRecord, type ServerRecord, stopRecorded } from './record.js';
import { startRedis } from './redis.js';
import type { RunningServer } from './server-process.js';

export interface ServersOptions {
  /** Absolute path; each server gets a folder in it. */
  readonly directory: string;
  /** See ServerOptions. */
  readonly durable?: boolean;
  /** Servers that exist already: used as they are, not started and not stopped. */
  readonly use?: { readonly databaseUrl?: string; readonly redisUrl?: string; readonly etcdEndpoints?: readonly string[] };
}

export interface RunningServers {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly etcdEndpoints: readonly string[];
  /** Those that were started here, for who wants to see what happens without them. */
  readonly own: { readonly postgres?: RunningServer; readonly redis?: RunningServer; readonly etcd?: RunningServer };
  stop(): Promise<void>;
}

/**
 * A clone in /root is out of reach of the account "postgres"; the database files then lie under /var/lib/portolan, in a
 * folder that belongs to this directory alone.
 */
async function placeOfDatabase(directory: string): Promise<{ readonly files?: string }> {
  if ((await unreachableFolder(directory)) === undefined) return {};
  return { files: join('/var/lib/portolan', createHash('sha256').update(directory).digest('hex').slice(0, 12), 'postgres') };
}

/** Starts PostgreSQL, Redis and etcd side by side. When one fails the others are stopped again. Errors: those of the three. */
export async function startServers(options: ServersOptions): Promise<RunningServers> {
  const directory = resolve(options.directory);
  const { databaseUrl, redisUrl, etcdEndpoints } = options.use ?? {};
  const durable = options.durable ?? true;
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  // The account of PostgreSQL must get through; names in it are no secret, secrets lie in files of mode 0600.
  if (statSync(directory).uid === process.getuid?.()) chmodSync(directory, 0o711);
  const starts = await Promise.allSettled([
    databaseUrl === undefined ? placeOfDatabase(directory).then((place) => startPostgres({ directory: join(directory, 'postgres'), durable, ...place })) : null,
    redisUrl === undefined ? startRedis({ directory: join(directory, 'redis'), durable }) : null,
    etcdEndpoints === undefined ? startEtcd({ directory: join(directory, 'etcd'), durable }) : null,
  ]);
  const running = starts.flatMap((start) => (start.status === 'fulfilled' && start.value !== null ? [start.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((server) => server.stop()));
  };
  const failure = starts.find((start) => start.status === 'rejected');
  if (failure !== undefined) {
    await stop();
    throw failure.reason;
  }
  const [postgres, redis, etcd] = starts.map((start) => (start.status === 'fulfilled' ? start.value : null));
  return {
    databaseUrl: databaseUrl ?? postgres?.url ?? '',
    redisUrl: redisUrl ?? redis?.url ?? '',
    etcdEndpoints: etcdEndpoints ?? [etcd?.url ?? ''],
    own: { ...(postgres && { postgres }), ...(redis && { redis }), ...(etcd && { etcd }) },
    stop,
  };
}

/** Servers of an earlier run in `directory` or in a folder of it that still live. */
export function findLeftServers(directory: string): readonly ServerRecord[] {
  let folders: readonly string[];
  try {
    folders = readdirSync(directory, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
  const records = ['', ...folders].map((name) => readRecord(join(directory, name)));
  return records.filter((record) => record !== undefined).filter(isRunning);
}

/** Stops whatever an earlier run left in `directory` or in a folder of it, whether its process still lives or not. Returns their names. */
export async function stopLeftovers(directory: string): Promise<readonly string[]> {
  const left = findLeftServers(directory);
  await Promise.all(left.map(stopRecorded));
  return left.map(({ name }) => name);
}
