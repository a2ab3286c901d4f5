import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What a started server leaves in its directory, so that a later run recognises it after we were killed, and takes the
 * same port again. A process is that server only if its start time and its command line agree: process ids are used again.
 */
export interface ServerRecord {
  readonly name: string;
  readonly pid: number;
  /** Start of the process in clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTicks: number;
  readonly port: number;
  /** Absolute path of the program, and an argument that no other server has. */
  readonly command: string;
  readonly marker: string;
  readonly stopSignal: NodeJS.Signals;
  /** The process that started it. */
  readonly owner: { readonly pid: number; readonly startTicks: number };
}

const recordFile = 'server.json';

/**
 * Start of a living process in clock ticks since boot; undefined when there is none. A zombie counts as none, unless
 * threads of it are left: those still hold its ports and files.
 */
export function processStartTicks(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in brackets, and may itself hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const isDead = fields[0] === 'X' || (fields[0] === 'Z' && Number(fields[17]) <= 1);
    return isDead ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}

function commandLine(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

export function readRecord(directory: string): ServerRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, recordFile), 'utf8')) as ServerRecord;
  } catch {
    // Absent, or cut off by a crash while it was written: then the server never answered either.
    return undefined;
  }
}

export function writeRecord(directory: string, record: ServerRecord): void {
  writeFileSync(join(directory, recordFile), JSON.stringify(record), { mode: 0o600 });
}

export function isRunning(record: ServerRecord): boolean {
  if (processStartTicks(record.pid) !== record.startTicks) return false;
  const [program = '', ...args] = commandLine(record.pid);
  return basename(program) === basename(record.command) && args.includes(record.marker);
}

/** True while the process that started the server lives and is not this one. */
export function isOwnedByAnother(record: ServerRecord): boolean {
  return record.owner.pid !== process.pid && processStartTicks(record.owner.pid) === record.owner.startTicks;
}

/** Sends a signal, if the recorded process is still that server. */
export function signalRecorded(record: ServerRecord, signal: NodeJS.Signals): void {
  if (!isRunning(record)) return;
  try {
    process.kill(record.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Waits until the recorded server is gone; false when it is still there after `milliseconds`. */
export async function isGoneWithin(record: ServerRecord, milliseconds: number): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  // A dying process has lost its command line, so the start time alone must do.
  while (processStartTicks(record.pid) === record.startTicks) {
    if (performance.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

/** Stops a server, kindly first: 10 s for its own shutdown, then SIGKILL. A paused server is woken, or it could not obey. */
export async function stopRecorded(record: ServerRecord): Promise<void> {
  signalRecorded(record, record.stopSignal);
  signalRecorded(record, 'SIGCONT');
  if (await isGoneWithin(record, 10_000)) return;
  signalRecorded(record, 'SIGKILL');
  await isGoneWithin(record, 5_000);
}
