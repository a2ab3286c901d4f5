import { closeSync } from 'node:fs';
import type { IpvsTimeouts } from '@portolan/model';
import { get, NO_NETMASK, namesOfFlags, ONE_PACKET, openIpvs, PERSISTENT, SCHEDULER_FLAGS } from './ipvs-abi.js';
import { callFailure, libc, SOL_IP } from './libc.js';

/** Sizes of its structures, in bytes: what is asked, and each entry of the answer. */
const INFO_SIZE = 12;
const SERVICES_HEAD = 8;
const SERVICE_SIZE = 104;
const DESTINATIONS_HEAD = 24;
const DESTINATION_SIZE = 96;
const TIMEOUT_SIZE = 12;

const forwardings = ['-m', '-g', '-i', '-g'] as const;

/** What IPVS holds in one namespace. */
export interface IpvsTable {
  /** Lines as `ipvsadm -S -n` prints them. */
  readonly text: string;
  readonly timeouts: IpvsTimeouts;
}

function asked(fd: number, option: number, request: Buffer): DataView {
  const length = new Int32Array([request.length]);
  if (libc.getsockopt(fd, SOL_IP, option, request, new Uint8Array(length.buffer)) !== 0) throw callFailure(`getsockopt ${option}`, 'ip_vs');
  return new DataView(request.buffer, request.byteOffset, length[0]);
}

function addressAt(view: DataView, at: number): string {
  return `${view.getUint8(at)}.${view.getUint8(at + 1)}.${view.getUint8(at + 2)}.${view.getUint8(at + 3)}`;
}

function nameAt(view: DataView, at: number): string {
  let name = '';
  for (let i = at; i < at + 16 && view.getUint8(i) !== 0; i++) name += String.fromCharCode(view.getUint8(i));
  return name;
}

/** How a service is told on the command line: by its mark, or by protocol, address and port. */
function selectorOf(services: DataView, at: number): string {
  const mark = services.getUint32(at + 12, true);
  if (mark !== 0) return `-f ${mark}`;
  const protocol = { 6: '-t', 17: '-u', 132: '--sctp-service' }[services.getUint16(at, true)] ?? '-t';
  return `${protocol} ${addressAt(services, at + 4)}:${services.getUint16(at + 8)}`;
}

function serviceLine(services: DataView, at: number, selector: string): string {
  const scheduler = nameAt(services, at + 16);
  const [flags, timeout, netmask] = [services.getUint32(at + 32, true), services.getUint32(at + 36, true), services.getUint32(at + 40, true)];
  const named = namesOfFlags(scheduler).filter((_name, i) => (flags & (SCHEDULER_FLAGS[i] ?? 0)) !== 0);
  const parts = [
    `-A ${selector} -s ${scheduler}`,
    ...((flags & PERSISTENT) === 0 ? [] : [`-p ${timeout}`]),
    ...((flags & PERSISTENT) === 0 || netmask === NO_NETMASK ? [] : [`-M ${addressAt(services, at + 40)}`]),
    ...((flags & ONE_PACKET) === 0 ? [] : ['-o']),
    ...(named.length === 0 ? [] : [`-b ${named.join(',')}`]),
  ];
  return parts.join(' ');
}

function destinationLine(destinations: DataView, at: number, selector: string): string {
  const [upper, lower] = [destinations.getUint32(at + 16, true), destinations.getUint32(at + 20, true)];
  // The lowest bits of the flags are the method: masquerading, a local node, a tunnel, a direct route.
  const forwarding = forwardings[destinations.getUint32(at + 8, true) & 0x03];
  const thresholds = `${upper === 0 ? '' : ` -x ${upper}`}${lower === 0 ? '' : ` -y ${lower}`}`;
  return `-a ${selector} -r ${addressAt(destinations, at)}:${destinations.getUint16(at + 4)} ${forwarding} -w ${destinations.getInt32(at + 12, true)}${thresholds}`;
}

function tableOf(fd: number): string {
  const count = asked(fd, get.info, Buffer.alloc(INFO_SIZE)).getUint32(8, true);
  const request = Buffer.alloc(SERVICES_HEAD + count * SERVICE_SIZE);
  request.writeUInt32LE(count, 0);
  const services = asked(fd, get.services, request);
  const lines: string[] = [];
  for (let i = 0; i < services.getUint32(0, true); i++) {
    const at = SERVICES_HEAD + i * SERVICE_SIZE;
    const selector = selectorOf(services, at);
    lines.push(`${serviceLine(services, at, selector)}\n`);
    const size = services.getUint32(at + 44, true);
    const wanted = Buffer.alloc(DESTINATIONS_HEAD + size * DESTINATION_SIZE);
    // Protocol, address, port and mark are at the same places in both structures.
    Buffer.from(services.buffer, services.byteOffset + at, 16).copy(wanted);
    wanted.writeUInt32LE(size, 16);
    const destinations = asked(fd, get.destinations, wanted);
    for (let j = 0; j < destinations.getUint32(16, true); j++) {
      lines.push(`${destinationLine(destinations, DESTINATIONS_HEAD + j * DESTINATION_SIZE, selector)}\n`);
    }
  }
  return lines.join('');
}

/**
 * The table and the timeouts, in seconds, of IPVS in this thread's namespace, IPv4. By system calls: `ipvsadm` would be two
 * processes, and opens a socket for each service. Fails with `apply-failed`, also when the table changes meanwhile.
 */
export function ipvsTable(): IpvsTable {
  const fd = openIpvs();
  try {
    const view = asked(fd, get.timeout, Buffer.alloc(TIMEOUT_SIZE));
    return { text: tableOf(fd), timeouts: { tcp: view.getInt32(0, true), tcpFin: view.getInt32(4, true), udp: view.getInt32(8, true) } };
  } finally {
    closeSync(fd);
  }
}
