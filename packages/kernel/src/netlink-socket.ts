import { closeSync } from 'node:fs';
import koffi from 'koffi';
import { callFailure, errnoName, libc, SO_RCVBUFFORCE, SOCK_CLOEXEC, SOCK_RAW, SOL_SOCKET } from './libc.js';

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
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const SOCKADDR_NL = 12;
/** Bytes that the kernel keeps for us at most; a message takes up to 4 KiB of it, so some thousand fit between two looks. */
const RECEIVE_BUFFER = 8 * 1024 * 1024;
/** An answer comes in parts of at most 32 KiB. */
const buffer = Buffer.allocUnsafe(64 * 1024);

/** A netlink socket of this thread's namespace, in which it stays. It is told what `groups`, a mask of RTMGRP_…, asks for. Fails with `apply-failed`. */
export function netlinkSocket(protocol: number, groups: number, flags = 0): number {
  const fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol);
  if (fd < 0) throw callFailure('socket', 'netlink');
  try {
    // Where it is not allowed, less is kept.
    if (groups !== 0) libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, new Uint8Array(new Int32Array([RECEIVE_BUFFER]).buffer), 4);
    const address = new ArrayBuffer(SOCKADDR_NL);
    new Uint16Array(address, 0, 1)[0] = AF_NETLINK;
    new Uint32Array(address, 8, 1)[0] = groups;
    if (libc.bind(fd, new Uint8Array(address), SOCKADDR_NL) !== 0) throw callFailure('bind', 'netlink');
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Fails with `apply-failed`. */
export function sendTo(fd: number, request: Uint8Array): void {
  if (send(fd, request, request.length, 0) !== request.length) throw callFailure('send', 'netlink');
}

/** What waits at a netlink socket: a datagram that is good until the next call, `nothing`, or `lost` where the kernel could not keep it. Fails with `apply-failed`. */
export function received(fd: number): Buffer | 'nothing' | 'lost' {
  for (;;) {
    const length = recv(fd, buffer, buffer.length, MSG_DONTWAIT | MSG_TRUNC);
    if (length > buffer.length) return 'lost';
    if (length >= 0) return buffer.subarray(0, length);
    const error = errnoName(koffi.errno());
    if (error === 'EAGAIN' || error === 'EWOULDBLOCK') return 'nothing';
    if (error === 'ENOBUFS') return 'lost';
    if (error !== 'EINTR') throw callFailure('recv', 'netlink');
  }
}
