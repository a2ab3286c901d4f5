import { readFileSync, writeFileSync } from 'node:fs';

/** As sysctl(8) has it: dots separate, and a dot within a part, as in the name of an interface, is written as a slash. */
function fileOf(name: string): string {
  return `/proc/sys/${name.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'))}`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/**
 * Lines `NAME = VALUE` of this thread's namespace. A name without a file is left out; what cannot be read otherwise,
 * such as a value that is only written, throws the error of the call.
 */
export function readSysctls(names: readonly string[]): string {
  const lines: string[] = [];
  for (const name of names) {
    try {
      lines.push(`${name} = ${readFileSync(fileOf(name), 'utf8').trim()}\n`);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }
  return lines.join('');
}

/** Writes lines `NAME = VALUE` in this thread's namespace, all of them; the answer has a line `NAME: ERRNO` for each that failed. */
export function writeSysctls(text: string): string {
  const failures: string[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, name, value] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      failures.push(`${line}: is no "NAME = VALUE"`);
      continue;
    }
    try {
      writeFileSync(fileOf(name), `${value}\n`, { flag: 'r+' });
    } catch (error) {
      failures.push(`${name}: ${codeOf(error)}`);
    }
  }
  return failures.map((failure) => `${failure}\n`).join('');
}
