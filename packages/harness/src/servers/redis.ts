import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { findProgram } from './programs.js';
import { secretIn } from './secret.js';
import { type RunningServer, type ServerOptions, startServer, takeOver } from './server-process.js';

function answersPing(port: number, secret: string): Promise<boolean> {
  return new Promise((answer, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let text = '';
    socket.setTimeout(1_000, () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
    socket.once('connect', () => socket.write(`AUTH ${secret}\r\nPING\r\n`));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      // +OK, then +PONG; while it still reads its log back it answers -LOADING.
      if (text.split('\r\n').length > 2) {
        socket.destroy();
        answer(text.includes('+PONG'));
      }
    });
  });
}

/** A Redis with an append-only file: url `redis://default:SECRET@127.0.0.1:PORT`. Fails with `tool-missing`, `in-use`, `store-unavailable`. */
export async function startRedis(options: ServerOptions): Promise<RunningServer> {
  const command = findProgram('redis-server', 'redis-server');
  const directory = resolve(options.directory);
  mkdirSync(directory, { recursive: true });
  await takeOver(directory);
  const secret = secretIn(join(directory, 'secret'));
  const configuration = join(directory, 'redis.conf');
  return startServer(
    {
      name: 'Redis',
      directory,
      command,
      marker: configuration,
      stopSignal: 'SIGTERM',
      args: (port) => {
        const lines = [
          `bind 127.0.0.1`,
          `port ${port}`,
          `requirepass ${secret}`,
          `dir ${JSON.stringify(directory)}`,
          'daemonize no',
          // Else the command line becomes "redis-server 127.0.0.1:PORT", and nothing tells ours from others.
          'set-proc-title no',
          'save ""',
          'appendonly yes',
          `appendfsync ${options.durable === false ? 'no' : 'everysec'}`,
          // BullMQ's keys must never be evicted.
          'maxmemory-policy noeviction',
          'loglevel warning',
        ];
        writeFileSync(configuration, `${lines.join('\n')}\n`, { mode: 0o600 });
        return [configuration];
      },
      url: (port) => `redis://default:${secret}@127.0.0.1:${port}`,
      isReady: (port) => answersPing(port, secret),
    },
    options.port,
  );
}
