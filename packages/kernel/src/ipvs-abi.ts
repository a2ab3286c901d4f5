import { AF_INET, callFailure, IPPROTO_RAW, libc, SOCK_CLOEXEC, SOCK_RAW } from './libc.js';

/** Numbers of linux/ip_vs.h. Its socket options are for IPv4, which is what we balance. */
const BASE = 64 + 1024 + 64;

/** IP_VS_SO_GET_… */
export const get = { info: BASE + 1, services: BASE + 2, destinations: BASE + 4, timeout: BASE + 6 } as const;

/** IP_VS_SO_SET_… */
export const set = { '-A': BASE + 2, '-E': BASE + 3, '-D': BASE + 4, '-a': BASE + 7, '-d': BASE + 8, '-e': BASE + 9, '--set': BASE + 10 } as const;

export const NO_NETMASK = 0xffffffff;
export const PERSISTENT = 0x01;
export const ONE_PACKET = 0x04;
export const SCHEDULER_FLAGS = [0x08, 0x10, 0x20] as const;

/** How `ipvsadm` names the flags of these schedulers; those of others it numbers. */
const flagNames: Readonly<Partial<Record<string, readonly string[]>>> = { sh: ['sh-fallback', 'sh-port'], mh: ['mh-fallback', 'mh-port'] };

/** Names of the flags of a scheduler, in the order of `SCHEDULER_FLAGS`. */
export function namesOfFlags(scheduler: string): readonly string[] {
  return SCHEDULER_FLAGS.map((_flag, i) => flagNames[scheduler]?.[i] ?? `flag-${i + 1}`);
}

/** Descriptor of a socket that leads to IPVS in this thread's namespace, wherever the thread is later. Fails with `apply-failed`. */
export function openIpvs(): number {
  const fd = libc.socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) throw callFailure('socket', 'ip_vs');
  return fd;
}
