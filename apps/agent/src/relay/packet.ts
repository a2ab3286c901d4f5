/** IPv4 packets where they lie in memory (RFC 791): `at` is where one begins, `length` how many bytes were read. */

const HEADER = 20;
const ICMP = 1;
const ICMP_HEADER = 8;
/** Bytes of an offender's payload that are sent back (RFC 792). */
const QUOTED = 8;
/** As flanneld sends it. */
const UNREACHABLE_TTL = 8;

/** Whether it is an IPv4 packet that is whole. Bytes behind its end may follow. */
export function isIpv4(memory: Uint8Array, at: number, length: number): boolean {
  if (length < HEADER) return false;
  const first = byte(memory, at);
  const header = (first & 15) * 4;
  const total = short(memory, at + 2);
  return first >> 4 === 4 && header >= HEADER && total >= header && total <= length;
}

/** The address that it goes to, as a signed number of 32 bits: such a number takes no memory of its own. */
export function destinationOf(memory: Uint8Array, at: number): number {
  return (byte(memory, at + 16) << 24) | (byte(memory, at + 17) << 16) | (byte(memory, at + 18) << 8) | byte(memory, at + 19);
}

/**
 * Takes one from its time to live and says whether any is left; without, the packet is as it was. The checksum follows by what changed
 * (RFC 1624, equation 3): the upper byte of a word is less by one, so its complement is more by one.
 */
export function decrementTtl(memory: Uint8Array, at: number): boolean {
  const ttl = byte(memory, at + 8);
  if (ttl <= 1) return false;
  memory[at + 8] = ttl - 1;
  let sum = short(memory, at + 10) + 0x100;
  sum += sum >= 0xffff ? 1 : 0;
  memory[at + 10] = (sum >> 8) & 255;
  memory[at + 11] = sum & 255;
  return true;
}

/**
 * Writes an ICMP message "net unreachable" about a packet for its source, from the address `from`: the length of it. 0 where there must be none:
 * about ICMP, about a fragment that is not the first (RFC 792), about what goes to many or comes from nobody in particular (RFC 1122, 3.2.2).
 */
export function writeUnreachable(memory: Uint8Array, at: number, length: number, from: number, into: Uint8Array): number {
  const header = (byte(memory, at) & 15) * 4;
  const isFragment = (short(memory, at + 6) & 0x1fff) !== 0;
  if (byte(memory, at + 9) === ICMP || isFragment || header >= 60 || !isOfOne(byte(memory, at + 12)) || !isOfOne(byte(memory, at + 16))) return 0;
  const quoted = Math.min(header + QUOTED, length);
  const total = HEADER + ICMP_HEADER + quoted;
  into.fill(0, 0, HEADER + ICMP_HEADER);
  into[0] = 0x45;
  writeShort(into, 2, total);
  into[8] = UNREACHABLE_TTL;
  into[9] = ICMP;
  for (let i = 0; i < 4; i++) {
    into[12 + i] = (from >>> (24 - 8 * i)) & 255;
    into[16 + i] = byte(memory, at + 12 + i);
  }
  writeShort(into, 10, checksum(into, 0, HEADER));
  into[HEADER] = 3;
  for (let i = 0; i < quoted; i++) into[HEADER + ICMP_HEADER + i] = byte(memory, at + i);
  writeShort(into, HEADER + 2, checksum(into, HEADER, total));
  return total;
}

/** Checksum of the bytes from `from` to before `to` (RFC 1071). */
export function checksum(memory: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i += 2) sum += (byte(memory, i) << 8) | (i + 1 < to ? byte(memory, i + 1) : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/** Whether an address with this first byte can be that of one host: not 0.0.0.0/8, multicast or above. */
function isOfOne(first: number): boolean {
  return first > 0 && first < 224;
}

function byte(memory: Uint8Array, at: number): number {
  return memory[at] ?? 0;
}

function short(memory: Uint8Array, at: number): number {
  return (byte(memory, at) << 8) | byte(memory, at + 1);
}

function writeShort(memory: Uint8Array, at: number, value: number): void {
  memory[at] = value >> 8;
  memory[at + 1] = value & 255;
}
