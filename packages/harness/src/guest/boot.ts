import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type PortolanError, portolanError } from '@portolan/model';
import type { MachineProcess } from '../hosts/machine.js';
import { runProcess, startProcess } from '../hosts/process.js';
import type { Subnetwork } from '../hosts/underlay.js';
import { findProgram } from '../servers/programs.js';
import { compileShim } from './shim.js';

export interface GuestPlan {
  /** Absolute path: console log, generated init and compiled library lie in it. */
  readonly directory: string;
  /** Tap device on this machine. It belongs to the guest's process and goes away with it. */
  readonly link: string;
  readonly subnetwork: Subnetwork;
  /** The guest's own address on the underlay. */
  readonly address: string;
  /** Bridge on this machine that the tap becomes a port of; without one the tap itself carries this machine's address. */
  readonly bridge: string | undefined;
  /** Processor of this machine that the guest keeps to. */
  readonly processor: string;
}

/** The guest's memory in MiB; taken as it is used. */
const memory = 2048;
const bootWithin = 30_000;

export interface BootedGuest {
  readonly process: MachineProcess;
  readonly token: string;
  /** Sends a signal to linux.uml and to the processes that it keeps for its own, which outlive it otherwise. */
  signalAll(signal: NodeJS.Signals): void;
  /** The error to throw when the guest does not do what it should: with the end of its console. */
  failure(message: string): PortolanError;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function writeInit(plan: GuestPlan, token: string): string {
  const variables = {
    PORTOLAN_GUEST_ADDRESS: plan.address,
    PORTOLAN_GUEST_PREFIX: String(plan.subnetwork.prefixLength),
    PORTOLAN_BRIDGE: plan.link,
    PORTOLAN_NODE: process.execPath,
    PORTOLAN_COMMAND_SERVER: fileURLToPath(new URL('../../dist/guest/command-server.js', import.meta.url)),
    PORTOLAN_CHANNEL_TOKEN: token,
  };
  const file = join(plan.directory, 'init');
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  const body = fileURLToPath(new URL('../../shim/guest-init.sh', import.meta.url));
  writeFileSync(file, `#!/bin/bash\n${exports.join('')}. ${quoted(body)}\n`, { mode: 0o700 });
  return file;
}

function consoleTail(log: string): string {
  try {
    return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
  } catch {
    return '';
  }
}

/** Waits for the tap that linux.uml makes, and connects it with this machine. */
async function raiseTap(plan: GuestPlan, hasEnded: () => boolean, failure: BootedGuest['failure']): Promise<void> {
  const deadline = performance.now() + bootWithin;
  const { gateway, prefixLength } = plan.subnetwork;
  // A namespace of our own may hide /sys of the network that we are in, so ask the kernel by netlink.
  while ((await runProcess(['ip', 'link', 'show', plan.link])).exitCode !== 0) {
    if (hasEnded()) throw failure('the guest ended while it booted');
    if (performance.now() > deadline) throw failure(`the guest made no network device within ${bootWithin / 1000} s`);
    await sleep(25);
  }
  const place = plan.bridge === undefined ? `addr add ${gateway}/${prefixLength} dev ${plan.link}` : `link set ${plan.link} master ${plan.bridge}`;
  const lines = `${place}\nlink set ${plan.link} up\n`;
  const { exitCode, stderr } = await runProcess(['ip', '-batch', '-'], lines);
  if (exitCode !== 0) throw failure(`${plan.link} cannot be configured: ${stderr.trim()}`);
}

/** Boots Debian's linux.uml from this machine's own root file system, and returns when its network device is up. */
export async function bootGuest(plan: GuestPlan): Promise<BootedGuest> {
  const linux = findProgram('linux.uml', 'user-mode-linux');
  findProgram('modprobe', 'kmod');
  mkdirSync(plan.directory, { recursive: true });
  const library = await compileShim(plan.directory);
  const token = randomBytes(18).toString('base64url');
  const log = join(plan.directory, 'console.log');
  writeFileSync(log, '');

  // linux.uml keeps the guest's memory in a file in /dev/shm, which is 64 MiB small in a Docker container and where
  // it would die by SIGBUS: it gets a tmpfs in a mount namespace of its own.
  const script = `mount -t tmpfs -o size=${memory + 128}m tmpfs /dev/shm && exec "$@"`;
  const kernel = [
    // The guest's kernel and its processes are processes here that take turns: on one processor a turn is passed in
    // half the time that waking another one takes.
    ...['taskset', '--cpu-list', plan.processor],
    linux,
    `mem=${memory}M`,
    ...['root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'rw', `init=${writeInit(plan, token)}`],
    ...['con=null', 'con0=fd:0,fd:1', 'quiet', `vec0:transport=tap,ifname=${plan.link},depth=128,gro=1`],
  ];
  const guest = await startProcess(['unshare', '--mount', '--propagation', 'slave', '/bin/sh', '-c', script, 'sh', ...kernel], {
    logFile: log,
    // Only linux.uml itself may load it: its own processes inherit nothing from here.
    env: library === undefined ? {} : { LD_PRELOAD: library },
  });
  let ended = false;
  void guest.exited.then(() => {
    ended = true;
  });
  const failure = (message: string): PortolanError =>
    portolanError('apply-failed', '', `User-Mode Linux: ${message}. The end of its console (${log}):\n${consoleTail(log)}`, {
      fix: 'Try again; or use a machine whose own kernel has ip_vs (modprobe ip_vs): no guest is needed there.',
    });
  const signalAll = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-guest.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  try {
    await raiseTap(plan, () => ended, failure);
  } catch (error) {
    signalAll('SIGKILL');
    throw error;
  }
  return { process: guest, token, signalAll, failure };
}
