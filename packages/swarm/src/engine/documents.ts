import type { SwarmFault } from './fault.js';

/** One object of a file, with its JSON pointer there. */
export interface Element<T> {
  readonly value: T;
  readonly path: string;
}

/** A compiled schema, as far as it is used here. */
export interface Shape<T> {
  Check(value: unknown): value is T;
  Errors(value: unknown): readonly { readonly instancePath: string; readonly message: string }[];
}

/** Notes what is wrong in one file. */
export interface Complaints {
  /** `path` is a JSON pointer, '' for the whole of the file. */
  at(path: string, message: string, fix?: string): void;
}

const COLLECT_AGAIN = 'Collect it again: portolan swarm collect DIR, on a node where Docker runs.';

export function complaintsOf(file: string, faults: SwarmFault[]): Complaints {
  return {
    at: (path, message, fix = COLLECT_AGAIN) => void faults.push({ file, message: path === '' ? message : `${path}: ${message}`, fix }),
  };
}

/**
 * The objects of a JSON text that is a list of them, as `docker … inspect` prints it; null when the text cannot be read. An object of another shape
 * is a fault and left out, the others count. Fields that are not in the schema are let through: each version of Docker adds some.
 */
export function readElements<T>(text: string, shape: Shape<T>, complaints: Complaints): readonly Element<T>[] | null {
  const document = parsed(text, complaints);
  if (document === undefined) return null;
  if (document !== null && !Array.isArray(document)) {
    complaints.at('', `is no list but ${shown(document)}`);
    return null;
  }
  const elements: readonly unknown[] = document ?? [];
  return elements.flatMap((value, i) => {
    if (shape.Check(value)) return [{ value, path: `/${i}` }];
    // The first is about the innermost value: what it makes of those around it follows.
    const [error] = shape.Errors(value);
    complaints.at(`/${i}${error?.instancePath ?? ''}`, error?.message ?? 'has another shape than in Docker');
    return [];
  });
}

function parsed(text: string, complaints: Complaints): unknown {
  const trimmed = text.trimEnd();
  const outcome = attempt(trimmed);
  if ('value' in outcome) return outcome.value;
  if (outcome.cutOff) complaints.at('', `is cut off: the JSON ends at ${placeOf(trimmed, trimmed.length)}`);
  else complaints.at('', `is no JSON from ${placeOf(trimmed, faultIn(trimmed))} on`);
  return undefined;
}

/** Whether a text is JSON, or the beginning of one: then what V8 finds wrong is its end. */
function attempt(text: string): { readonly value: unknown } | { readonly cutOff: boolean } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    const { message } = error as SyntaxError;
    const [, position] = /at position (\d+)/.exec(message) ?? [];
    return { cutOff: position === undefined ? message.startsWith('Unexpected end') : Number(position) >= text.length };
  }
}

/** Position of the first character that nothing can follow to make the text JSON; not every error says it. */
function faultIn(text: string): number {
  let [sound, faulty] = [0, text.length];
  while (faulty - sound > 1) {
    const middle = (sound + faulty) >> 1;
    const outcome = attempt(text.slice(0, middle));
    if ('value' in outcome || outcome.cutOff) sound = middle;
    else faulty = middle;
  }
  return sound;
}

function placeOf(text: string, position: number): string {
  const lines = text.slice(0, position).split('\n');
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
}

/** In a few words. The Engine API answers an error as an object with a message. */
function shown(document: unknown): string {
  if (typeof document !== 'object' || document === null) return `a ${typeof document}`;
  return 'message' in document && typeof document.message === 'string' ? `an error of Docker: ${document.message}` : 'an object';
}
