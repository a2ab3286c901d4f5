import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds of one tick in `/proc/PID/stat`. */
const TICK = 10;

interface Times {
  readonly parent: number;
  /** Of the process and of its children that have ended. */
  readonly milliseconds: number;
}

function timesOf(pid: string): Times | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // Behind the name, which may hold anything: state, parent, …, and from the twelfth on utime, stime, cutime, cstime (proc(5)).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { parent: Number(fields[1]), milliseconds: ticks * TICK };
}

/** Milliseconds of processor that a process and its children have used. On a machine that others use too, this is what two runs can be compared by. */
export function processorTime(pid: number): number {
  let sum = timesOf(String(pid))?.milliseconds ?? 0;
  for (const name of readdirSync('/proc')) {
    const times = /^\d+$/.test(name) ? timesOf(name) : undefined;
    if (times?.parent === pid) sum += times.milliseconds;
  }
  return sum;
}
