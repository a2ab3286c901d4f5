import { portolanError } from '@portolan/model';
import { kindOfKey, type ObjectBody, type ObjectKind, type ObservedObject, observedObject, type Space } from '@portolan/node-state';

/** One line of a batch for what is in no kernel: an object that is set, or the key of one that goes. */
export interface SetLine {
  readonly key: string;
  readonly object?: ObservedObject;
}

/** The space in a key `KIND/SPACE/REST`. */
function spaceOfKey(key: string): Space | undefined {
  const space = key.split('/')[1] ?? '';
  return space === 'host' || space.startsWith('own:') || space.startsWith('endpoint:') ? (space as Space) : undefined;
}

function isBodyOf(kind: ObjectKind, value: unknown): value is ObjectBody {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;
}

/** The lines `set KEY BODY` and `delete KEY` of a batch. Fails with `apply-failed`, naming the line and what it is for, on anything else. */
export function setLines(text: string, kinds: readonly ObjectKind[], what: string): readonly SetLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return setLine(line, kinds);
      } catch (cause) {
        throw portolanError('apply-failed', '', `${what}: ${line}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
      }
    });
}

function setLine(line: string, kinds: readonly ObjectKind[]): SetLine {
  const [, verb, key = '', json = ''] = /^(set|delete) (\S+)(?: (.+))?$/.exec(line) ?? [];
  const kind = kindOfKey(`${key}/`);
  const space = spaceOfKey(key);
  if (verb !== undefined && space !== undefined && kinds.includes(kind)) {
    if (verb === 'delete') return { key };
    const body: unknown = JSON.parse(json);
    if (isBodyOf(kind, body)) return { key, object: observedObject(space, body) };
  }
  throw new Error('neither "set KEY BODY" nor "delete KEY"');
}

/** Objects after lines, in the order in which they were first set. */
export function afterLines(objects: ReadonlyMap<string, ObservedObject>, lines: readonly SetLine[]): Map<string, ObservedObject> {
  const next = new Map(objects);
  for (const { key, object } of lines) {
    if (object === undefined) next.delete(key);
    else next.set(key, object);
  }
  return next;
}
