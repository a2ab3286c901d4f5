import { closeSync, fstatSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Exec, Executed } from './ports.js';
import { endOf, type StartedProcess, startProcess } from './start.js';

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

/** What a file in memory holds, from its beginning, at most so many bytes: a process may write more before its limit is set. */
function contentOf(fd: number, most: number): string {
  const bytes = Buffer.allocUnsafe(Math.min(fstatSync(fd).size, most));
  let read = 0;
  for (let more = -1; read < bytes.length && more !== 0; read += more) more = readSync(fd, bytes, read, bytes.length - read, read);
  return bytes.toString('utf8', 0, read);
}

/** Why a process was stopped. */
interface Stop {
  readonly code: number;
  readonly why: string;
}

interface Ended {
  readonly exitCode: number;
  readonly stderr: string;
}

/** Waits for a process to the end of its standard error, and then for its exit. */
async function waitFor({ pid, stderr }: StartedProcess, timeLimit: number, outputLimit: number): Promise<Ended> {
  const said: Buffer[] = [];
  let stopped: Stop | undefined;
  const stop = (reason: Stop): void => {
    stopped ??= reason;
    // Nobody else has the number before we have waited for it.
    process.kill(pid, 'SIGKILL');
  };
  const tooMuch = (name: string): Stop => ({ code: TOO_MUCH_OUTPUT, why: `stopped: more than ${outputLimit} bytes on ${name}` });
  const timer = setTimeout(() => stop({ code: TIMED_OUT, why: `stopped after ${timeLimit} ms` }), timeLimit);
  await new Promise<void>((resolve) => {
    const socket = new Socket({ fd: stderr, readable: true, writable: false });
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= outputLimit) said.push(chunk);
      else stop(tooMuch('stderr'));
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });
  let end = endOf(pid);
  for (let wait = 1; end === undefined; wait = Math.min(50, 2 * wait)) {
    await sleep(wait);
    end = endOf(pid);
  }
  clearTimeout(timer);
  if ('signal' in end && end.signal === constants.signals.SIGXFSZ) stopped ??= tooMuch('stdout');
  const text = Buffer.concat(said).toString('utf8');
  if (stopped !== undefined) return { exitCode: stopped.code, stderr: `${text}${stopped.why}\n` };
  return { exitCode: 'code' in end ? end.code : SIGNAL_BASE + end.signal, stderr: text };
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
    run: async (argv, { input = '', namespace } = {}): Promise<Executed> => {
      const begin = performance.now();
      const child = startProcess({ argv, input, environment: toolEnvironment(), namespace, outputBytes: outputLimit });
      started += 1;
      try {
        const ended = await waitFor(child, timeLimit, outputLimit);
        return { command: commandLine(argv, namespace), ...ended, stdout: contentOf(child.stdout, outputLimit), milliseconds: performance.now() - begin };
      } finally {
        closeSync(child.stdout);
      }
    },
  };
}
