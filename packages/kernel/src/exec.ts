import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { portolanError } from '@portolan/model';
import { inNamespace } from './in-namespace.js';
import { callFailure, libc, MFD_CLOEXEC } from './libc.js';
import type { Exec, Executed, RunOptions } from './ports.js';

export interface SpawnLimits {
  /** Kills the process after this many milliseconds; exit code 124 then, as `timeout` gives. */
  readonly milliseconds?: number;
  /** Kills the process when one of its outputs grows beyond this many bytes; exit code 125 then. */
  readonly outputBytes?: number;
}

const SIGNAL_BASE = 128;
/** Exit codes of our own for a process that was stopped, outside of what the tools use themselves. */
const TIMED_OUT = 124;
const TOO_MUCH_OUTPUT = 125;

/**
 * Looked through first: service units often start with a PATH without sbin, and package scripts with one of many
 * folders, each of which costs a failed exec before the tool is found.
 */
const TOOL_PATH = '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin';

/** The environment of every tool: untranslated messages, and the places where distributions keep network tools. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  const { PATH } = process.env;
  return { ...process.env, LC_ALL: 'C', PATH: PATH === undefined || PATH === '' ? TOOL_PATH : `${TOOL_PATH}:${PATH}` };
}

/** A command line that does the same from a shell. */
export function commandLine(argv: readonly string[], namespace: string | undefined): string {
  return (namespace === undefined ? argv : ['nsenter', `--net=${namespace}`, '--', ...argv]).join(' ');
}

/** Descriptor of a file in memory that holds the text. The child reads it without this process, which may be busy; and some tools open their input anew, which a socket does not allow. */
function fileOf(text: string): number {
  const fd = libc.memfd_create('portolan', MFD_CLOEXEC);
  if (fd < 0) throw callFailure('memfd_create', 'standard input');
  // At a position of its own, so that the child's reading starts at the beginning.
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, at);
  return fd;
}

function start([file, ...args]: readonly [string, ...string[]], { input = '', namespace }: RunOptions): ChildProcess {
  const given = input === '' ? undefined : fileOf(input);
  try {
    // A process begins in the namespace of the thread that starts it, so none need be started for entering it first.
    const begin = () => spawn(file, args, { stdio: [given ?? 'ignore', 'pipe', 'pipe'], env: toolEnvironment() });
    return namespace === undefined ? begin() : inNamespace(namespace, begin);
  } finally {
    if (given !== undefined) closeSync(given);
  }
}

/**
 * Starts real processes, without a shell. A process that fails or is stopped by a limit is an answer with its exit
 * code, not an error; only one that cannot be started fails: with `tool-missing`, or with `apply-failed` when the
 * namespace is gone.
 */
export function spawnExec(limits: SpawnLimits = {}): Exec {
  const timeLimit = limits.milliseconds ?? 60_000;
  const outputLimit = limits.outputBytes ?? 256 * 1024 * 1024;
  let started = 0;
  return {
    get started() {
      return started;
    },
    run: (argv, options = {}) =>
      new Promise<Executed>((resolve, reject) => {
        const begin = performance.now();
        const child = start(argv, options);
        started += 1;
        const out = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
        let stopped: { readonly code: number; readonly why: string } | undefined;
        const stop = (code: number, why: string): void => {
          stopped ??= { code, why };
          child.kill('SIGKILL');
        };
        const timer = setTimeout(() => stop(TIMED_OUT, `stopped after ${timeLimit} ms`), timeLimit);
        for (const name of ['stdout', 'stderr'] as const) {
          let bytes = 0;
          child[name]?.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes <= outputLimit) out[name].push(chunk);
            else stop(TOO_MUCH_OUTPUT, `stopped: more than ${outputLimit} bytes on ${name}`);
          });
        }
        child.on('error', (cause: NodeJS.ErrnoException) => {
          clearTimeout(timer);
          reject(
            cause.code === 'ENOENT'
              ? portolanError('tool-missing', '', `the program ${argv[0]} is not installed`, { cause })
              : portolanError('internal', '', `cannot start ${argv[0]}: ${cause.message}`, { cause }),
          );
        });
        child.on('close', (code, signal) => {
          clearTimeout(timer);
          const stderr = Buffer.concat(out.stderr).toString('utf8');
          resolve({
            command: commandLine(argv, options.namespace),
            exitCode: stopped?.code ?? code ?? SIGNAL_BASE + (signal === 'SIGKILL' ? 9 : 15),
            stdout: Buffer.concat(out.stdout).toString('utf8'),
            stderr: stopped === undefined ? stderr : `${stderr}${stopped.why}\n`,
            milliseconds: performance.now() - begin,
          });
        });
      }),
  };
}
