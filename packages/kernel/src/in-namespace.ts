import { closeSync, constants, openSync } from 'node:fs';
import { portolanError } from '@portolan/model';
import {
  AF_INET,
  CLONE_NEWNET,
  callFailure,
  libc,
  MS_BIND,
  SO_RCVBUFFORCE,
  SO_REUSEADDR,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from './libc.js';

const kinds = { tcp: 1, udp: 2 } as const;

/** What `work` returns, after `leave` has brought this thread into another namespace; it is home again afterwards. */
function away<T>(leave: () => void, work: () => T): T {
  const home = openSync('/proc/thread-self/ns/net', constants.O_RDONLY);
  try {
    leave();
    try {
      return work();
    } finally {
      // Whoever cannot go home must not go on: everything later would happen in the wrong namespace.
      if (libc.setns(home, CLONE_NEWNET) !== 0) process.abort();
    }
  } finally {
    closeSync(home);
  }
}

/**
 * What `work` returns, run with this thread in the network namespace at `path`. A namespace belongs to a thread, so `work`
 * must be synchronous: whatever it opens or starts belongs to that namespace, and nothing else of the program sees it.
 * Fails with `apply-failed` when the namespace cannot be entered.
 */
export function inNamespace<T>(path: string, work: () => T): T {
  return away(() => {
    const there = openNamespace(path);
    try {
      if (libc.setns(there, CLONE_NEWNET) !== 0) throw callFailure('setns', path);
    } finally {
      closeSync(there);
    }
  }, work);
}

function openNamespace(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY);
  } catch (cause) {
    throw portolanError('apply-failed', '', `${path}: the namespace is gone`, { cause });
  }
}

/** Makes a new network namespace and mounts it on the file at `path`. Fails with `apply-failed`. */
export function mountNewNamespace(path: string): void {
  away(
    () => {
      if (libc.unshare(CLONE_NEWNET) !== 0) throw callFailure('unshare', path);
    },
    () => {
      if (libc.mount('/proc/thread-self/ns/net', path, null, MS_BIND, null) !== 0) throw callFailure('mount', path);
    },
  );
}

/** Takes one namespace off the file at `path`. Fails with `apply-failed`. */
export function unmountNamespace(path: string): void {
  if (libc.umount2(path, 0) !== 0) throw callFailure('umount', path);
}

export interface SocketOptions {
  readonly kind: keyof typeof kinds;
  /** Where it is bound; unbound unless given. */
  readonly bind?: { readonly address: string; readonly port: number };
  /** Bytes of its buffer, each way, beyond what the system allows others; the system's unless given. */
  readonly buffer?: number;
}

/**
 * Descriptor of a new IPv4 socket in the namespace at `path`. Node adopts it: `dgram.createSocket('udp4').bind({ fd })`,
 * `server.listen({ fd })`, `new net.Socket({ fd }).connect(…)`. Who adopts it closes it. Fails with `apply-failed`.
 */
export function socketIn(path: string, { kind, bind: to, buffer }: SocketOptions): number {
  return inNamespace(path, () => {
    const fd = libc.socket(AF_INET, kinds[kind] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) throw callFailure('socket', path);
    try {
      // Without the right to it, it keeps the system's.
      if (buffer !== undefined) for (const name of [SO_RCVBUFFORCE, SO_SNDBUFFORCE]) libc.setsockopt(fd, SOL_SOCKET, name, integer(buffer), 4);
      if (to !== undefined) {
        if (kind === 'tcp' && libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, integer(1), 4) !== 0) {
          throw callFailure('setsockopt', path);
        }
        if (libc.bind(fd, socketAddress(to.address, to.port), 16) !== 0) throw callFailure(`bind ${to.address}:${to.port}`, path);
      }
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });
}

function integer(value: number): Uint8Array {
  return new Uint8Array(new Int32Array([value]).buffer);
}

/** struct sockaddr_in of ip(7). */
function socketAddress(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes[0] = AF_INET;
  bytes[2] = port >> 8;
  bytes[3] = port & 0xff;
  bytes.set(address.split('.').map(Number), 4);
  return bytes;
}
