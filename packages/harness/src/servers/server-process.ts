import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { portolanError } from '@portolan/model';
import { freePort } from './port.js';
import { type Account, serverEnvironment } from './programs.js';
import {
  isGoneWithin,
  isOwnedByAnother,
  isRunning,
  processStartTicks,
  readRecord,
  type ServerRecord,
  signalRecorded,
  stopRecorded,
  writeRecord,
} from './record.js';

export interface ServerOptions {
  /** Absolute path. Created when absent; the server's log, record and data lie in it. */
  readonly directory: string;
  /** A free port when left out; the one of the last start when that is free. */
  readonly port?: number;
  /** False turns fsync off: data survive the death of the server, not of the machine. Default true. */
  readonly durable?: boolean;
}

/** A real server on loopback, private to us. It dies with this process unless that is killed; then `stopLeftovers` ends it. */
export interface RunningServer {
  readonly url: string;
  readonly pid: number;
  readonly port: number;
  readonly directory: string;
  /** Orderly end; nothing happens when it is dead already. */
  stop(): Promise<void>;
  /** Sends a signal; with SIGKILL it waits until the process is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Stops it if it still runs, then starts it on the same port and data; `pid` is new. */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT: a server that accepts connections but never answers. */
  pause(): void;
  resume(): void;
}

/** How one kind of server is started; the rest of its life is the same for all. */
export interface ServerProgram {
  readonly name: string;
  readonly directory: string;
  readonly command: string;
  /** One of the arguments, that no other server has: tells our process from others by its command line. */
  readonly marker: string;
  readonly stopSignal: NodeJS.Signals;
  readonly account?: Account;
  args(port: number): readonly string[] | Promise<readonly string[]>;
  url(port: number): string;
  /** True when it answers. May reject: that counts as no. */
  isReady(port: number, pid: number): Promise<boolean>;
}

const readyWithin = 30_000;
/** What the servers say when a dying predecessor, or a stranger, still holds what they need. */
const transientFault = /still in use|address already in use|lock file "postmaster.pid" already exists|failed to bind|Failed listening/i;

const started = new Set<ServerRecord>();

// Last resort: whoever forgets stop() leaves no server behind when the process ends by itself.
process.on('exit', () => {
  for (const record of started) signalRecorded(record, record.stopSignal);
});

function tailOf(file: string, from: number): string {
  try {
    return readFileSync(file).subarray(from).toString('utf8').trim().split('\n').slice(-8).join('\n');
  } catch {
    return '';
  }
}

interface Launch {
  readonly record: ServerRecord;
  readonly hasEnded: () => boolean;
}

function launch(program: ServerProgram, port: number, args: readonly string[], log: string): Promise<Launch> {
  return new Promise((resolve, reject) => {
    const output = openSync(log, 'a', 0o600);
    let ended = false;
    // Its own session: a Ctrl-C in the terminal must reach us alone, so that we stop things in order.
    const child: ChildProcess = spawn(program.command, [...args], {
      ...program.account,
      cwd: '/',
      env: serverEnvironment,
      stdio: ['ignore', output, output],
      detached: true,
    });
    closeSync(output);
    child.once('error', reject);
    child.once('exit', () => {
      ended = true;
    });
    child.once('spawn', () => {
      // The process lives on without our event loop being held by it.
      child.unref();
      const record: ServerRecord = {
        name: program.name,
        pid: child.pid ?? 0,
        startTicks: processStartTicks(child.pid ?? 0) ?? 0,
        port,
        command: program.command,
        marker: program.marker,
        stopSignal: program.stopSignal,
        owner: { pid: process.pid, startTicks: processStartTicks(process.pid) ?? 0 },
      };
      writeRecord(program.directory, record);
      started.add(record);
      resolve({ record, hasEnded: () => ended || !isRunning(record) });
    });
  });
}

async function end(record: ServerRecord): Promise<void> {
  await stopRecorded(record);
  started.delete(record);
}

/** Starts it once and waits until it answers; on failure gives the end of its log. */
async function startOnce(program: ServerProgram, port: number): Promise<ServerRecord | { readonly fault: string }> {
  const log = join(program.directory, 'log');
  const before = readSize(log);
  const { record, hasEnded } = await launch(program, port, await program.args(port), log);
  const deadline = performance.now() + readyWithin;
  while (!hasEnded()) {
    if (await program.isReady(port, record.pid).catch(() => false)) return record;
    if (performance.now() > deadline) break;
    await sleep(20);
  }
  await end(record);
  return { fault: tailOf(log, before) || `no answer within ${readyWithin / 1000} s` };
}

function readSize(file: string): number {
  try {
    return readFileSync(file).length;
  } catch {
    return 0;
  }
}

async function startUntilReady(program: ServerProgram, port: number | undefined): Promise<ServerRecord> {
  const lastPort = readRecord(program.directory)?.port;
  let fault = '';
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const result = await startOnce(program, port ?? (await freePort(attempt === 0 ? lastPort : undefined)));
    if ('pid' in result) return result;
    fault = result.fault;
    if (!transientFault.test(fault)) break;
    await sleep(300);
  }
  throw portolanError('store-unavailable', '', `${program.name} did not start: ${fault}`, { fix: `Read ${join(program.directory, 'log')}.` });
}

/** Ends what an earlier run left in the directory. Fails with `in-use` when that run still lives. */
export async function takeOver(directory: string): Promise<void> {
  const left = readRecord(directory);
  if (left === undefined || !isRunning(left)) return;
  if (isOwnedByAnother(left)) {
    throw portolanError('in-use', '', `${left.name} in ${directory} is in use by process ${left.owner.pid}`, {
      fix: `Stop process ${left.owner.pid}, or use another directory.`,
    });
  }
  await stopRecorded(left);
}

/** Starts a server and keeps its record; `takeOver` must have been called for the directory. */
export async function startServer(program: ServerProgram, port: number | undefined): Promise<RunningServer> {
  let record = await startUntilReady(program, port);
  return {
    url: program.url(record.port),
    port: record.port,
    directory: program.directory,
    get pid() {
      return record.pid;
    },
    stop: () => end(record),
    async kill(signal) {
      signalRecorded(record, signal);
      if (signal === 'SIGKILL') await isGoneWithin(record, 5_000);
    },
    async restart() {
      const samePort = record.port;
      await end(record);
      record = await startUntilReady(program, samePort);
    },
    pause: () => signalRecorded(record, 'SIGSTOP'),
    resume: () => signalRecorded(record, 'SIGCONT'),
  };
}
