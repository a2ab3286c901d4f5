import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readNamespace } from '@portolan/dump';
import { runPortolan } from '../src/cli.js';
import type { Terminal } from '../src/terminal.js';
import { screen } from './screen.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));

export const examples = [
  ['bjdt.yaml', 'node1'],
  ['data-plane.yaml', 'node1'],
  ['data-plane.yaml', 'node3'],
  ['flannel.yaml', 'node-a'],
] as const;

export function example(file: string): string {
  return readFileSync(join(repository, 'examples', file), 'utf8');
}

/** Runs `portolan compile` with a manifest on its standard input. */
export async function compile(manifest: string, words: readonly string[], terminal: Partial<Terminal> = {}) {
  const shown = screen({ readStandardInput: () => Promise.resolve(manifest), ...terminal });
  const exitCode = await runPortolan(['compile', '-f', '-', ...words], shown);
  return { exitCode, out: shown.out(), err: shown.err() };
}

/** What `compile` printed; fails unless it did what it was told. */
export async function compiled(manifest: string, words: readonly string[]): Promise<string> {
  const { exitCode, out, err } = await compile(manifest, words);
  if (exitCode !== 0 || err !== '') throw new Error(`exit code ${exitCode}: ${err}`);
  return out;
}

/** Texts of the namespaces by the names of their files, in their order. */
export function filesIn(printed: string): ReadonlyMap<string, string> {
  const parts = printed.split(/^==> (.+) <==\n/m).slice(1);
  return new Map(Array.from({ length: parts.length / 2 }, (_, i) => [parts[2 * i] ?? '', (parts[2 * i + 1] ?? '').replace(/\n\n$/, '\n')]));
}

/** The same, read; fails on a file that is not whole. */
export function dumpsIn(printed: string) {
  return new Map(
    [...filesIn(printed)].map(([name, text]) => {
      const { dump, faults } = readNamespace(text);
      if (faults.length > 0) throw new Error(`${name}: ${JSON.stringify(faults)}`);
      return [name, dump];
    }),
  );
}
