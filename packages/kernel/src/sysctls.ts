import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const ROOT = '/proc/sys';

/** Whether a kernel has no IPv6 at all. Then what its sysctls switch off does not happen: each is as good as 0. */
function isOffWithIpv6(name: string, root: string): boolean {
  return name.startsWith('net.ipv6.') && !existsSync(`${root}/net/ipv6/conf`);
}

/** As sysctl(8) has it: dots separate, and a dot within a part, as in the name of an interface, is written as a slash. */
function fileOf(name: string, root: string): string {
  // Whoever tells an agent its state is not to set anything else of a kernel: a helper program of it, for one.
  if (!/^net(\.[A-Za-z0-9_@/:-]+)+$/.test(name) || name.includes('//'))
    throw Object.assign(new Error(`${name} is no sysctl of the network`), { code: 'EPERM' });
  return `${root}/${name.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'))}`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/**
 * Lines `NAME = VALUE` of this thread's namespace. A name without a file is left out, or 0 where there is no IPv6 for it; what cannot be read otherwise,
 * such as a value that is only written, throws the error of the call.
 */
export function readSysctls(names: readonly string[], root: string = ROOT): string {
  const lines: string[] = [];
  for (const name of names) {
    try {
      lines.push(`${name} = ${readFileSync(fileOf(name, root), 'utf8').trim()}\n`);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      if (isOffWithIpv6(name, root)) lines.push(`${name} = 0\n`);
    }
  }
  return lines.join('');
}

/** Writes lines `NAME = VALUE` in this thread's namespace, all of them; the answer has a line `NAME: ERRNO` for each that failed. */
export function writeSysctls(text: string, root: string = ROOT): string {
  const failures: string[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, name, value] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      failures.push(`${line}: is no "NAME = VALUE"`);
      continue;
    }
    try {
      writeFileSync(fileOf(name, root), `${value}\n`, { flag: 'r+' });
    } catch (error) {
      if (value !== '0' || !isOffWithIpv6(name, root)) failures.push(`${name}: ${codeOf(error)}`);
    }
  }
  return failures.map((failure) => `${failure}\n`).join('');
}
