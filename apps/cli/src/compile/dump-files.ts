import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type NamespaceDump, printNamespace } from '@portolan/dump';
import { CommandFailure, exitCodes } from '../failure.js';

type Dumps = ReadonlyMap<string, NamespaceDump>;

/** Name of a file of a collection. */
function fileOf(node: string, namespace: string): string {
  return namespace === 'host' ? `${node}.host.txt` : `${node}.ns.${namespace}.txt`;
}

/** All files in one text, each with its name above it, as `tail` prints several. */
export function printDumps(node: string, dumps: Dumps): string {
  return [...dumps].map(([namespace, dump]) => `==> ${fileOf(node, namespace)} <==\n${printNamespace(dump)}`).join('\n');
}

/** Writes the files, over earlier ones of the same names, and returns how many there are. */
export function writeDumps(base: string, directory: string, node: string, dumps: Dumps): number {
  const folder = resolve(base, directory);
  try {
    mkdirSync(folder, { recursive: true });
    for (const [namespace, dump] of dumps) writeFileSync(join(folder, fileOf(node, namespace)), printNamespace(dump));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(exitCodes.refused, `cannot write to ${directory}: ${reason}`, 'Name a folder that you may write to.', [], { cause: error });
  }
  return dumps.size;
}
