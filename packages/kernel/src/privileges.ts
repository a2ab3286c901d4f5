import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { portolanError } from '@portolan/model';
import koffi from 'koffi';
import { modulesOf } from './modules.js';

/**
 * What the work on a node needs, by the numbers of linux/capability.h.
 *
 * - NET_ADMIN: links, addresses, routes, rules, IPVS, sysctls of the network
 * - NET_RAW: raw sockets, by which IPVS and iptables-legacy are spoken to and the relay answers with ICMP
 * - SYS_ADMIN: to make, mount and enter network namespaces
 * - SYS_PTRACE: to see the namespaces of processes that may do more than the agent, or that are of other users
 */
export const neededCapabilities = { NET_ADMIN: 12, NET_RAW: 13, SYS_PTRACE: 19, SYS_ADMIN: 21 } as const;

const SETPCAP = 8;
const SYS_MODULE = 16;
/** linux/prctl.h, linux/capability.h */
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const CAPABILITY_VERSION_3 = 0x20080522;
/** fcntl.h */
const F_SETFD = 2;

/** Set for the program that is started anew, so that it never tries twice. */
const MARK = 'PORTOLAN_PRIVILEGES_DROPPED';

const needed = Object.values(neededCapabilities).reduce((set, capability) => set | (1n << BigInt(capability)), 0n);

/** Sets of capabilities of a process or thread, as its `status` in /proc has them. */
export interface Privileges {
  readonly inheritable: bigint;
  readonly permitted: bigint;
  readonly effective: bigint;
  readonly bounding: bigint;
  readonly noNewPrivileges: boolean;
}

export function privilegesIn(status: string): Privileges {
  const fieldOf = (name: string): string => new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0';
  const setOf = (name: string): bigint => BigInt(`0x${fieldOf(name)}`);
  return {
    inheritable: setOf('CapInh'),
    permitted: setOf('CapPrm'),
    effective: setOf('CapEff'),
    bounding: setOf('CapBnd'),
    noNewPrivileges: fieldOf('NoNewPrivs') === '1',
  };
}

function has(set: bigint, capability: number): boolean {
  return (set & (1n << BigInt(capability))) !== 0n;
}

/** Two structures of 32 capabilities each: effective, permitted, inheritable. */
function capabilitySets(keep: Pick<Privileges, 'permitted' | 'inheritable'>): Uint32Array {
  const low = (set: bigint): number => Number(set & 0xffff_ffffn);
  const high = (set: bigint): number => Number(set >> 32n);
  const { permitted, inheritable } = keep;
  return new Uint32Array([low(permitted), low(permitted), low(inheritable), high(permitted), high(permitted), high(inheritable)]);
}

/**
 * Gives up what the agent does not need, for itself and everything that it starts. Capabilities belong to threads, and Node has started
 * some by the time that it reads a program: so the program is started anew, in the same process, and this does not return. It returns where there is nothing to
 * give up, as under a service unit that has done it. Modules of the kernel are loaded before, which needs a capability that goes. Fails with `internal`.
 */
export function keepNeededPrivileges(): void {
  const held = privilegesIn(readFileSync('/proc/self/status', 'utf8'));
  const isAgain = process.env[MARK] !== undefined;
  delete process.env[MARK];
  if (isAgain || (held.permitted & ~needed) === 0n) return;
  if (has(held.effective, SYS_MODULE) && existsSync('/proc/modules')) {
    spawnSync('modprobe', ['-a', '-q', ...modulesOf(true)], { stdio: 'ignore', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
  }
  const library = koffi.load('libc.so.6');
  const prctl = library.func('int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)') as (
    option: number,
    a: number,
    b: number,
    c: number,
    d: number,
  ) => number;
  const capset = library.func('int capset(const uint32_t *header, const uint32_t *data)') as (header: Uint32Array, data: Uint32Array) => number;
  const execv = library.func('int execv(const char *path, const char **argv)') as (path: string, argv: readonly (string | null)[]) => number;
  const fcntl = library.func('int fcntl(int fd, int command, int flags)') as (fd: number, command: number, flags: number) => number;
  const mustBeDone = (call: string, answer: number): void => {
    if (answer !== 0) throw portolanError('internal', '', `privileges cannot be given up: ${call}: error ${koffi.errno()}`);
  };

  // Where this may not be changed, nothing that is started gets more than this process has all the same, by the next call.
  if (has(held.effective, SETPCAP)) {
    for (let capability = 0; capability < 64; capability += 1) {
      if (has(held.bounding & ~needed, capability)) mustBeDone('prctl', prctl(PR_CAPBSET_DROP, capability, 0, 0, 0));
    }
  }
  mustBeDone('prctl', prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  const keep = { permitted: held.permitted & needed, inheritable: held.inheritable & needed };
  mustBeDone('capset', capset(new Uint32Array([CAPABILITY_VERSION_3, 0]), capabilitySets(keep)));
  process.env[MARK] = '1';
  // Node has marked them to be closed.
  for (const fd of [0, 1, 2]) mustBeDone('fcntl', fcntl(fd, F_SETFD, 0));
  execv(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1), null]);
  throw portolanError('internal', '', `the program cannot be started anew: error ${koffi.errno()}`);
}
