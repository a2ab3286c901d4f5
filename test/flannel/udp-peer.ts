/**
 * udp-peer.ts OWN-ADDRESS POD TARGET SUBNET=HOST…: the least that flanneld's udp backend is on the wire, without a TUN device. It answers
 * echo requests to POD, and asks TARGET ten times a second, until SIGTERM; then it prints UdpPeerFigures as one line of JSON.
 */
import { createSocket } from 'node:dgram';
import { ipv4Packet, type Packet } from '../capture/packets.js';

export interface UdpPeerFigures {
  readonly asked: number;
  readonly answers: number;
  /** TTL of what came. */
  readonly ttls: readonly number[];
  /** Where datagrams came from, with the port. */
  readonly senders: readonly string[];
}

const PORT = 8285;
const HEADER = 20;
const ECHO_REPLY = 0;
const ECHO_REQUEST = 8;

const [own = '', pod = '', target = '', ...peers] = process.argv.slice(2);
const hosts = new Map(peers.map((peer) => [peer.split('/')[0]?.replace(/\.0$/, '.') ?? '', peer.split('=')[1] ?? '']));
const ttls = new Set<number>();
const senders = new Set<string>();
let asked = 0;
let answers = 0;

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += i + 1 < bytes.length ? bytes.readUInt16BE(i) : (bytes[i] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** An IPv4 packet with an ICMP message: `rest` is identifier, sequence number and data. */
function echo(type: number, source: string, destination: string, rest: Buffer): Buffer {
  const packet = Buffer.alloc(HEADER + 4 + rest.length);
  packet[0] = 0x45;
  packet.writeUInt16BE(packet.length, 2);
  packet[8] = 64;
  packet[9] = 1;
  Buffer.from(source.split('.').map(Number)).copy(packet, 12);
  Buffer.from(destination.split('.').map(Number)).copy(packet, 16);
  packet.writeUInt16BE(checksum(packet.subarray(0, HEADER)), 10);
  packet[HEADER] = type;
  rest.copy(packet, HEADER + 4);
  packet.writeUInt16BE(checksum(packet.subarray(HEADER)), HEADER + 2);
  return packet;
}

const socket = createSocket('udp4');

function send(packet: Buffer, destination: string): void {
  const host = hosts.get(destination.replace(/\d+$/, ''));
  if (host !== undefined) socket.send(packet, PORT, host);
}

function take(packet: Packet, bytes: Buffer): void {
  ttls.add(packet.ttl);
  if (packet.icmpType === ECHO_REPLY && packet.source === target) answers += 1;
  if (packet.icmpType === ECHO_REQUEST && packet.destination === pod) {
    send(echo(ECHO_REPLY, pod, packet.source, bytes.subarray(HEADER + 4, packet.length)), packet.source);
  }
}

socket.on('message', (bytes, { address, port }) => {
  senders.add(`${address}:${port}`);
  const packet = ipv4Packet(bytes);
  if (packet !== undefined) take(packet, bytes);
});
socket.bind(PORT, own, () => console.log('listening'));
const timer = setInterval(() => {
  asked += 1;
  const rest = Buffer.alloc(8);
  rest.writeUInt16BE(asked & 0xffff, 2);
  send(echo(ECHO_REQUEST, pod, target, rest), target);
}, 100);
process.once('SIGTERM', () => {
  clearInterval(timer);
  const figures: UdpPeerFigures = { asked, answers, ttls: [...ttls].sort(), senders: [...senders].sort() };
  console.log(JSON.stringify(figures));
  process.exit(0);
});
