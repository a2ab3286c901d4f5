import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { socketIn } from '@portolan/kernel/sockets';
import { asItIs } from './exchange.js';
import { forgetSocket, takeWaiting, type WaitingSocket } from './waiting.js';
import { framed, messageReader } from './wire.js';

const LISTENING_ADDRESS = '127.0.0.11';
/** A TCP connection without a byte for so long is closed, in milliseconds (RFC 7766 asks for seconds). */
const IDLE = 10_000;
/** TCP connections of one client; it can only harm itself. */
const CONNECTIONS = 64;

/** Gives a message back to whoever sent the one that it answers; to be called once for each, without a message when there is none. */
export type Reply = (message?: Buffer) => void;

export interface Listener {
  close(): void;
}

/**
 * Sockets for UDP and TCP at 127.0.0.11:`port` in the namespace at `path`. They keep that namespace in being, so whoever opens them closes them
 * when the endpoint has gone. Fails with `apply-failed` when the namespace cannot be entered or the address is taken.
 */
export async function listenIn(path: string, port: number, onMessage: (message: Buffer, transport: 'udp' | 'tcp', reply: Reply) => void): Promise<Listener> {
  const bind = { address: LISTENING_ADDRESS, port };
  let closed = false;
  let waiting: WaitingSocket | undefined;
  const connections = new Set<Socket>();

  const udp = createSocket({ type: 'udp4', lookup: asItIs });
  // A reply that cannot be sent, because rules of the container forbid it for example, is like one that was lost.
  udp.on('error', () => undefined);
  const tcp = createServer({ allowHalfOpen: true }, (connection) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
    connection.on('error', () => connection.destroy());
    connection.setTimeout(IDLE, () => connection.destroy());
    connection.on('drain', () => connection.resume());
    const read = messageReader();
    let open = 0;
    let ended = false;
    const endWhenDone = (): void => {
      if (ended && open === 0) connection.end();
    };
    connection.on('end', () => {
      ended = true;
      endWhenDone();
    });
    connection.on('data', (chunk) => {
      const messages = read(chunk);
      open += messages.length;
      for (const message of messages) {
        onMessage(message, 'tcp', (reply) => {
          open -= 1;
          if (connection.destroyed) return;
          // Who does not read its answers gets to ask no more until it has.
          if (reply !== undefined && !connection.write(framed(reply))) connection.pause();
          endWhenDone();
        });
      }
    });
  });
  tcp.maxConnections = CONNECTIONS;

  const close = (): void => {
    closed = true;
    if (waiting !== undefined) forgetSocket(waiting);
    udp.close();
    tcp.close();
    for (const connection of connections) connection.destroy();
  };
  try {
    const fd = socketIn(path, { kind: 'udp', bind });
    const socket: WaitingSocket = {
      fd,
      onMessage: (message, reply) => onMessage(message, 'udp', reply),
      send: (message, { address, port: to }) => {
        if (!closed) udp.send(message, 0, message.length, to, address);
      },
    };
    waiting = socket;
    udp.on('message', (message, sender) => takeWaiting(socket, message, sender));
    udp.bind({ fd });
    tcp.listen({ fd: socketIn(path, { kind: 'tcp', bind }) });
    await once(tcp, 'listening');
  } catch (error) {
    close();
    throw error;
  }
  tcp.on('error', () => undefined);
  return { close };
}
