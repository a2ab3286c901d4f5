import { closeSync } from 'node:fs';
import type { IpvsTimeouts } from '@portolan/model';
import { inNamespace } from './in-namespace.js';
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

/** A real server of a virtual server, as places in what IPVS answered. */
interface Destination {
  readonly destinations: DataView;
  readonly at: number;
}

/** Each virtual server with its real servers, in the order of the kernel. */
function* entriesOf(fd: number): Generator<{ readonly services: DataView; readonly at: number; readonly real: readonly Destination[] }> {
  const count = asked(fd, get.info, Buffer.alloc(INFO_SIZE)).getUint32(8, true);
  const request = Buffer.alloc(SERVICES_HEAD + count * SERVICE_SIZE);
  request.writeUInt32LE(count, 0);
  const services = asked(fd, get.services, request);
  for (let i = 0; i < services.getUint32(0, true); i++) {
    const at = SERVICES_HEAD + i * SERVICE_SIZE;
    const size = services.getUint32(at + 44, true);
    const wanted = Buffer.alloc(DESTINATIONS_HEAD + size * DESTINATION_SIZE);
    // Protocol, address, port and mark are at the same places in both structures.
    Buffer.from(services.buffer, services.byteOffset + at, 16).copy(wanted);
    wanted.writeUInt32LE(size, 16);
    const destinations = asked(fd, get.destinations, wanted);
    const real = Array.from({ length: destinations.getUint32(16, true) }, (_, j) => ({ destinations, at: DESTINATIONS_HEAD + j * DESTINATION_SIZE }));
    yield { services, at, real };
  }
}

function tableOf(fd: number): string {
  const lines: string[] = [];
  for (const { services, at, real } of entriesOf(fd)) {
    const selector = selectorOf(services, at);
    lines.push(`${serviceLine(services, at, selector)}\n`);
    for (const one of real) lines.push(`${destinationLine(one.destinations, one.at, selector)}\n`);
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

/** What IPVS has counted of one real server of a virtual server that is found by mark, since it was put there. It sums up every 2 s; `active` and `inactive` are as they are. */
export interface ServerCounters {
  readonly mark: number;
  readonly address: string;
  /** Connections that were scheduled to it. The kernel tells it, and the packets, modulo 2^32. */
  readonly connections: number;
  /** Connections that it has now, and those that have ended and are not yet forgotten. */
  readonly active: number;
  readonly inactive: number;
  /** From clients, and to them: the latter is not seen with direct server return. */
  readonly inPackets: number;
  readonly outPackets: number;
  readonly inBytes: number;
  readonly outBytes: number;
}

/** struct ip_vs_stats_user begins here in a real server's entry, after the numbers of its connections. */
const STATS = 40;

function countersAt(mark: number, { destinations, at }: Destination): ServerCounters {
  const word = (offset: number): number => destinations.getUint32(at + offset, true);
  const long = (offset: number): number => Number(destinations.getBigUint64(at + offset, true));
  return {
    mark,
    address: addressAt(destinations, at),
    connections: word(STATS),
    active: word(24),
    inactive: word(28),
    inPackets: word(STATS + 4),
    outPackets: word(STATS + 8),
    inBytes: long(STATS + 16),
    outBytes: long(STATS + 24),
  };
}

/**
 * What IPVS has counted in the namespace at `path`, of each real server of each virtual server with a mark. By system calls, two and one for each
 * virtual server, so it is read beside everything else. Fails with `apply-failed` when the namespace is gone, or its table changes meanwhile.
 */
export function serverCounters(path: string): readonly ServerCounters[] {
  const fd = inNamespace(path, openIpvs);
  try {
    return [...entriesOf(fd)].flatMap(({ services, at, real }) => {
      const mark = services.getUint32(at + 12, true);
      return mark === 0 ? [] : real.map((one) => countersAt(mark, one));
    });
  } finally {
    closeSync(fd);
  }
}
