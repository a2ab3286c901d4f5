import { accessSync, closeSync, constants, writeSync } from 'node:fs';
import { join } from 'node:path';
import { portolanError } from '@portolan/model';
import { inNamespace } from './in-namespace.js';
import { callFailure, errnoName, libc, MFD_CLOEXEC, O_CLOEXEC, RLIMIT_FSIZE, WNOHANG } from './libc.js';

/** Larger than the opaque structures of any libc: 80 and 336 bytes in glibc, and a set of signals has 128. */
const OPAQUE_SIZE = 512;
/** POSIX_SPAWN_SETSIGDEF and POSIX_SPAWN_SETSIGMASK of spawn.h. */
const SET_SIGNALS = 0x04 | 0x08;

export interface StartRequest {
  readonly argv: readonly [string, ...string[]];
  readonly input: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Path of its network namespace; that of this process when undefined. */
  readonly namespace: string | undefined;
  /** It is stopped by SIGXFSZ when it writes more to its standard output. */
  readonly outputBytes: number;
}

/** A process that runs. Whoever starts it waits for it, and closes the descriptors. */
export interface StartedProcess {
  readonly pid: number;
  /** A file in memory that its standard output goes to. */
  readonly stdout: number;
  /** End of a pipe that its standard error comes from; at its end the process is about to be gone. */
  readonly stderr: number;
}

let attributes: Uint8Array | undefined;

/** Node ignores SIGPIPE, and a child would, too: it begins with all signals as they are by default. */
function spawnAttributes(): Uint8Array {
  if (attributes !== undefined) return attributes;
  const made = new Uint8Array(OPAQUE_SIZE);
  libc.posix_spawnattr_init(made);
  libc.posix_spawnattr_setsigdefault(made, new Uint8Array(OPAQUE_SIZE).fill(0xff));
  libc.posix_spawnattr_setsigmask(made, new Uint8Array(OPAQUE_SIZE));
  libc.posix_spawnattr_setflags(made, SET_SIGNALS);
  attributes = made;
  return made;
}

const found = new Map<string, string>();

/** Path of a program, as a shell would find it. Fails with `tool-missing`. */
function pathOf(program: string, searched: string): string {
  const known = found.get(program);
  if (known !== undefined) return known;
  for (const folder of program.includes('/') ? [''] : searched.split(':')) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      found.set(program, path);
      return path;
    } catch {}
  }
  throw portolanError('tool-missing', '', `the program ${program} is not installed`);
}

/** Descriptor of a file in memory that holds the text. */
function fileOf(text: string): number {
  const fd = libc.memfd_create('portolan', MFD_CLOEXEC);
  if (fd < 0) throw callFailure('memfd_create', 'a process');
  // At a position of its own, so that the child reads and writes from the beginning.
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, at);
  return fd;
}

/**
 * Starts a process by posix_spawn(3). Node's own `spawn` copies the page tables of this process first, and that takes ten
 * times as long once it holds the states of a large cluster. Input and output are files in memory: the child works
 * through them without this process, and may open its input anew, which some tools do. Fails with `tool-missing`, or with
 * `apply-failed` when the namespace is gone.
 */
export function startProcess({ argv, input, environment, namespace, outputBytes }: StartRequest): StartedProcess {
  const [program] = argv;
  const path = pathOf(program, environment.PATH ?? '');
  const envp = Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  const opened: number[] = [];
  const actions = new Uint8Array(OPAQUE_SIZE);
  libc.posix_spawn_file_actions_init(actions);
  try {
    const stdin = fileOf(input);
    opened.push(stdin);
    const stdout = fileOf('');
    opened.push(stdout);
    const ends = [-1, -1];
    if (libc.pipe2(ends, O_CLOEXEC) !== 0) throw callFailure('pipe2', program);
    const [stderr = -1, theirs = -1] = ends;
    opened.push(stderr, theirs);
    for (const [from, to] of [
      [stdin, 0],
      [stdout, 1],
      [theirs, 2],
    ] as const) {
      libc.posix_spawn_file_actions_adddup2(actions, from, to);
    }
    const pid = [0];
    // A process begins in the namespace of the thread that starts it, so none need be started for entering it first.
    const begin = () => libc.posix_spawn(pid, path, actions, spawnAttributes(), [...argv, null], [...envp, null]);
    const error = namespace === undefined ? begin() : inNamespace(namespace, begin);
    if (error !== 0) {
      found.delete(program);
      throw portolanError('internal', '', `cannot start ${program}: ${errnoName(error)}`);
    }
    const [started = 0] = pid;
    libc.prlimit(started, RLIMIT_FSIZE, new BigUint64Array([BigInt(outputBytes), BigInt(outputBytes)]), null);
    opened.splice(0, opened.length, stdin, theirs);
    return { pid: started, stdout, stderr };
  } finally {
    libc.posix_spawn_file_actions_destroy(actions);
    for (const fd of opened) closeSync(fd);
  }
}

/** How a process ended, once it has: its exit code, or the number of the signal; undefined as long as it runs. */
export function endOf(pid: number): { readonly code: number } | { readonly signal: number } | undefined {
  const status = [0];
  const ended = libc.waitpid(pid, status, WNOHANG);
  if (ended === 0) return undefined;
  if (ended < 0) throw callFailure('waitpid', String(pid));
  const [raw = 0] = status;
  const signal = raw & 0x7f;
  return signal === 0 ? { code: (raw >> 8) & 0xff } : { signal };
}
