import { connect, createServer, type Server, type Socket } from 'node:net';
import { portolanError } from '@portolan/model';

export interface Forwarder {
  stop(): Promise<void>;
}

interface Target {
  readonly host: string;
  readonly port: number;
}

function listen(address: string, target: Target, sockets: Set<Socket>): Promise<Server> {
  const server = createServer((inner) => {
    const outer = connect(target);
    for (const [socket, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    inner.pipe(outer).pipe(inner);
  });
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(portolanError('in-use', '', `${address}:${target.port} cannot be listened on: ${cause.message}`, { cause })));
    server.listen(target.port, address, () => resolve(server));
  });
}

/**
 * Lets the lab's hosts in: what arrives on `address` goes to the same port of where the URL points. The servers themselves
 * listen on loopback only, or are not ours.
 */
export async function forward(address: string, urls: readonly string[]): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  const servers = await Promise.all(urls.map((url) => listen(address, targetOf(url), sockets)));
  return {
    async stop() {
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
    },
  };
}

const usualPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443, 'redis:': 6379, 'rediss:': 6379 };

function targetOf(url: string): Target {
  const { hostname, port, protocol } = new URL(url);
  return { host: hostname, port: port === '' ? (usualPorts[protocol] ?? 0) : Number(port) };
}

/** The same URL with another host, as the lab's hosts see it. */
export function urlAt(url: string, host: string): string {
  const changed = new URL(url);
  changed.port = String(targetOf(url).port);
  changed.hostname = host;
  return changed.href.replace(/\/$/, '');
}
