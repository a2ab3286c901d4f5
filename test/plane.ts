import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePort, type RunningServers, startServers } from '@portolan/harness';
import { until } from './until.js';

/** A control plane on servers of its own, without hosts. */
export interface Plane {
  readonly url: string;
  readonly servers: RunningServers;
  /** The answer's text; fails for a status of 400 or above. */
  call(path: string, method?: string, body?: unknown): Promise<string>;
  stop(): Promise<void>;
}

/** Resolves when it is ready. `directory`: absolute path, for the servers' data; it is left to the caller. */
export async function startPlane(directory: string): Promise<Plane> {
  const servers = await startServers({ directory });
  const url = `http://127.0.0.1:${await freePort()}`;
  const process_ = controlPlane(url, servers);
  const ended = new Promise((resolve) => process_.once('exit', resolve));
  const plane: Plane = {
    url,
    servers,
    async call(path, method = 'GET', body) {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const answer = await fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return text;
    },
    async stop() {
      process_.kill('SIGTERM');
      await ended;
      await servers.stop();
    },
  };
  try {
    await until(
      'the control plane is ready',
      60,
      () =>
        plane.call('/readyz').then(
          () => true,
          () => false,
        ),
      50,
    );
  } catch (error) {
    await plane.stop();
    throw error;
  }
  return plane;
}

function controlPlane(url: string, servers: RunningServers): ChildProcess {
  return spawn(process.execPath, [fileURLToPath(new URL('../apps/control-plane/dist/main.js', import.meta.url))], {
    env: {
      ...process.env,
      PORTOLAN_LISTEN: url.slice('http://'.length),
      DATABASE_URL: servers.databaseUrl,
      REDIS_URL: servers.redisUrl,
      ETCD_ENDPOINTS: servers.etcdEndpoints.join(','),
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 2, 2],
  });
}
