import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checksum, decrementTtl, destinationOf, isIpv4, writeUnreachable } from '../../src/relay/packet.js';
import { tokenBucket } from '../../src/relay/token-bucket.js';
import { ipv4Packet } from './packets.js';

const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((four) => four.join('.'));
const packets = fc
  .record({
    from: octets,
    to: octets,
    ttl: fc.nat(255),
    protocol: fc.nat(255),
    id: fc.nat(0xffff),
    options: fc.nat(10).map((words) => Buffer.alloc(4 * words, 1)),
    payload: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  })
  .map(ipv4Packet);

describe('decrementTtl', () => {
  it('leaves the checksum right for every packet, and touches nothing when nothing is left', () => {
    fc.assert(
      fc.property(packets, fc.nat(64), (packet, at) => {
        const memory = Buffer.concat([Buffer.alloc(at, 0xab), packet]);
        const header = (packet.readUInt8(0) & 15) * 4;
        const ttl = packet.readUInt8(8);
        expect(checksum(memory, at, at + header)).toBe(0);
        expect(decrementTtl(memory, at)).toBe(ttl > 1);
        expect(checksum(memory, at, at + header)).toBe(0);
        expect(memory.readUInt8(at + 8)).toBe(ttl > 1 ? ttl - 1 : ttl);
        memory.copy(packet, 8, at + 8, at + 9);
        memory.copy(packet, 10, at + 10, at + 12);
        expect(memory.subarray(at)).toEqual(packet);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never writes the other form of zero', () => {
    // The sums at which one's complement wraps around (RFC 1624, section 3).
    for (const sum of [0xfe00, 0xfeff, 0xff00, 0xffff, 0x0000]) {
      const packet = Buffer.alloc(20);
      packet[8] = 64;
      packet.writeUInt16BE(sum, 10);
      const before = sum + 0x100;
      expect(decrementTtl(packet, 0)).toBe(true);
      expect(packet.readUInt16BE(10)).toBe((before + (before >= 0xffff ? 1 : 0)) & 0xffff);
    }
  });
});

describe('isIpv4', () => {
  it('takes whole packets only, whatever the bytes', () => {
    fc.assert(
      fc.property(packets, fc.nat(100), (packet, cut) => {
        const length = Math.max(0, packet.length - cut);
        expect(isIpv4(packet, 0, length)).toBe(cut === 0 || length === packet.length);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 90 }), (bytes) => {
        const memory = Buffer.from(bytes);
        if (!isIpv4(memory, 0, memory.length)) return;
        decrementTtl(memory, 0);
        expect(writeUnreachable(memory, 0, memory.length, 0, Buffer.alloc(128))).toBeLessThanOrEqual(28 + 56 + 8);
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ['IPv6', (packet: Buffer) => packet.writeUInt8(0x65, 0)],
    ['a header of 16 bytes', (packet: Buffer) => packet.writeUInt8(0x44, 0)],
    ['a header that is longer than the packet', (packet: Buffer) => packet.writeUInt8(0x4f, 0)],
    ['a length less than the header', (packet: Buffer) => packet.writeUInt16BE(19, 2)],
  ])('refuses %s', (_what, spoil) => {
    const packet = ipv4Packet({ from: '10.0.0.1', to: '10.0.0.2', payload: Buffer.alloc(20) });
    expect(isIpv4(packet, 0, packet.length)).toBe(true);
    spoil(packet);
    expect(isIpv4(packet, 0, packet.length)).toBe(false);
  });
});

describe('writeUnreachable', () => {
  const from = 0x0a053e00;
  const message = (packet: Buffer, into = Buffer.alloc(128, 0xee)): Buffer => into.subarray(0, writeUnreachable(packet, 0, packet.length, from, into));

  it('quotes the header and eight bytes, byte for byte as flanneld', () => {
    const offender = ipv4Packet({ from: '10.5.62.9', to: '10.5.99.1', ttl: 63, protocol: 17, id: 7, payload: Buffer.from('0123456789') });
    const answer = message(offender);
    expect(answer.subarray(0, 20)).toEqual(
      ipv4Packet({ from: '10.5.62.0', to: '10.5.62.9', ttl: 8, protocol: 1, payload: answer.subarray(20) }).subarray(0, 20),
    );
    expect(answer.subarray(20).toString('hex')).toMatch(/^0300[0-9a-f]{4}00000000/);
    expect(answer.subarray(28)).toEqual(offender.subarray(0, 28));
    expect(checksum(answer, 0, 20)).toBe(0);
    expect(checksum(answer, 20, answer.length)).toBe(0);
  });

  it('keeps options, and is silent where it must be', () => {
    const base = { from: '10.5.62.9', to: '10.5.99.1', protocol: 6, payload: Buffer.alloc(20, 5) };
    expect(message(ipv4Packet({ ...base, options: Buffer.alloc(36, 1) })).length).toBe(28 + 56 + 8);
    expect(message(ipv4Packet({ ...base, payload: Buffer.alloc(3) })).length).toBe(28 + 23);
    for (const silent of [
      { ...base, protocol: 1 },
      { ...base, fragment: 1 },
      { ...base, fragment: 0x2000 | 185 },
      { ...base, options: Buffer.alloc(40, 1) },
      { ...base, to: '224.0.0.251' },
      { ...base, to: '255.255.255.255' },
      { ...base, from: '0.0.0.0' },
      { ...base, from: '239.1.1.1' },
    ]) {
      expect(message(ipv4Packet(silent)).length).toBe(0);
    }
    // The first of several fragments is answered.
    expect(message(ipv4Packet({ ...base, fragment: 0x2000 })).length).toBe(56);
  });
});

it('destinationOf is a number of 32 bits with a sign', () => {
  expect(destinationOf(ipv4Packet({ from: '1.2.3.4', to: '10.5.1.9' }), 0)).toBe(0x0a050109);
  expect(destinationOf(ipv4Packet({ from: '1.2.3.4', to: '192.168.0.1' }), 0)).toBe(0xc0a80001 | 0);
});

it('tokenBucket lets a burst through, and then so many a second', () => {
  const may = tokenBucket(1_000, 50);
  const at = (now: number, tries: number): number => Array.from({ length: tries }, () => may(now)).filter(Boolean).length;
  expect(at(10_000, 80)).toBe(50);
  expect(at(10_010, 80)).toBe(10);
  expect(at(10_010, 80)).toBe(0);
  expect(at(99_000, 80)).toBe(50);
});
