/**
 * Load for name servers, in a process that does nothing else. For each request, a line of JSON, it asks at 127.0.0.11 in each of several
 * namespaces with so many questions open at once, and prints a line of figures. It reads and sends many messages by one system call, so
 * that the server is what is measured.
 */
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { datagrams, socketIn } from '@portolan/kernel/sockets';

export interface LoadRequest {
  readonly seconds: number;
  /** Questions that are open at once in each namespace; at most 64. */
  readonly open: number;
  readonly port: number;
  readonly namespaces: readonly string[];
  /** Every name has an A record. */
  readonly names: readonly string[];
}

export interface LoadFigures {
  readonly answers: number;
  /** Answers without an address. */
  readonly wrong: number;
  /** Questions that were not answered within a second. */
  readonly lost: number;
  readonly seconds: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
}

const LOST_AFTER = 1_000;
const SLOTS = 64;

/** A question for an A record, with RD, as a stub resolver asks. */
function question(name: string): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  return Buffer.concat([Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ...labels, Buffer.from([0, 0, 1, 0, 1])]);
}

const room = datagrams(SLOTS, 2048);

interface Lane {
  readonly fd: number;
  readonly sentAt: Float64Array;
  /** Id of the question in each slot; its low bits are the slot. */
  readonly ids: Uint16Array;
}

async function openLane(path: string, port: number): Promise<Lane & { close(): void }> {
  const fd = socketIn(path, { kind: 'udp' });
  const socket = createSocket({ type: 'udp4', lookup: (address, _options, answer) => answer(null, address, 4) });
  socket.bind({ fd });
  await new Promise<void>((resolve) => socket.connect(port, '127.0.0.11', resolve));
  return { fd, sentAt: new Float64Array(SLOTS), ids: Uint16Array.from({ length: SLOTS }, (_, slot) => slot), close: () => socket.close() };
}

async function figuresOf(request: LoadRequest): Promise<LoadFigures> {
  const questions = request.names.map(question);
  const latencies = new Uint32Array(2_000_000);
  let answers = 0;
  let wrong = 0;
  let lost = 0;
  let next = 0;

  function send(lane: Lane, slot: number): void {
    const message = questions[next % questions.length];
    if (message === undefined) throw new Error('no names');
    next += 7_919;
    const id = ((lane.ids[slot] ?? 0) + SLOTS) & 0xffff;
    lane.ids[slot] = id;
    lane.sentAt[slot] = performance.now();
    message.writeUInt16BE(id, 0);
    room.put(message);
  }

  function take(lane: Lane, message: Buffer): void {
    const id = message.readUInt16BE(0);
    const slot = id % SLOTS;
    // Too late to count.
    if (lane.ids[slot] !== id) return;
    const micros = Math.min(Math.round((performance.now() - (lane.sentAt[slot] ?? 0)) * 1_000), latencies.length - 1);
    latencies[micros] = (latencies[micros] ?? 0) + 1;
    answers += 1;
    if ((message.readUInt16BE(2) & 0x800f) !== 0x8000 || message.readUInt16BE(6) === 0) wrong += 1;
    send(lane, slot);
  }

  const lanes = await Promise.all(request.namespaces.map((path) => openLane(path, request.port)));
  const start = performance.now();
  const end = start + request.seconds * 1_000;
  for (const lane of lanes) {
    for (let slot = 0; slot < request.open; slot++) send(lane, slot);
    room.flush(lane.fd);
  }
  let looked = start;
  for (let now = start; now < end; now = performance.now()) {
    for (const lane of lanes) {
      const received = room.receive(lane.fd);
      for (let i = 0; i < received; i++) take(lane, room.message(i));
      room.flush(lane.fd);
    }
    if (now - looked < LOST_AFTER / 4) continue;
    looked = now;
    for (const lane of lanes) {
      for (let slot = 0; slot < request.open; slot++) {
        if (now - (lane.sentAt[slot] ?? 0) < LOST_AFTER) continue;
        lost += 1;
        send(lane, slot);
      }
      room.flush(lane.fd);
    }
  }
  const seconds = (performance.now() - start) / 1_000;
  for (const lane of lanes) lane.close();

  function percentile(share: number): number {
    let seen = 0;
    return latencies.findIndex((count) => {
      seen += count;
      return seen >= answers * share;
    });
  }

  return { answers, wrong, lost, seconds, p50Micros: percentile(0.5), p99Micros: percentile(0.99) };
}

for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await figuresOf(JSON.parse(line) as LoadRequest)));
