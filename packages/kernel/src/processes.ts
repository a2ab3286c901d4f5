import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Start time of a process in clock ticks since boot, field 22 of /proc/PID/stat (proc(5)); undefined when there is none. */
export async function startTimeOf(pid: number, proc = '/proc'): Promise<string | undefined> {
  try {
    const stat = await readFile(join(proc, String(pid), 'stat'), 'utf8');
    // The second field is the program's name in brackets and may itself hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state] = fields;
    // A zombie has left its namespace; /proc/PID/ns/net cannot be opened any more.
    return state === 'Z' || state === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** A process that cannot be mistaken for a later one of the same number. */
export interface KnownProcess {
  readonly pid: number;
  readonly startTime: string;
}

export async function isAlive(known: KnownProcess): Promise<boolean> {
  return (await startTimeOf(known.pid)) === known.startTime;
}

export function isKnownProcess(value: unknown): value is KnownProcess {
  return typeof value === 'object' && value !== null && 'pid' in value && typeof value.pid === 'number' && 'startTime' in value;
}
