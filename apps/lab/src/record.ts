import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { processStartTicks } from '@portolan/harness';

/** A process by pid and start: pids are used again. */
export interface RecordedProcess {
  readonly name: string;
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startTicks: number;
}

/**
 * What a lab made and is about to make, on disk before it exists, so that it can be taken down after a SIGKILL. The CLI
 * reads `apiUrl` and `cluster`.
 */
export interface LabRecord {
  readonly owner: RecordedProcess;
  readonly directory: string;
  readonly kind?: 'native' | 'uml';
  /** Bridge or tap on this machine. */
  readonly link: string;
  readonly cluster: string;
  readonly apiUrl?: string;
  /** Network namespaces on this machine, as `ip netns` names them. */
  readonly namespaces: readonly string[];
  /** Processes on this machine beside PostgreSQL, Redis and etcd, which have records of their own. */
  readonly processes: readonly RecordedProcess[];
}

/** Tells a lab started in another clone where the running one keeps its record. */
const pointer = '/run/portolan-lab/directory';
/** Run directories of native agents; in a guest the same path on its own tmpfs. */
export const runFolder = '/run/portolan-lab';

/** The root of the files that the agent of a host writes, such as /run/flannel/subnet.env: below it they are the host's own. */
export function fileRootOf(directory: string, host: string): string {
  return join(hostsIn(directory), host);
}

/** Folder of the hosts' files. */
export function hostsIn(directory: string): string {
  return join(directory, 'hosts');
}

export function recordedProcess(name: string, pid: number): RecordedProcess {
  return { name, pid, startTicks: processStartTicks(pid) ?? 0 };
}

export function isAlive(process: RecordedProcess): boolean {
  return processStartTicks(process.pid) === process.startTicks;
}

function fileIn(directory: string): string {
  return join(directory, 'lab.json');
}

export function readRecord(directory: string): LabRecord | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(directory), 'utf8')) as LabRecord;
  } catch {
    return undefined;
  }
}

/** The record of this machine's lab: in `directory`, or where the one that was started last keeps it. */
export function findRecord(directory: string): LabRecord | undefined {
  const own = readRecord(directory);
  if (own !== undefined) return own;
  try {
    return readRecord(readFileSync(pointer, 'utf8').trim());
  } catch {
    return undefined;
  }
}

export function removeRecord(directory: string): void {
  rmSync(fileIn(directory), { force: true });
}

/** The record of a lab that is being started; every change is on disk when the call returns. */
export class LabJournal {
  #record: LabRecord;

  constructor(record: LabRecord) {
    this.#record = record;
    mkdirSync(dirname(pointer), { recursive: true });
    writeFileSync(pointer, `${record.directory}\n`);
    this.#write();
  }

  #write(): void {
    mkdirSync(this.#record.directory, { recursive: true });
    const file = fileIn(this.#record.directory);
    writeFileSync(`${file}.new`, `${JSON.stringify(this.#record, undefined, 2)}\n`);
    renameSync(`${file}.new`, file);
  }

  set(part: Partial<Pick<LabRecord, 'apiUrl' | 'kind'>>): void {
    this.#record = { ...this.#record, ...part };
    this.#write();
  }

  addNamespaces(names: readonly string[]): void {
    this.#record = { ...this.#record, namespaces: [...new Set([...this.#record.namespaces, ...names])] };
    this.#write();
  }

  addProcess(name: string, pid: number): void {
    const living = this.#record.processes.filter(isAlive);
    this.#record = { ...this.#record, processes: [...living, recordedProcess(name, pid)] };
    this.#write();
  }
}
