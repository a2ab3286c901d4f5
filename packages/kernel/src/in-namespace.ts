import { closeSync, constants, openSync } from 'node:fs';
import { portolanError } from '@portolan/model';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const setns: (fd: number, kind: number) => number = libc.func('int setns(int fd, int nstype)');
const socket: (domain: number, type: number, protocol: number) => number = libc.func('int socket(int domain, int type, int protocol)');
const bind: (fd: number, address: Uint8Array, length: number) => number = libc.func('int bind(int fd, const uint8_t *addr, uint32_t len)');
const setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number = libc.func(
  'int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t len)',
);

/** linux/sched.h, socket.h */
const CLONE_NEWNET = 0x40000000;
const AF_INET = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const kinds = { tcp: 1, udp: 2 } as const;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;

function failure(call: string, path: string): Error {
  const code = koffi.errno();
  const name = Object.entries(koffi.os.errno).find(([, value]) => value === code)?.[0] ?? String(code);
  return portolanError('apply-failed', '', `${path}: ${call}: ${name}`);
}

/**
 * What `work` returns, run with this thread in the network namespace at `path`. A namespace belongs to a thread, so `work`
 * must be synchronous: whatever it opens or starts belongs to that namespace, and nothing else of the program sees it.
 * Fails with `apply-failed` when the namespace cannot be entered.
 */
export function inNamespace<T>(path: string, work: () => T): T {
  const home = openSync('/proc/thread-self/ns/net', constants.O_RDONLY);
  try {
    const there = openNamespace(path);
    try {
      if (setns(there, CLONE_NEWNET) !== 0) throw failure('setns', path);
    } finally {
      closeSync(there);
    }
    try {
      return work();
    } finally {
      // Whoever cannot go home must not go on: everything later would happen in the wrong namespace.
      if (setns(home, CLONE_NEWNET) !== 0) process.abort();
    }
  } finally {
    closeSync(home);
  }
}

function openNamespace(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY);
  } catch (cause) {
    throw portolanError('apply-failed', '', `${path}: the namespace is gone`, { cause });
  }
}

export interface SocketOptions {
  readonly kind: keyof typeof kinds;
  /** Where it is bound; unbound unless given. */
  readonly bind?: { readonly address: string; readonly port: number };
}

/**
 * Descriptor of a new IPv4 socket in the namespace at `path`. Node adopts it: `dgram.createSocket('udp4').bind({ fd })`,
 * `server.listen({ fd })`, `new net.Socket({ fd }).connect(…)`. Who adopts it closes it. Fails with `apply-failed`.
 */
export function socketIn(path: string, { kind, bind: to }: SocketOptions): number {
  return inNamespace(path, () => {
    const fd = socket(AF_INET, kinds[kind] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) throw failure('socket', path);
    try {
      if (to !== undefined) {
        if (kind === 'tcp' && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, new Uint8Array(new Int32Array([1]).buffer), 4) !== 0) throw failure('setsockopt', path);
        if (bind(fd, socketAddress(to.address, to.port), 16) !== 0) throw failure(`bind ${to.address}:${to.port}`, path);
      }
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });
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
