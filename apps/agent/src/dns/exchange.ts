import { randomInt } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { isIPv6, Socket } from 'node:net';
import { socketIn } from '@portolan/kernel/sockets';
import type { Ask } from './forward.js';
import { framed, HEADER, isAnswerTo, isTruncated, messageReader } from './wire.js';

/** Addresses are never names here, so nothing is looked up. */
export function asItIs(address: string, _options: unknown, answer: (error: null, address: string, family: number) => void): void {
  answer(null, address, isIPv6(address) ? 6 : 4);
}

/**
 * Asks servers by sockets of this thread's namespace, the host's: a resolver on the host's loopback can be asked from there, the host's
 * routes and rules apply, and an endpoint needs no way out of its own to have names. `from` is the path of another namespace, and `port`
 * another port, for tests.
 *
 * Each query has a socket, and so a port, and an id of its own, both random; the socket is connected, so the kernel takes nothing from
 * elsewhere and tells of a closed port at once. What is no answer to the query is ignored. A truncated answer is asked for by TCP.
 */
export function socketExchange({ from, port = 53 }: { readonly from?: string; readonly port?: number } = {}): Ask {
  function udp(server: string): UdpSocket {
    const socket = createSocket({ type: isIPv6(server) ? 'udp6' : 'udp4', lookup: asItIs });
    if (from !== undefined) socket.bind({ fd: socketIn(from, { kind: 'udp' }) });
    return socket;
  }

  function tcp(): Socket {
    return from === undefined ? new Socket() : new Socket({ fd: socketIn(from, { kind: 'tcp' }) });
  }

  function askByUdp(server: string, query: Buffer, end: number, signal: AbortSignal): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const socket = udp(server);
      const close = (): void => {
        signal.removeEventListener('abort', given);
        socket.close();
      };
      const fail = (error: Error): void => {
        close();
        reject(error);
      };
      const given = (): void => fail(new Error('given up'));
      signal.addEventListener('abort', given);
      socket.once('error', fail);
      socket.on('message', (answer) => {
        if (!isAnswerTo(query, answer, end)) return;
        close();
        resolve(answer);
      });
      socket.connect(port, server, () => socket.send(query));
    });
  }

  function askByTcp(server: string, query: Buffer, end: number, signal: AbortSignal): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const socket = tcp();
      const read = messageReader();
      const done = (): void => {
        signal.removeEventListener('abort', given);
        socket.destroy();
      };
      const fail = (error: Error): void => {
        done();
        reject(error);
      };
      const given = (): void => fail(new Error('given up'));
      signal.addEventListener('abort', given);
      socket.on('error', fail);
      socket.once('close', () => fail(new Error('closed without an answer')));
      socket.on('data', (chunk) => {
        const answer = read(chunk).find((message) => isAnswerTo(query, message, end));
        if (answer === undefined) return;
        done();
        resolve(answer);
      });
      socket.connect(port, server, () => socket.write(framed(query)));
    });
  }

  return async (server, asked, end, transport, signal) => {
    const query = Buffer.from(asked);
    query.writeUInt16BE(randomInt(0x10000), 0);
    const answer = transport === 'tcp' ? await askByTcp(server, query, end, signal) : await askByUdp(server, query, end, signal);
    const whole = transport === 'udp' && isTruncated(answer) ? await askByTcp(server, query, end, signal).catch(() => answer) : answer;
    // Names are told apart by no case, but a client may look for its own spelling.
    if (whole.readUInt16BE(4) === 1) asked.copy(whole, HEADER, HEADER, end);
    return whole;
  };
}
