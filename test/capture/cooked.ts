import { ipv4Packet, type Packet } from './packets.js';

/** A packet as a socket saw it that is bound to no device: LINKTYPE_LINUX_SLL2 of https://www.tcpdump.org/linktypes.html. */
export interface CookedPacket {
  /** Nanoseconds since 1970 of the kernel that saw it. */
  readonly time: bigint;
  /** Index of the link in its namespace. */
  readonly link: number;
  readonly direction: 'in' | 'out';
  readonly packet: Packet;
}

const FILE_HEADER = 24;
const NANOSECONDS_MAGIC = 0xa1b23c4d;
const LINUX_SLL2 = 276;
const RECORD_HEADER = 16;
const COOKED_HEADER = 20;
const IPV4 = 0x0800;
const OUTGOING = 4;

/**
 * The IPv4 packets of a file of `tcpdump -i any -y LINUX_SLL2 --time-stamp-precision=nano -w`, little-endian, in their order. One that is being
 * written is left for later. Fails for files of another kind.
 */
export function cookedPackets(file: Buffer): readonly CookedPacket[] {
  if (file.length < FILE_HEADER) return [];
  if (file.readUInt32LE(0) !== NANOSECONDS_MAGIC || file.readUInt32LE(20) !== LINUX_SLL2) throw new Error('not a capture of LINUX_SLL2 in nanoseconds');
  const packets: CookedPacket[] = [];
  for (let offset = FILE_HEADER; offset + RECORD_HEADER <= file.length; ) {
    const size = file.readUInt32LE(offset + 8);
    const record = file.subarray(offset + RECORD_HEADER, offset + RECORD_HEADER + size);
    if (record.length < size) break;
    const packet = record.readUInt16BE(0) === IPV4 ? ipv4Packet(record.subarray(COOKED_HEADER)) : undefined;
    if (packet !== undefined) {
      packets.push({
        time: BigInt(file.readUInt32LE(offset)) * 1_000_000_000n + BigInt(file.readUInt32LE(offset + 4)),
        link: record.readUInt32BE(4),
        direction: record[10] === OUTGOING ? 'out' : 'in',
        packet,
      });
    }
    offset += RECORD_HEADER + size;
  }
  return packets;
}
