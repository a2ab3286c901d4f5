import { endianness } from 'node:os';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const recvmmsg: (fd: number, messages: Uint8Array, count: number, flags: number, timeout: null) => number = libc.func(
  'int recvmmsg(int fd, uint8_t *messages, unsigned int count, int flags, void *timeout)',
);
const sendmmsg: (fd: number, messages: Uint8Array, count: number, flags: number) => number = libc.func(
  'int sendmmsg(int fd, uint8_t *messages, unsigned int count, int flags)',
);

const MSG_DONTWAIT = 0x40;
/** struct mmsghdr of recvmmsg(2), struct iovec, struct sockaddr_in, as they are in memory on 64-bit Linux. */
const MMSGHDR = 64;
const IOVEC = 16;
const SOCKADDR = 16;
const OFFSET = { name: 0, nameLength: 8, iov: 16, iovLength: 24, control: 32, controlLength: 40, flags: 48, length: 56 } as const;
const AF_INET = 2;
const little = endianness() === 'LE';

/** Memory of one direction: `capacity` headers, each with an address and one slot of `size` bytes. */
function lane(capacity: number, size: number) {
  const slots = Buffer.alloc(capacity * size);
  const names = Buffer.alloc(capacity * SOCKADDR);
  const iovecs = Buffer.alloc(capacity * IOVEC);
  const headers = Buffer.alloc(capacity * MMSGHDR);
  const view = new DataView(headers.buffer, headers.byteOffset, headers.length);
  const vectors = new DataView(iovecs.buffer, iovecs.byteOffset, iovecs.length);
  for (let i = 0; i < capacity; i++) {
    vectors.setBigUint64(i * IOVEC, koffi.address(slots) + BigInt(i * size), little);
    vectors.setBigUint64(i * IOVEC + 8, BigInt(size), little);
    const at = i * MMSGHDR;
    view.setBigUint64(at + OFFSET.name, koffi.address(names) + BigInt(i * SOCKADDR), little);
    view.setUint32(at + OFFSET.nameLength, SOCKADDR, little);
    view.setBigUint64(at + OFFSET.iov, koffi.address(iovecs) + BigInt(i * IOVEC), little);
    view.setBigUint64(at + OFFSET.iovLength, 1n, little);
  }
  return { slots, names, headers, view, vectors };
}

export interface Sender {
  readonly address: string;
  readonly port: number;
}

export interface Datagrams {
  /** Reads what waits at an IPv4 UDP socket, at most `capacity` messages: their number, 0 when there is none. */
  receive(fd: number): number;
  /** Message `i` of the last `receive`, until the next. */
  message(i: number): Buffer;
  /** Who sent it. */
  sender(i: number): Sender;
  /** Puts a message up for `flush`: to the sender of message `to` of the last `receive`, to an address, or to where the socket is connected. */
  put(message: Buffer, to?: number | Sender): void;
  /** Sends what was put up. What cannot be sent at once is lost, as datagrams may be. */
  flush(fd: number): void;
}

/**
 * Many datagrams by one system call each way. `capacity` messages of at most `size` bytes; a longer one that comes is cut, and one that is
 * to go must not be longer. 64-bit Linux.
 */
export function datagrams(capacity: number, size: number): Datagrams {
  const incoming = lane(capacity, size);
  const outgoing = lane(capacity, size);
  let waiting = 0;

  return {
    receive: (fd) => {
      for (let at = 0; at < incoming.headers.length; at += MMSGHDR) incoming.view.setUint32(at + OFFSET.nameLength, SOCKADDR, little);
      return Math.max(0, recvmmsg(fd, incoming.headers, capacity, MSG_DONTWAIT, null));
    },
    message: (i) => incoming.slots.subarray(i * size, i * size + incoming.view.getUint32(i * MMSGHDR + OFFSET.length, little)),
    sender: (i) => {
      const at = i * SOCKADDR;
      return { address: incoming.names.subarray(at + 4, at + 8).join('.'), port: incoming.names.readUInt16BE(at + 2) };
    },
    put: (message, to) => {
      if (waiting === capacity || message.length > size) return;
      message.copy(outgoing.slots, waiting * size);
      outgoing.vectors.setUint32(waiting * IOVEC + 8, message.length, little);
      outgoing.view.setUint32(waiting * MMSGHDR + OFFSET.nameLength, to === undefined ? 0 : SOCKADDR, little);
      const at = waiting * SOCKADDR;
      if (typeof to === 'number') incoming.names.copy(outgoing.names, at, to * SOCKADDR, (to + 1) * SOCKADDR);
      else if (to !== undefined) {
        (little ? outgoing.names.writeUInt16LE : outgoing.names.writeUInt16BE).call(outgoing.names, AF_INET, at);
        outgoing.names.writeUInt16BE(to.port, at + 2);
        for (const [i, byte] of to.address.split('.').entries()) outgoing.names[at + 4 + i] = Number(byte);
      }
      waiting += 1;
    },
    flush: (fd) => {
      for (let at = 0; at < waiting; ) {
        const sent = sendmmsg(fd, at === 0 ? outgoing.headers : outgoing.headers.subarray(at * MMSGHDR), waiting - at, MSG_DONTWAIT);
        // The first of these cannot be sent; those behind it may be.
        at += Math.max(1, sent);
      }
      waiting = 0;
    },
  };
}

