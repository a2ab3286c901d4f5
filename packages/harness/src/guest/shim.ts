import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { portolanError } from '@portolan/model';
import { runProcess } from '../hosts/process.js';

const source = fileURLToPath(new URL('../../shim/xstate.c', import.meta.url));

/** Processors with tile registers have a larger XSAVE area than linux.uml knows of: see shim/xstate.c. */
function hasLargeRegisters(): boolean {
  return /^flags\s*:.*\bamx_tile\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

/**
 * Path of the library to preload into linux.uml on this processor; undefined when it needs none. Compiled once into
 * `directory`, and again when its source changes. Fails with `tool-missing` when there is no C compiler.
 */
export async function compileShim(directory: string): Promise<string | undefined> {
  if (!hasLargeRegisters()) return undefined;
  const library = join(directory, `xstate-${createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 12)}.so`);
  if (existsSync(library)) return library;
  mkdirSync(directory, { recursive: true });
  const unfinished = `${library}.${process.pid}`;
  const faults: string[] = [];
  for (const compiler of ['tcc', 'cc', 'gcc', 'clang']) {
    const { exitCode, stderr } = await runProcess([compiler, '-shared', '-fPIC', '-nostdlib', '-o', unfinished, source]);
    if (exitCode === 0) {
      // A rename, so that a second start never loads half a file.
      renameSync(unfinished, library);
      return library;
    }
    if (exitCode !== 127) faults.push(`${compiler}: ${stderr.trim()}`);
  }
  rmSync(unfinished, { force: true });
  throw portolanError(
    'tool-missing',
    '',
    `this processor has AMX, and linux.uml needs a small library for it that could not be compiled. ${faults.join('\n')}`,
    {
      fix: 'Install a C compiler: apt-get install -y tcc',
    },
  );
}
