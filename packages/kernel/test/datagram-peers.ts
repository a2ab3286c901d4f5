import { createSocket, type Socket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { socketIn } from '../src/index.js';

/** Milliseconds without an answer after which a datagram is lost. */
const PATIENCE = 150;

export interface Datagrams {
  close(): void;
}

/** One bound in the namespace at `path`. It listens at once, as there is no name to look up. */
function boundSocket(path: string, port: number): Socket {
  return createSocket('udp4').bind({ fd: socketIn(path, { kind: 'udp', bind: { address: '0.0.0.0', port } }) });
}

/** Answers each datagram to that port, in the namespace at `path`, with `name`. */
export function answerDatagrams(path: string, port: number, name: string): Datagrams {
  const socket = boundSocket(path, port);
  socket.on('message', (_message, { port: toPort, address }) => socket.send(name, toPort, address));
  return socket;
}

/** One port of a client, which it keeps. */
export interface DatagramClient extends Datagrams {
  /** Sends that many datagrams, one after the other, and gives who answered each: '' for one that is lost. */
  ask(address: string, port: number, times: number): Promise<readonly string[]>;
}

export function datagramClient(path: string, ownPort: number): DatagramClient {
  const socket = boundSocket(path, ownPort);
  const once = async (address: string, port: number): Promise<string> => {
    const answer = new Promise<string>((resolve) => socket.once('message', (message) => resolve(message.toString())));
    socket.send('?', port, address);
    return Promise.race([answer, sleep(PATIENCE).then(() => '')]);
  };
  return {
    ask: async (address, port, times) => {
      const answers: string[] = [];
      for (let i = 0; i < times; i++) answers.push(await once(address, port));
      return answers;
    },
    close: () => socket.close(),
  };
}