/** Slots that packets are read into and handled in where they lie: nothing is copied, and nothing allocated for a packet. */
export interface PacketLane {
  /** All slots, one behind the other; slot `i` begins at `i` times the size of a slot. */
  readonly memory: Buffer;
  /** A view of each slot. */
  readonly slots: readonly Buffer[];
}

export interface ReceivingLane extends PacketLane {
  /** Reads what waits at a UDP socket, one message a slot: their number, 0 when there is none or it failed. */
  receive(fd: number): number;
  /** Bytes in slot `i` after `receive`. A message that was longer than the slot fills it: whoever must know takes slots that are larger than all that it accepts. */
  length(i: number): number;
}

/** `capacity` slots of `size` bytes for what comes at a UDP socket. */
export function receivingLane(capacity: number, size: number): ReceivingLane {
  // The headers point into all parts of the lane, so whoever keeps one keeps them all.
  const parts = lane(capacity, size);
  // Nobody asks who sent it.
  for (let at = 0; at < parts.headers.length; at += MMSGHDR) {
    parts.view.setBigUint64(at + OFFSET.name, 0n, little);
    parts.view.setUint32(at + OFFSET.nameLength, 0, little);
  }
  return {
    memory: parts.slots,
    slots: slotsOf(parts.slots, capacity, size),
    receive: (fd) => Math.max(0, recvmmsg(fd, parts.headers, capacity, MSG_DONTWAIT, null)),
    length: (i) => parts.view.getUint32(i * MMSGHDR + OFFSET.length, little),
  };
}

export interface SendingLane extends PacketLane {
  /** Says that slot `i` holds `length` bytes for the host with this address, as a number of 32 bits. */
  aim(i: number, length: number, host: number): void;
  /** Sends the first `count` slots, each where it was aimed: the number of those that the kernel did not take. Datagrams may be lost, so they are not kept. */
  send(fd: number, count: number): number;
  /** Bytes of those that the kernel did not take at the last `send`. */
  readonly refusedBytes: number;
}

/** `capacity` slots of `size` bytes for what goes to `port` of IPv4 hosts. */
export function sendingLane(capacity: number, size: number, port: number): SendingLane {
  const parts = lane(capacity, size);
  const { slots: memory, names, vectors } = parts;
  for (let at = 0; at < names.length; at += SOCKADDR) {
    (little ? names.writeUInt16LE : names.writeUInt16BE).call(names, AF_INET, at);
    names.writeUInt16BE(port, at + 2);
  }
  let refusedBytes = 0;
  return {
    memory,
    slots: slotsOf(memory, capacity, size),
    aim: (i, length, host) => {
      vectors.setUint32(i * IOVEC + 8, length, little);
      names.writeInt32BE(host | 0, i * SOCKADDR + 4);
    },
    send: (fd, count) => {
      let refused = 0;
      refusedBytes = 0;
      for (let at = 0; at < count; ) {
        const sent = Math.max(0, sendmmsg(fd, at === 0 ? parts.headers : parts.headers.subarray(at * MMSGHDR), count - at, MSG_DONTWAIT));
        at += sent;
        if (sent > 0) continue;
        // The first of these cannot be sent; those behind it may be.
        refusedBytes += vectors.getUint32(at * IOVEC + 8, little);
        refused += 1;
        at += 1;
      }
      return refused;
    },
    get refusedBytes() {
      return refusedBytes;
    },
  };
}

function slotsOf(memory: Buffer, capacity: number, size: number): Buffer[] {
  return Array.from({ length: capacity }, (_, i) => memory.subarray(i * size, (i + 1) * size));
}
