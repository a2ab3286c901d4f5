import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import { socketIn } from '@portolan/kernel/sockets';
import type { Ipv4 } from '@portolan/model';
import type { Stage } from './stage.js';

const PORT = 6_000;

/** Sends so many bytes by TCP from one namespace to an address in another: whether they arrived as they were sent, and milliseconds. */
export async function transfer(
  stage: Stage,
  from: string,
  to: string,
  address: Ipv4,
  bytes: number,
): Promise<{ readonly isSame: boolean; readonly milliseconds: number }> {
  const piece = Buffer.alloc(64 * 1024, 'portolan');
  const [sent, received] = [createHash('md5'), createHash('md5')];
  const server = createServer();
  server.listen({ fd: socketIn(stage.path(to), { kind: 'tcp', bind: { address, port: PORT } }) });
  await once(server, 'listening');
  const came = new Promise<number>((resolve) => {
    server.once('connection', (connection) => {
      connection.on('data', (chunk: Buffer) => received.update(chunk));
      connection.on('end', () => resolve(performance.now()));
      connection.resume();
    });
  });
  const client = new Socket({ fd: socketIn(stage.path(from), { kind: 'tcp' }) });
  client.connect(PORT, address);
  await once(client, 'connect');
  const began = performance.now();
  for (let left = bytes; left > 0; left -= piece.length) {
    const next = left < piece.length ? piece.subarray(0, left) : piece;
    sent.update(next);
    if (!client.write(next)) await once(client, 'drain');
  }
  client.end();
  const milliseconds = (await came) - began;
  server.close();
  client.destroy();
  return { isSame: sent.digest('hex') === received.digest('hex'), milliseconds };
}

export interface Pings {
  /** Ends it: how many were sent, and how many answers are missing. Those under way at the end are not. */
  end(): Promise<{ readonly sent: number; readonly lost: number }>;
}

/** Pings under way when they are ended, at most. */
const UNDER_WAY = 10;

/** Pings two hundred times a second. */
export function pings(stage: Stage, from: string, address: Ipv4): Pings {
  const child: ChildProcess = stage.spawn(from, ['ping', '-i', '0.005', address]);
  let output = '';
  child.stdout?.on('data', (piece: Buffer) => (output += piece.toString()));
  return {
    end: async () => {
      child.kill('SIGINT');
      await once(child, 'close');
      const sent = Number(/(\d+) packets transmitted/.exec(output)?.[1]);
      const numbers = new Set([...output.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, number]) => Number(number)));
      const last = Math.max(0, ...numbers);
      return { sent, lost: last - numbers.size + (sent - last > UNDER_WAY ? sent - last : 0) };
    },
  };
}
