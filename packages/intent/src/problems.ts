import { PortolanError, type Problem } from '@portolan/model';

/** More problems than this help nobody; the rest shows when these are corrected. */
export const MAX_PROBLEMS = 20;

/** Throws when there is a problem. */
export function refuse(problems: readonly Problem[]): void {
  const [first, ...more] = problems;
  if (first !== undefined) throw new PortolanError([first, ...more.slice(0, MAX_PROBLEMS - 1)]);
}

/** The result, or undefined with what was thrown added to `problems`. */
export function collect<T>(problems: Problem[], run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof PortolanError)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
}

/** A member of a JSON pointer (RFC 6901). */
export function pointerTo(...members: readonly (string | number)[]): string {
  return members.map((member) => `/${String(member).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** The members that a JSON pointer names. */
export function pointerMembers(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((member) => member.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The value that a pointer leads to, undefined where it leads nowhere. */
export function valueAt(document: unknown, pointer: string): unknown {
  let value = document;
  for (const member of pointerMembers(pointer)) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, member)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[member];
  }
  return value;
}

/** The part of the pointer that exists in the document: a fault of a value that was left out is a fault of what it belongs to. */
export function existingPointer(document: unknown, pointer: string): string {
  const members = pointerMembers(pointer);
  while (members.length > 0 && valueAt(document, pointerTo(...members)) === undefined) members.pop();
  return pointerTo(...members);
}
