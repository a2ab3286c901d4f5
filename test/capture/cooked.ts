import { captureRecords, IPV4, ipv4Packet, type Packet, PCAP_HEADER } from './packets.js';

/** A packet as a socket saw it that is bound to no device: LINKTYPE_LINUX_SLL2 of https://www.tcpdump.org/linktypes.html. */
export interface CookedPacket {
  /** Nanoseconds since 1970 of the kernel that saw it. */
  readonly time: bigint;
  /** Index of the link in its namespace. */
  readonly link: number;
  readonly direction: 'in' | 'out';
  readonly packet: Packet;
}

const NANOSECONDS_MAGIC = 0xa1b23c4d;
const LINUX_SLL2 = 276;
const COOKED_HEADER = 20;
const OUTGOING = 4;

/**
 * The IPv4 packets of a file of `tcpdump -i any -y LINUX_SLL2 --time-stamp-precision=nano -w`, little-endian, in their order. One that is being
 * written is left for later. Fails for files of another kind.
 */
export function cookedPackets(file: Buffer): readonly CookedPacket[] {
  if (file.length < PCAP_HEADER) return [];
  if (file.readUInt32LE(0) !== NANOSECONDS_MAGIC || file.readUInt32LE(20) !== LINUX_SLL2) throw new Error('not a capture of LINUX_SLL2 in nanoseconds');
  return [...captureRecords(file)].flatMap(({ seconds, fraction, bytes }): CookedPacket[] => {
    const packet = bytes.readUInt16BE(0) === IPV4 ? ipv4Packet(bytes.subarray(COOKED_HEADER)) : undefined;
    if (packet === undefined) return [];
    const time = BigInt(seconds) * 1_000_000_000n + BigInt(fraction);
    return [{ time, link: bytes.readUInt32BE(4), direction: bytes[10] === OUTGOING ? 'out' : 'in', packet }];
  });
}
