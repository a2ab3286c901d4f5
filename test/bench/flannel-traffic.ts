/**
 * flannel-traffic.ts sink | source: a process in a container that does nothing else. For each line of JSON on standard input it prints one.
 * The sink counts what arrives at its ports since the last question; the source sends as fast as it can.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { datagrams, socketIn } from '@portolan/kernel/sockets';

export interface SourceRequest {
  readonly kind: 'tcp' | 'udp';
  readonly target: string;
  readonly seconds: number;
  /** Bytes of data of a datagram. */
  readonly size: number;
}

export interface SourceFigures {
  readonly seconds: number;
  /** Datagrams, or bytes over TCP, that the kernel took. */
  readonly sent: number;
}

export interface SinkFigures {
  readonly bytes: number;
  readonly datagrams: number;
}

const TCP_PORT = 9_000;
const UDP_PORT = 9_001;
const BATCH = 32;
const here = '/proc/self/ns/net';

function sink(): (line: string) => Promise<SinkFigures> {
  let bytes = 0;
  let received = 0;
  createServer((socket) => {
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    socket.on('error', () => socket.destroy());
  }).listen(TCP_PORT, '0.0.0.0');
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  socket.on('message', () => {
    received += 1;
  });
  socket.bind(UDP_PORT, '0.0.0.0');
  return async () => {
    const figures = { bytes, datagrams: received };
    bytes = 0;
    received = 0;
    return figures;
  };
}

async function sendDatagrams({ target, seconds, size }: SourceRequest): Promise<SourceFigures> {
  const room = datagrams(BATCH, size);
  const fd = socketIn(here, { kind: 'udp' });
  const socket = createSocket({ type: 'udp4', lookup: (address, _options, answer) => answer(null, address, 4) });
  socket.bind({ fd });
  await new Promise<void>((resolve) => socket.connect(UDP_PORT, target, resolve));
  const message = Buffer.alloc(size, 'x');
  const start = performance.now();
  let sent = 0;
  while (performance.now() - start < seconds * 1000) {
    for (let i = 0; i < BATCH; i += 1) room.put(message);
    room.flush(fd);
    sent += BATCH;
    // Errors that ICMP tells of must be taken in, or the socket keeps them.
    if (sent % 4096 === 0) await new Promise(setImmediate);
  }
  const figures = { sent, seconds: (performance.now() - start) / 1000 };
  socket.close();
  return figures;
}

function sendStream({ target, seconds }: SourceRequest): Promise<SourceFigures> {
  return new Promise((resolve, reject) => {
    const chunk = Buffer.alloc(256 * 1024, 'x');
    const socket = connect(TCP_PORT, target);
    const start = performance.now();
    const fill = (): void => {
      while (performance.now() - start < seconds * 1000) if (!socket.write(chunk)) return;
      const figures = { sent: socket.bytesWritten, seconds: (performance.now() - start) / 1000 };
      socket.destroy();
      resolve(figures);
    };
    socket.once('error', reject);
    socket.once('connect', fill);
    socket.on('drain', fill);
  });
}

function source(): (line: string) => Promise<SourceFigures> {
  return (line) => {
    const request = JSON.parse(line) as SourceRequest;
    return request.kind === 'udp' ? sendDatagrams(request) : sendStream(request);
  };
}

const answer = process.argv[2] === 'sink' ? sink() : source();
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await answer(line)));
process.exit(0);
