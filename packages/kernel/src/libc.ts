import { portolanError } from '@portolan/model';
import koffi from 'koffi';

const library = koffi.load('libc.so.6');

/** System calls by their C names; each answers -1 when it fails, and `callFailure` says why. */
export const libc = {
  setns: library.func('int setns(int fd, int nstype)') as (fd: number, kind: number) => number,
  unshare: library.func('int unshare(int flags)') as (flags: number) => number,
  mount: library.func('int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)') as (
    source: string,
    target: string,
    type: string | null,
    flags: number,
    data: null,
  ) => number,
  umount2: library.func('int umount2(const char *target, int flags)') as (target: string, flags: number) => number,
  socket: library.func('int socket(int domain, int type, int protocol)') as (domain: number, type: number, protocol: number) => number,
  bind: library.func('int bind(int fd, const uint8_t *addr, uint32_t len)') as (fd: number, address: Uint8Array, length: number) => number,
  setsockopt: library.func('int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t len)') as (
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: number,
  ) => number,
  getsockopt: library.func('int getsockopt(int fd, int level, int name, _Inout_ uint8_t *value, _Inout_ uint8_t *len)') as (
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: Uint8Array,
  ) => number,
  pipe2: library.func('int pipe2(_Out_ int *ends, int flags)') as (ends: number[], flags: number) => number,
  waitpid: library.func('int waitpid(int pid, _Out_ int *status, int options)') as (pid: number, status: number[], options: number) => number,
  prlimit: library.func('int prlimit(int pid, int resource, const uint64_t *limit, void *old)') as (
    pid: number,
    resource: number,
    limit: BigUint64Array,
    old: null,
  ) => number,
  /** Unlike the others, these answer with the number of the error. */
  posix_spawn: library.func(
    'int posix_spawn(_Out_ int *pid, const char *path, const void *actions, const void *attributes, const char **argv, const char **envp)',
  ) as (pid: number[], path: string, actions: Uint8Array, attributes: Uint8Array, argv: readonly (string | null)[], envp: readonly (string | null)[]) => number,
  posix_spawn_file_actions_init: library.func('int posix_spawn_file_actions_init(void *actions)') as (actions: Uint8Array) => number,
  posix_spawn_file_actions_adddup2: library.func('int posix_spawn_file_actions_adddup2(void *actions, int from, int to)') as (
    actions: Uint8Array,
    from: number,
    to: number,
  ) => number,
  posix_spawn_file_actions_destroy: library.func('int posix_spawn_file_actions_destroy(void *actions)') as (actions: Uint8Array) => number,
  posix_spawnattr_init: library.func('int posix_spawnattr_init(void *attributes)') as (attributes: Uint8Array) => number,
  posix_spawnattr_setflags: library.func('int posix_spawnattr_setflags(void *attributes, short flags)') as (attributes: Uint8Array, flags: number) => number,
  posix_spawnattr_setsigdefault: library.func('int posix_spawnattr_setsigdefault(void *attributes, const void *signals)') as (
    attributes: Uint8Array,
    signals: Uint8Array,
  ) => number,
  posix_spawnattr_setsigmask: library.func('int posix_spawnattr_setsigmask(void *attributes, const void *signals)') as (
    attributes: Uint8Array,
    signals: Uint8Array,
  ) => number,
  memfd_create: library.func('int memfd_create(const char *name, unsigned int flags)') as (name: string, flags: number) => number,
  /** These move packets: no copy, and no string for a failure. */
  read: library.func('intptr_t read(int fd, uint8_t *bytes, size_t count)') as (fd: number, bytes: Uint8Array, count: number) => number,
  write: library.func('intptr_t write(int fd, const uint8_t *bytes, size_t count)') as (fd: number, bytes: Uint8Array, count: number) => number,
  poll: library.func('int poll(uint8_t *set, unsigned long count, int milliseconds)') as (set: Uint8Array, count: number, milliseconds: number) => number,
  flock: library.func('int flock(int fd, int operation)') as (fd: number, operation: number) => number,
  ioctl: library.func('int ioctl(int fd, unsigned long request, _Inout_ uint8_t *argument)') as (fd: number, request: number, argument: Uint8Array) => number,
};

/** linux/sched.h, linux/mount.h, linux/memfd.h, fcntl.h, sys/resource.h, sys/wait.h, socket.h, linux/sockios.h, sys/file.h, poll.h, linux/if_tun.h, linux/if.h */
export const CLONE_NEWNET = 0x40000000;
export const MS_BIND = 4096;
export const MFD_CLOEXEC = 1;
export const O_CLOEXEC = 0o2000000;
export const RLIMIT_FSIZE = 1;
export const WNOHANG = 1;
export const AF_INET = 2;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;
export const SOCK_NONBLOCK = 0o4000;
export const IPPROTO_RAW = 255;
export const SOL_IP = 0;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_MEMINFO = 55;
export const SIOCGIFFLAGS = 0x8913;
export const SIOCGIFMTU = 0x8921;
export const SIOCGIFINDEX = 0x8933;
export const TUNSETIFF = 0x400454ca;
export const IFF_TUN = 0x0001;
export const IFF_NO_PI = 0x1000;
export const IFF_UP = 0x1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const POLLIN = 1;

export function errnoName(code: number): string {
  return Object.entries(koffi.os.errno).find(([, value]) => value === code)?.[0] ?? String(code);
}

/** Name of the error of the call that failed just now: the number is that of the thread's last call. */
export function lastErrno(): string {
  return errnoName(koffi.errno());
}

export function callFailure(call: string, path: string): Error {
  return portolanError('apply-failed', '', `${path}: ${call}: ${lastErrno()}`);
}
