import { randomBytes } from 'node:crypto';
import { closeSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { pollSet, type ReceivingLane, receiveBuffer, receivingLane, sendingLane, socketIn } from '../src/sockets.js';

const HOME = '/proc/self/ns/net';
const ADDRESS = '127.9.9.3';
const HOST = 0x7f090903;
const PORT = 9_871;

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
}

/** Reads until so many have come. */
function received(lane: ReceivingLane, fd: number, size: number, count: number): Buffer[] {
  const found: Buffer[] = [];
  const polls = pollSet(1);
  polls.watch(0, fd);
  while (found.length < count) {
    polls.wait(2_000);
    if (!polls.isReadable(0)) throw new Error(`${found.length} of ${count} came`);
    for (let i = 0, came = lane.receive(fd); i < came; i++) found.push(Buffer.from(lane.memory.subarray(i * size, i * size + lane.length(i))));
  }
  return found;
}

describe('lanes', () => {
  it('carry what lies in their slots, again and again, though nothing else refers to their memory', () => {
    const [from, to] = [socketIn(HOME, { kind: 'udp' }), socketIn(HOME, { kind: 'udp', bind: { address: ADDRESS, port: PORT }, buffer: 1_000_000 })];
    const [outgoing, incoming] = [sendingLane(16, 200, PORT), receivingLane(8, 256)];
    try {
      for (let round = 0; round < 20; round++) {
        const messages = Array.from({ length: 16 }, (_, i) => randomBytes(1 + ((round * 16 + i) % 200)));
        for (const [i, message] of messages.entries()) {
          message.copy(outgoing.slots[i] ?? Buffer.alloc(0));
          outgoing.aim(i, message.length, HOST);
        }
        collectGarbage();
        // Whoever were given freed memory would write into these.
        const others = Array.from({ length: 200 }, () => Buffer.alloc(64 * 8, 0x5a));
        expect([outgoing.send(from, 16), outgoing.refusedBytes]).toEqual([0, 0]);
        expect(receiveBuffer(to).queued).toBeGreaterThan(0);
        expect(received(incoming, to, 256, 16)).toEqual(messages);
        expect(others.every((other) => other.every((byte) => byte === 0x5a))).toBe(true);
      }
      expect([incoming.receive(to), receiveBuffer(to)]).toEqual([0, { queued: 0, dropped: 0 }]);
    } finally {
      for (const fd of [from, to]) closeSync(fd);
    }
  });

  it('go on behind what the kernel does not take, and tell how much that was', () => {
    const [from, to] = [socketIn(HOME, { kind: 'udp' }), socketIn(HOME, { kind: 'udp', bind: { address: ADDRESS, port: PORT } })];
    const [outgoing, incoming] = [sendingLane(4, 100, PORT), receivingLane(4, 8)];
    try {
      // Broadcast is not allowed to this socket.
      for (const [i, host] of [HOST, -1, HOST, -1].entries()) {
        outgoing.slots[i]?.fill(i);
        outgoing.aim(i, 10 + i, host);
      }
      expect([outgoing.send(from, 4), outgoing.refusedBytes]).toEqual([2, 11 + 13]);
      // Longer than a slot: it is full.
      expect(received(incoming, to, 8, 2)).toEqual([Buffer.alloc(8, 0), Buffer.alloc(8, 2)]);
    } finally {
      for (const fd of [from, to]) closeSync(fd);
    }
  });

  it('a socket without room counts what it drops', () => {
    const [from, to] = [socketIn(HOME, { kind: 'udp' }), socketIn(HOME, { kind: 'udp', bind: { address: ADDRESS, port: PORT }, buffer: 4_096 })];
    const outgoing = sendingLane(64, 1_000, PORT);
    try {
      for (let i = 0; i < 64; i++) outgoing.aim(i, 1_000, HOST);
      outgoing.send(from, 64);
      const { dropped, queued } = receiveBuffer(to);
      expect(dropped).toBeGreaterThan(40);
      expect(queued).toBeGreaterThan(1_000);
    } finally {
      for (const fd of [from, to]) closeSync(fd);
    }
  });
});
