import { closeSync } from 'node:fs';
import koffi from 'koffi';
import { inNamespace } from './in-namespace.js';
import { callFailure, errnoName, libc, SO_RCVBUFFORCE, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW, SOL_SOCKET } from './libc.js';
import { type LinkFacts, linksRequest, type RtnetlinkMessage, rtnetlinkParts } from './rtnetlink.js';

type Named<M> = M extends { readonly kind: 'link' }
  ? M & {
      /** As it was before; undefined for one that is new. */
      readonly before: LinkFacts | undefined;
    }
  : M extends { readonly index: number }
    ? M & {
        /** Name of the link; empty where it is not known any more. */
        readonly link: string;
      }
    : M;

/** A change in the kernel of a host that was made by anybody, we included. IPv4 only. */
export type KernelEvent = Named<RtnetlinkMessage>;

export interface KernelEventsOptions {
  /** Path of the network namespace; that of this process unless given. */
  readonly host?: string | undefined;
  readonly onEvent: (event: KernelEvent) => void;
  /** More came than could be kept: anything may have changed. */
  readonly onLost: () => void;
  /** Nothing is told any more. */
  readonly onEnd: (error: Error) => void;
}

export interface KernelEvents {
  close(): void;
}

const library = koffi.load('libc.so.6');
const send = library.func('intptr_t send(int fd, uint8_t *buffer, size_t length, int flags)') as (
  fd: number,
  buffer: Uint8Array,
  length: number,
  flags: number,
) => number;
const recv = library.func('intptr_t recv(int fd, uint8_t *buffer, size_t length, int flags)') as (
  fd: number,
  buffer: Uint8Array,
  length: number,
  flags: number,
) => number;

/** socket.h, linux/netlink.h */
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const SOCKADDR_NL = 12;
/** RTMGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE of linux/rtnetlink.h */
const GROUPS = 0x1 | 0x4 | 0x10 | 0x40 | 0x80;

/** Milliseconds between two looks at the socket. */
const EVERY = 100;
/** Bytes that the kernel keeps for us at most; a message takes up to 4 KiB of it, so some thousand fit between two looks. */
const RECEIVE_BUFFER = 8 * 1024 * 1024;
/** An answer about links comes in parts of at most 32 KiB. */
const MESSAGE = 64 * 1024;
/** Datagrams that are read before others have their turn. */
const AT_ONCE = 500;

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer);
}

/** A netlink socket that is told of changes. A socket stays in the namespace that it was made in. */
function openSocket(): number {
  const fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) throw callFailure('socket', 'rtnetlink');
  try {
    const size = new Uint8Array(new Int32Array([RECEIVE_BUFFER]).buffer);
    // Where it is not allowed, less is kept.
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size, 4);
    const address = new DataView(new ArrayBuffer(SOCKADDR_NL));
    new Uint16Array(address.buffer, 0, 1)[0] = AF_NETLINK;
    new Uint32Array(address.buffer, 8, 1)[0] = GROUPS;
    if (libc.bind(fd, bytesOf(address), SOCKADDR_NL) !== 0) throw callFailure('bind', 'rtnetlink');
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Tells of changes in the network namespace of a host, at most 100 ms after them, by the notifications of rtnetlink(7). It is a socket
 * of this process that is looked at ten times a second (Node has no way to wait for one), and not `ip monitor`: no process is left when
 * this one is killed, none must be watched and started anew, a loss is told by the kernel instead of going unseen in a pipe, and what has
 * changed need not be guessed from text for people. Fails with `apply-failed` when the namespace is gone or no socket is to be had.
 */
export function kernelEvents({ host, onEvent, onLost, onEnd }: KernelEventsOptions): KernelEvents {
  const fd = host === undefined ? openSocket() : inNamespace(host, openSocket);
  const links = new Map<number, LinkFacts>();
  const buffer = Buffer.allocUnsafe(MESSAGE);
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  let hasLost = false;

  function close(): void {
    if (isClosed) return;
    isClosed = true;
    clearTimeout(timer);
    closeSync(fd);
  }

  /** Events name links by number only. */
  function askForLinks(): void {
    const request = linksRequest();
    if (send(fd, request, request.length, 0) !== request.length) throw callFailure('send', 'rtnetlink');
  }

  function named(message: RtnetlinkMessage): KernelEvent {
    if (message.kind === 'link') {
      const before = links.get(message.link.index);
      if (message.isGone) links.delete(message.link.index);
      else links.set(message.link.index, message.link);
      return { ...message, before };
    }
    if ('index' in message) return { ...message, link: links.get(message.index)?.name ?? '' };
    return message;
  }

  function take(datagram: Buffer): void {
    for (const { message, isAnswer } of rtnetlinkParts(datagram)) {
      const event = named(message);
      if (!isAnswer && !isClosed) onEvent(event);
    }
  }

  /** Whether more may be waiting. */
  function read(): boolean {
    for (let count = 0; count < AT_ONCE && !isClosed; count += 1) {
      const length = recv(fd, buffer, MESSAGE, MSG_DONTWAIT | MSG_TRUNC);
      if (length > MESSAGE) hasLost = true;
      else if (length >= 0) take(buffer.subarray(0, length));
      else {
        const error = errnoName(koffi.errno());
        if (error === 'EAGAIN' || error === 'EWOULDBLOCK') return false;
        if (error === 'ENOBUFS') hasLost = true;
        else if (error !== 'EINTR') throw callFailure('recv', 'rtnetlink');
      }
    }
    return true;
  }

  /** What comes after a loss is lost, too, until all that waits is read. */
  function recover(): void {
    hasLost = false;
    askForLinks();
    onLost();
  }

  function look(): void {
    try {
      const isMore = read();
      if (!isMore && hasLost) recover();
      if (isClosed) return;
      timer = setTimeout(look, isMore ? 0 : EVERY);
      timer.unref();
    } catch (error) {
      close();
      onEnd(error instanceof Error ? error : new Error(String(error)));
    }
  }

  try {
    askForLinks();
  } catch (error) {
    close();
    throw error;
  }
  look();
  return { close };
}
