import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { datagrams, type Sender, socketIn } from '@portolan/kernel/sockets';
import { asItIs } from './exchange.js';
import { framed, messageReader } from './wire.js';

const LISTENING_ADDRESS = '127.0.0.11';
/** A TCP connection without a byte for so long is closed, in milliseconds (RFC 7766 asks for seconds). */
const IDLE = 10_000;
/** TCP connections of one client; it can only harm itself. */
const CONNECTIONS = 64;

/** One for all listeners of the thread: it holds messages only while they are worked on. */
const ROOM = { capacity: 64, size: 4096 } as const;
const room = datagrams(ROOM.capacity, ROOM.size);
/** So many times it is emptied before others get their turn. */
const ROUNDS = 16;

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
  udp.on('message', (message, sender) => {
    take(message, sender);
    takeWaiting();
  });

  function send(reply: Buffer | undefined, { address, port: to }: Sender): void {
    if (!closed && reply !== undefined) udp.send(reply, 0, reply.length, to, address);
  }

  /** A message with its sender, or from the place in the room where both are until the next are taken. */
  function take(message: Buffer, from: Sender | number): void {
    let isNow = true;
    let isOver = false;
    let sender = typeof from === 'number' ? undefined : from;
    onMessage(message, 'udp', (reply) => {
      isOver = true;
      if (isNow && reply !== undefined && reply.length <= ROOM.size) room.put(reply, from);
      else send(reply, sender ?? room.sender(Number(from)));
    });
    isNow = false;
    // Whoever replies later finds other messages in the room.
    if (!isOver && typeof from === 'number') sender = room.sender(from);
  }

  /**
   * Node reads one message at a time. What has come meanwhile is read and answered by two system calls for many; it is looked for until
   * there is nothing, because asking costs a tenth of being woken again.
   */
  function takeWaiting(): void {
    for (let rounds = ROUNDS; rounds > 0; rounds--) {
      room.flush(fd);
      const count = room.receive(fd);
      if (count === 0) return;
      for (let i = 0; i < count; i++) take(room.message(i), i);
    }
    room.flush(fd);
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
