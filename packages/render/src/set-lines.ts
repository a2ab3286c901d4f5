import { portolanError } from '@portolan/model';
import { kindOfKey, type ObjectBody, type ObjectKind, objectKey, type Space } from '@portolan/node-state';
import type { Tool } from './batch.js';

type BodyOf<K extends ObjectKind> = Extract<ObjectBody, { readonly kind: K }>;

/** One line of a batch for what is in no kernel: an object that is set, or, without a body, the key of one that goes. */
export interface SetLine<K extends ObjectKind = ObjectKind> {
  readonly key: string;
  readonly space: Space;
  readonly body?: BodyOf<K>;
}

/** Of a line that is told in an error. */
const MOST_SHOWN = 200;

/**
 * The lines `set KEY BODY` and `delete KEY` of a batch, for objects of these kinds. Fails with `apply-failed`, naming the line, on anything
 * else; whether a body has all its fields is not looked at.
 */
export function setLines<K extends ObjectKind>(text: string, kinds: readonly K[], tool: Tool): readonly SetLine<K>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return setLine(line, kinds);
      } catch (cause) {
        throw portolanError('apply-failed', '', `${tool}: ${line.slice(0, MOST_SHOWN)}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
      }
    });
}

function setLine<K extends ObjectKind>(line: string, kinds: readonly K[]): SetLine<K> {
  const [verb, key = ''] = line.split(' ', 2);
  const kind = kinds.find((own) => own === kindOfKey(`${key}/`));
  const space = spaceOfKey(key);
  if (kind !== undefined && space !== undefined) {
    if (verb === 'delete' && line.length === verb.length + 1 + key.length) return { key, space };
    if (verb === 'set') {
      const body: unknown = JSON.parse(line.slice(verb.length + key.length + 2));
      if (isBodyOf(kind, body) && objectKey(space, body) === key) return { key, space, body };
    }
  }
  throw new Error(`neither "set KEY BODY" nor "delete KEY" of ${kinds.join(', ')}`);
}

function isBodyOf<K extends ObjectKind>(kind: K, value: unknown): value is BodyOf<K> {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;
}

/** The space in a key, `KIND/SPACE/REST`. */
function spaceOfKey(key: string): Space | undefined {
  const [, space = ''] = key.split('/', 2);
  return space === 'host' || space.startsWith('own:') || space.startsWith('endpoint:') ? (space as Space) : undefined;
}
