import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { datagrams, socketIn } from '@portolan/kernel/sockets';
import { asItIs } from './exchange.js';
import { framed, messageReader } from './wire.js';

export const LISTENING_ADDRESS = '127.0.0.11';
/** A TCP connection without a byte for so long is closed, in milliseconds (RFC 7766 asks for seconds). */
const IDLE = 10_000;
/** TCP connections of one client; it can only harm itself. */
const CONNECTIONS = 64;

/** One for all listeners of the thread: it holds messages only while they are worked on. */
const ROOM = { capacity: 64, size: 4096 } as const;
const room = datagrams(ROOM.capacity, ROOM.size);
/** So many times it is emptied before others get their turn. */
const ROUNDS = 8;

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
  let fd = -1;
  const connections = new Set<Socket>();

  const udp = createSocket({ type: 'udp4', lookup: asItIs });
  // A reply that cannot be sent, because rules of the container forbid it for example, is like one that was lost.
  udp.on('error', () => undefined);
  udp.on('message', (message, { port: to, address }) => {
    onMessage(message, 'udp', (reply) => send(reply, to, address));
    takeWaiting();
  });

  function send(reply: Buffer | undefined, to: number, address: string): void {
    if (!closed && reply !== undefined) udp.send(reply, 0, reply.length, to, address);
  }

  /** Node reads one message at a time; what has come meanwhile is read and answered by two system calls for many. */
  function takeWaiting(): void {
    for (let rounds = ROUNDS; rounds > 0 && !closed; rounds--) {
      const count = room.receive(fd);
      for (let i = 0; i < count; i++) {
        let isNow = true;
        let later: ReturnType<typeof room.sender> | undefined;
        onMessage(room.message(i), 'udp', (reply) => {
          if (isNow && reply !== undefined && reply.length <= ROOM.size) room.put(reply, i);
          else if (isNow) send(reply, room.sender(i).port, room.sender(i).address);
          else if (later !== undefined) send(reply, later.port, later.address);
        });
        isNow = false;
        later = room.sender(i);
      }
      room.flush(fd);
      if (count < ROOM.capacity) return;
    }
  }

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
    udp.close();
    tcp.close();
    for (const connection of connections) connection.destroy();
  };
  try {
    fd = socketIn(path, { kind: 'udp', bind });
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
