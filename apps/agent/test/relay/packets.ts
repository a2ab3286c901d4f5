import { checksum } from '../../src/relay/packet.js';

export interface PacketFields {
  readonly from: string;
  readonly to: string;
  readonly ttl?: number;
  readonly protocol?: number;
  readonly id?: number;
  /** Flags and offset, as in the header. */
  readonly fragment?: number;
  readonly options?: Buffer;
  readonly payload?: Buffer;
}

/** An IPv4 packet with a right checksum. */
export function ipv4Packet({
  from,
  to,
  ttl = 64,
  protocol = 17,
  id = 0,
  fragment = 0,
  options = Buffer.alloc(0),
  payload = Buffer.alloc(0),
}: PacketFields): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x40 | ((20 + options.length) / 4);
  header.writeUInt16BE(20 + options.length + payload.length, 2);
  header.writeUInt16BE(id, 4);
  header.writeUInt16BE(fragment, 6);
  header[8] = ttl;
  header[9] = protocol;
  for (const [i, octet] of from.split('.').entries()) header[12 + i] = Number(octet);
  for (const [i, octet] of to.split('.').entries()) header[16 + i] = Number(octet);
  const packet = Buffer.concat([header, options, payload]);
  packet.writeUInt16BE(checksum(packet, 0, 20 + options.length), 10);
  return packet;
}

/** A UDP datagram in an IPv4 packet, without a checksum of its own (RFC 768: 0 is none). */
export function udpPacket({ payload = Buffer.alloc(0), port, ...fields }: PacketFields & { readonly port: number }): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(4_000, 0);
  header.writeUInt16BE(port, 2);
  header.writeUInt16BE(8 + payload.length, 4);
  return ipv4Packet({ ...fields, protocol: 17, payload: Buffer.concat([header, payload]) });
}
