import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { socketIn } from '@portolan/kernel/sockets';
import { type DecodedPacket, decode, encode, type Packet, type RecordType } from 'dns-packet';
import { framed, messageReader } from '../../src/dns/wire.js';

export const DNS_PORT = 11053;
const SERVER = '127.0.0.11';

export interface Stage {
  readonly folder: string;
  /** A file for the test to use. */
  file(name: string, text: string): string;
  /** Path of a network namespace with its lo up; made anew when it was removed. */
  namespace(name: string): string;
  remove(name: string): void;
  dispose(): void;
}

export function openStage(): Stage {
  const folder = mkdtempSync(join(tmpdir(), 'dns-'));
  const mounted = new Set<string>();
  const remove = (name: string): void => {
    const path = join(folder, name);
    execFileSync('umount', [path]);
    rmSync(path);
    mounted.delete(name);
  };
  return {
    folder,
    file: (name, text) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    },
    namespace: (name) => {
      const path = join(folder, name);
      if (mounted.has(name)) return path;
      writeFileSync(path, '');
      execFileSync('unshare', [`--net=${path}`, 'ip', 'link', 'set', 'lo', 'up']);
      mounted.add(name);
      return path;
    },
    remove,
    dispose: () => {
      for (const name of mounted) remove(name);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function query(name: string, type: RecordType = 'A', more: Partial<Packet> = {}): Buffer {
  return encode({ type: 'query', id: randomInt(0x10000), flags: 0x100, questions: [{ type, name, class: 'IN' }], ...more });
}

export function edns(udpPayloadSize: number): Packet['additionals'] {
  return [{ type: 'OPT', name: '.', udpPayloadSize, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] }];
}

/** A UDP socket of the namespace. */
export function udpIn(path: string): UdpSocket {
  const socket = createSocket('udp4');
  socket.bind({ fd: socketIn(path, { kind: 'udp' }) });
  return socket;
}

/** The first answer by UDP; undefined when there is none in time (milliseconds). */
export async function askRaw(path: string, message: Buffer, wait = 5_000): Promise<Buffer | undefined> {
  const socket = udpIn(path);
  try {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), wait);
      socket.once('message', (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      socket.send(message, DNS_PORT, SERVER);
    });
  } finally {
    socket.close();
  }
}

export async function ask(path: string, message: Buffer, wait?: number): Promise<DecodedPacket> {
  const answer = await askRaw(path, message, wait);
  if (answer === undefined) throw new Error('no answer');
  return decode(answer);
}

export function connected(path: string, port = DNS_PORT): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = new Socket({ fd: socketIn(path, { kind: 'tcp' }) });
    socket.once('error', reject);
    socket.connect(port, SERVER, () => resolve(socket));
  });
}

/** The answers by one TCP connection, in the order in which they come; the bytes are sent in the given pieces. */
export async function askByTcp(path: string, messages: readonly Buffer[], pieces = 1): Promise<readonly DecodedPacket[]> {
  const socket = await connected(path);
  const bytes = Buffer.concat(messages.map(framed));
  const read = messageReader();
  const answers: DecodedPacket[] = [];
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed too early')));
    socket.on('data', (chunk) => {
      answers.push(...read(chunk).map((message) => decode(message)));
      if (answers.length < messages.length) return;
      socket.destroy();
      resolve(answers);
    });
    socket.setNoDelay(true);
    const size = Math.ceil(bytes.length / pieces);
    void (async () => {
      for (let at = 0; at < bytes.length; at += size) {
        socket.write(bytes.subarray(at, at + size));
        await new Promise((next) => setImmediate(next));
      }
    })();
  });
}

export function addressesOf({ answers }: DecodedPacket): string[] {
  return (answers ?? []).flatMap((answer) => (answer.type === 'A' ? [answer.data] : []));
}

export interface FakeServer {
  /** Questions that came, by transport. */
  readonly seen: { readonly transport: 'udp' | 'tcp'; readonly packet: DecodedPacket; readonly port: number }[];
  close(): void;
}

/** A name server elsewhere; `answer` gives the messages to send back. */
export function fakeServer(
  path: string,
  address: string,
  port: number,
  answer: (packet: DecodedPacket, transport: 'udp' | 'tcp') => readonly Buffer[],
): FakeServer {
  const seen: { transport: 'udp' | 'tcp'; packet: DecodedPacket; port: number }[] = [];
  const bind = { address, port };
  const udp = createSocket('udp4');
  udp.bind({ fd: socketIn(path, { kind: 'udp', bind }) });
  udp.on('message', (message, sender) => {
    const packet = decode(message);
    seen.push({ transport: 'udp', packet, port: sender.port });
    for (const reply of answer(packet, 'udp')) udp.send(reply, sender.port, sender.address);
  });
  const tcp = createServer((socket) => {
    const read = messageReader();
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      for (const message of read(chunk)) {
        const packet = decode(message);
        seen.push({ transport: 'tcp', packet, port: socket.remotePort ?? 0 });
        for (const reply of answer(packet, 'tcp')) socket.write(framed(reply));
      }
    });
  });
  tcp.listen({ fd: socketIn(path, { kind: 'tcp', bind }) });
  return {
    seen,
    close: () => {
      udp.close();
      tcp.close();
    },
  };
}

/** An answer to a question with so many addresses. */
export function answerTo(packet: DecodedPacket, addresses: readonly string[], more: Partial<Packet> = {}): Buffer {
  const [question] = packet.questions ?? [];
  return encode({
    type: 'response',
    ...(packet.id === undefined ? {} : { id: packet.id }),
    flags: 0x180,
    ...(packet.questions === undefined ? {} : { questions: packet.questions }),
    answers: addresses.map((data) => ({ type: 'A' as const, name: question?.name ?? '.', ttl: 60, data })),
    ...more,
  });
}
