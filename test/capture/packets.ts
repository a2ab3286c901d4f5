/** A packet of IPv4, with what it carries as far as these tests look into it. */
export interface Packet {
  readonly ethernet?: { readonly source: string; readonly destination: string };
  readonly source: string;
  readonly destination: string;
  readonly ttl: number;
  readonly dontFragment: boolean;
  /** Of the whole packet, in bytes. */
  readonly length: number;
  readonly protocol: number;
  readonly icmpType?: number;
  readonly ports?: { readonly source: number; readonly destination: number };
  /** Of TCP: SYN is 2, ACK 16. */
  readonly tcpFlags?: number;
  /** What is in a UDP datagram. */
  readonly payload?: Buffer;
}

export interface VxlanFrame {
  readonly flags: number;
  readonly vni: number;
  readonly inner: Packet;
}

export const PCAP_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET_HEADER = 14;
export const IPV4 = 0x0800;

function addressAt(bytes: Buffer, offset: number): string {
  return [...bytes.subarray(offset, offset + 4)].join('.');
}

function macAt(bytes: Buffer, offset: number): string {
  return [...bytes.subarray(offset, offset + 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Decodes an IPv4 packet (RFC 791) and the headers of ICMP, TCP and UDP; undefined for anything else. */
export function ipv4Packet(bytes: Buffer): Packet | undefined {
  if (bytes.length < 20 || (bytes[0] ?? 0) >> 4 !== 4) return undefined;
  const headerLength = ((bytes[0] ?? 0) & 15) * 4;
  const protocol = bytes[9] ?? 0;
  const length = bytes.readUInt16BE(2);
  const body = bytes.subarray(headerLength, length);
  return {
    source: addressAt(bytes, 12),
    destination: addressAt(bytes, 16),
    ttl: bytes[8] ?? 0,
    dontFragment: ((bytes[6] ?? 0) & 0x40) !== 0,
    length,
    protocol,
    ...(protocol === 1 && body.length > 0 && { icmpType: body[0] ?? 0 }),
    ...((protocol === 6 || protocol === 17) && body.length >= 4 && { ports: { source: body.readUInt16BE(0), destination: body.readUInt16BE(2) } }),
    ...(protocol === 6 && body.length >= 14 && { tcpFlags: body[13] ?? 0 }),
    ...(protocol === 17 && body.length >= 8 && { payload: body.subarray(8) }),
  };
}

/** Decodes an Ethernet frame with IPv4; undefined for anything else. */
export function framePacket(frame: Buffer): Packet | undefined {
  if (frame.length < ETHERNET_HEADER || frame.readUInt16BE(12) !== IPV4) return undefined;
  const packet = ipv4Packet(frame.subarray(ETHERNET_HEADER));
  return packet && { ...packet, ethernet: { destination: macAt(frame, 0), source: macAt(frame, 6) } };
}

/** Decodes what a UDP datagram carries as VXLAN (RFC 7348); undefined when there is no IPv4 in it. */
export function vxlanFrame(payload: Buffer): VxlanFrame | undefined {
  if (payload.length < 8 + ETHERNET_HEADER) return undefined;
  const inner = framePacket(payload.subarray(8));
  return inner && { flags: payload[0] ?? 0, vni: payload.readUIntBE(4, 3), inner };
}

export interface CaptureRecord {
  readonly seconds: number;
  /** Of a second: micro- or nanoseconds, as the file's magic number says. */
  readonly fraction: number;
  readonly bytes: Buffer;
}

/** What a file of `tcpdump -w` on a machine with little-endian numbers holds, in its order. A record that is being written is left for later. */
export function* captureRecords(file: Buffer): Generator<CaptureRecord> {
  for (let offset = PCAP_HEADER; offset + RECORD_HEADER <= file.length; ) {
    const start = offset + RECORD_HEADER;
    const end = start + file.readUInt32LE(offset + 8);
    if (end > file.length) return;
    yield { seconds: file.readUInt32LE(offset), fraction: file.readUInt32LE(offset + 4), bytes: file.subarray(start, end) };
    offset = end;
  }
}

/** The IPv4 packets of a capture of Ethernet. */
export function capturedPackets(file: Buffer): readonly Packet[] {
  return [...captureRecords(file)].flatMap(({ bytes }) => framePacket(bytes) ?? []);
}
