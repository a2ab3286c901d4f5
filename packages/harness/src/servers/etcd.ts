import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { freePort } from './port.js';
import { findProgram } from './programs.js';
import { type RunningServer, type ServerOptions, startServer, takeOver } from './server-process.js';

/** A single etcd: url `http://127.0.0.1:PORT`. Fails with `tool-missing`, `in-use`, `store-unavailable`. */
export async function startEtcd(options: ServerOptions): Promise<RunningServer> {
  const command = findProgram('etcd', 'etcd-server');
  const directory = resolve(options.directory);
  const files = join(directory, 'member');
  mkdirSync(directory, { recursive: true });
  await takeOver(directory);
  return startServer(
    {
      name: 'etcd',
      directory,
      command,
      marker: files,
      stopSignal: 'SIGTERM',
      args: async (port) => {
        const client = `http://127.0.0.1:${port}`;
        const peer = `http://127.0.0.1:${await freePort()}`;
        return [
          ...['--name', 'portolan', '--data-dir', files],
          ...['--listen-client-urls', client, '--advertise-client-urls', client],
          ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `portolan=${peer}`],
          // A member alone elects itself; the usual second of patience serves nobody.
          ...['--heartbeat-interval', '20', '--election-timeout', '200'],
          ...['--auto-compaction-mode', 'revision', '--auto-compaction-retention', '10000'],
          ...['--logger', 'zap', '--log-level', 'warn'],
          ...(options.durable === false ? ['--unsafe-no-fsync'] : []),
        ];
      },
      url: (port) => `http://127.0.0.1:${port}`,
      isReady: async (port) => {
        const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(1_000) });
        return (await answer.text()).includes('"true"');
      },
    },
    options.port,
  );
}
