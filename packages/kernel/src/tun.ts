import { closeSync, constants, openSync } from 'node:fs';
import { endianness } from 'node:os';
import { portolanError } from '@portolan/model';
import {
  AF_INET,
  callFailure,
  IFF_NO_PI,
  IFF_TUN,
  IFF_UP,
  LOCK_EX,
  LOCK_NB,
  lastErrno,
  libc,
  O_CLOEXEC,
  POLLIN,
  SIOCGIFFLAGS,
  SIOCGIFINDEX,
  SIOCGIFMTU,
  SO_MEMINFO,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  TUNSETIFF,
} from './libc.js';

/** struct ifreq of netdevice(7): the name, and behind it a value. */
const IFREQ_SIZE = 40;
const IFNAMSIZ = 16;
const little = endianness() === 'LE';

function requestFor(name: string): Buffer {
  const request = Buffer.alloc(IFREQ_SIZE);
  request.write(name.slice(0, IFNAMSIZ - 1), 'latin1');
  return request;
}

/**
 * Descriptor of a new TUN device in this process's namespace, for bare IP packets and without waiting; the device goes when it is closed.
 * Fails with `kernel-feature-missing`, or with `apply-failed` when another holds a device of that name.
 */
export function openTun(name: string): number {
  let fd: number;
  try {
    fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    throw portolanError('kernel-feature-missing', '', `/dev/net/tun cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
      fix: 'Load the module: modprobe tun',
    });
  }
  const request = requestFor(name);
  new DataView(request.buffer, request.byteOffset).setInt16(IFNAMSIZ, IFF_TUN | IFF_NO_PI, little);
  if (libc.ioctl(fd, TUNSETIFF, request) === 0) return fd;
  const failure = lastErrno();
  closeSync(fd);
  throw portolanError('apply-failed', '', `the TUN device ${name} cannot be made: ${failure}`, {
    fix: `Stop what holds a device of that name (ip link show ${name}), such as flanneld.`,
  });
}

export interface LinkFacts {
  /** Another device of the same name has another. */
  readonly index: number;
  readonly mtu: number;
  readonly isUp: boolean;
}

/** What the kernel says of a link in this process's namespace, by system calls; undefined when there is none. */
export function linkFacts(name: string): LinkFacts | undefined {
  const fd = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw callFailure('socket', name);
  try {
    const [index, mtu, flags] = [SIOCGIFINDEX, SIOCGIFMTU, SIOCGIFFLAGS].map((question) => {
      const request = requestFor(name);
      return libc.ioctl(fd, question, request) === 0 ? new DataView(request.buffer, request.byteOffset) : undefined;
    });
    if (index === undefined || mtu === undefined || flags === undefined) return undefined;
    return {
      index: index.getInt32(IFNAMSIZ, little),
      mtu: mtu.getInt32(IFNAMSIZ, little),
      isUp: (flags.getInt16(IFNAMSIZ, little) & IFF_UP) !== 0,
    };
  } finally {
    closeSync(fd);
  }
}

/** Reads one packet of a device into a slot, or as many bytes of another descriptor: their number, negative when there is none or it failed. */
export const readNow: (fd: number, slot: Uint8Array, size: number) => number = libc.read;
/** Writes one packet; negative when it was not taken. */
export const writeNow: (fd: number, slot: Uint8Array, length: number) => number = libc.write;

/** Descriptors that one thread waits for together, each at a place of its own. */
export interface PollSet {
  /** Puts a descriptor at a place; -1 leaves the place out. */
  watch(place: number, fd: number): void;
  /** Waits until one has something to read or has failed, or so many milliseconds. */
  wait(milliseconds: number): void;
  /** After `wait`: whether there is something to read. */
  isReadable(place: number): boolean;
  /** After `wait`: whether it has failed. One that has and is watched on lets no wait last. */
  hasFailed(place: number): boolean;
}

/** struct pollfd of poll(2). */
const POLLFD = 8;

export function pollSet(places: number): PollSet {
  const set = Buffer.alloc(places * POLLFD);
  const view = new DataView(set.buffer, set.byteOffset, set.length);
  for (let place = 0; place < places; place++) {
    view.setInt32(place * POLLFD, -1, little);
    view.setInt16(place * POLLFD + 4, POLLIN, little);
  }
  return {
    watch: (place, fd) => view.setInt32(place * POLLFD, fd, little),
    wait: (milliseconds) => {
      if (libc.poll(set, places, milliseconds) < 0) for (let place = 0; place < places; place++) view.setInt16(place * POLLFD + 6, 0, little);
    },
    isReadable: (place) => (view.getInt16(place * POLLFD + 6, little) & POLLIN) !== 0,
    hasFailed: (place) => (view.getInt16(place * POLLFD + 6, little) & ~POLLIN) !== 0,
  };
}

/** Indices of SO_MEMINFO (linux/sock_diag.h). */
const MEMINFO_QUEUED = 0;
const MEMINFO_DROPS = 8;
const MEMINFO_SIZE = 36;

/**
 * The receive buffer of a socket: bytes of kernel memory that waiting datagrams take, and datagrams that it had no room for since it was
 * opened. (FIONREAD of udp(7) tells the size of the first datagram only.)
 */
export function receiveBuffer(fd: number): { readonly queued: number; readonly dropped: number } {
  const memory = Buffer.alloc(MEMINFO_SIZE);
  const length = Buffer.alloc(4);
  new DataView(length.buffer, length.byteOffset).setUint32(0, MEMINFO_SIZE, little);
  if (libc.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, length) !== 0) return { queued: 0, dropped: 0 };
  const view = new DataView(memory.buffer, memory.byteOffset);
  return { queued: view.getUint32(4 * MEMINFO_QUEUED, little), dropped: view.getUint32(4 * MEMINFO_DROPS, little) };
}

/** Takes the lock of flock(2) on an open file, if nobody has it; the kernel gives it back when the last process that has the file open ends. */
export function holdsLock(fd: number): boolean {
  return libc.flock(fd, LOCK_EX | LOCK_NB) === 0;
}

/** A pipe that nobody waits at: the end to read from, and the end to write to. Fails with `apply-failed`. */
export function pipe(): readonly [number, number] {
  const ends = [-1, -1];
  // SOCK_NONBLOCK is O_NONBLOCK by another name.
  if (libc.pipe2(ends, O_CLOEXEC | SOCK_NONBLOCK) !== 0) throw callFailure('pipe2', 'a pipe');
  const [from = -1, to = -1] = ends;
  return [from, to];
}
