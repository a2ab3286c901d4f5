import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The version of a program: a hash of its file. */
export function versionOf(program: string): string {
  return createHash('sha256').update(readFileSync(program)).digest('hex').slice(0, 16);
}
