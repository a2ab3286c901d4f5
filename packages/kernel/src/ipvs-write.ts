import { closeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NO_NETMASK, namesOfFlags, openIpvs, PERSISTENT, SCHEDULER_FLAGS, set } from './ipvs-abi.js';
import { lastErrno, libc, SOL_IP } from './libc.js';
import { inSpace } from './spaces.js';

/** Sizes in bytes, and places in the structures. */
const SERVICE_SIZE = 44;
const DESTINATION_SIZE = 24;
const TIMEOUT_SIZE = 12;
const MARK_AT = 12;
const SCHEDULER_AT = 16;

/** IPPROTO_TCP: the kernel wants a protocol with a mark, too, and does not look at it. */
const ANY_PROTOCOL = 6;
/** IP_VS_CONN_F_… */
const forwardings: Readonly<Record<string, number>> = { '-m': 0, '-g': 3 };

/** So many lines are written before others have a turn: the calls are short, but there may be tens of thousands. */
const LINES_A_TURN = 500;

interface Change {
  readonly option: number;
  readonly value: Buffer;
}

const service = /^(-A|-E) -f ([0-9]+) -s (\S+)(?: -p ([0-9]+))?(?: -b (\S+))?$/;
const noService = /^-D -f ([0-9]+)$/;
const destination = /^(-a|-e) -f ([0-9]+) -r ([0-9.]+):([0-9]+) (-[mg]) -w ([0-9]+)$/;
const noDestination = /^-d -f ([0-9]+) -r ([0-9.]+):([0-9]+)$/;
const timeouts = /^--set ([0-9]+) ([0-9]+) ([0-9]+)$/;

function markedBy(mark: string, size: number): Buffer {
  const value = Buffer.alloc(size);
  value.writeUInt16LE(ANY_PROTOCOL, 0);
  value.writeUInt32LE(Number(mark), MARK_AT);
  return value;
}

function serviceOf(mark: string, scheduler: string, persistence: string | undefined, flags: string | undefined): Buffer {
  const value = markedBy(mark, SERVICE_SIZE);
  value.write(scheduler, SCHEDULER_AT, 15, 'latin1');
  const wanted = flags?.split(',') ?? [];
  const bits = namesOfFlags(scheduler).reduce((sum, name, i) => (wanted.includes(name) ? sum | (SCHEDULER_FLAGS[i] ?? 0) : sum), 0);
  value.writeUInt32LE(bits | (persistence === undefined ? 0 : PERSISTENT), 32);
  value.writeUInt32LE(Number(persistence ?? 0), 36);
  value.writeUInt32LE(NO_NETMASK, 40);
  return value;
}

function destinationOf(mark: string, address: string, port: string): Buffer {
  const value = markedBy(mark, SERVICE_SIZE + DESTINATION_SIZE);
  for (const [i, byte] of address.split('.').entries()) value.writeUInt8(Number(byte), SERVICE_SIZE + i);
  value.writeUInt16BE(Number(port), SERVICE_SIZE + 4);
  return value;
}

/** One line of `ipvsadm -R`, as far as we write such; undefined for any other. */
function changeOf(line: string): Change | undefined {
  let [found, verb, mark = '', ...rest] = destination.exec(line) ?? [];
  if (found !== undefined) {
    const [address = '', port = '', forwarding = '', weight] = rest;
    const value = destinationOf(mark, address, port);
    value.writeUInt32LE(forwardings[forwarding] ?? 0, SERVICE_SIZE + 8);
    value.writeInt32LE(Number(weight), SERVICE_SIZE + 12);
    return { option: set[verb === '-a' ? '-a' : '-e'], value };
  }
  [found, verb, mark = '', ...rest] = service.exec(line) ?? [];
  if (found !== undefined) return { option: set[verb === '-A' ? '-A' : '-E'], value: serviceOf(mark, rest[0] ?? '', rest[1], rest[2]) };
  const [gone, goneMark = '', goneAddress = '', gonePort = ''] = noDestination.exec(line) ?? [];
  if (gone !== undefined) return { option: set['-d'], value: destinationOf(goneMark, goneAddress, gonePort) };
  const [ended, endedMark = ''] = noService.exec(line) ?? [];
  if (ended !== undefined) return { option: set['-D'], value: markedBy(endedMark, SERVICE_SIZE) };
  const [timed, ...seconds] = timeouts.exec(line) ?? [];
  if (timed === undefined) return undefined;
  const value = Buffer.alloc(TIMEOUT_SIZE);
  for (const [i, each] of seconds.entries()) value.writeInt32LE(Number(each), 4 * i);
  return { option: set['--set'], value };
}

/**
 * Carries out lines as `ipvsadm -R` reads them, in the namespace at `path`, by one system call each; `ipvsadm` opens two
 * sockets for a line and takes ten times as long. It stops at the first that fails: the answer is `LINE: ERRNO` then, else ''.
 */
export async function writeIpvs(path: string | undefined, text: string): Promise<string> {
  const fd = inSpace(path, openIpvs);
  try {
    const lines = text.split('\n').filter((line) => line !== '');
    for (const [i, line] of lines.entries()) {
      if (i % LINES_A_TURN === LINES_A_TURN - 1) await nextTurn();
      const change = changeOf(line);
      if (change === undefined) return `${line}: is no line that we write\n`;
      if (libc.setsockopt(fd, SOL_IP, change.option, change.value, change.value.length) !== 0) return `${line}: ${lastErrno()}\n`;
    }
    return '';
  } finally {
    closeSync(fd);
  }
}
