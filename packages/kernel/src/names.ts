import { portolanError } from '@portolan/model';
import { type ObjectBody, type ObservedObject, observedObject, type Space } from '@portolan/node-state';
import type { NameServer } from './ports.js';
import { endpointIdOf } from './spaces.js';

/** The space in a key `KIND/SPACE/REST`. */
function spaceOfKey(key: string): Space | undefined {
  const space = key.split('/')[1] ?? '';
  return space === 'host' || space.startsWith('own:') || space.startsWith('endpoint:') ? (space as Space) : undefined;
}

function isDnsBody(value: unknown): value is ObjectBody {
  return typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string' && value.kind.startsWith('dns-');
}

/** One line of a batch: an object that is set, or the key of one that goes. Throws on anything else. */
function changeOf(line: string): { readonly key: string; readonly object?: ObservedObject } {
  const [, verb, key = '', json = ''] = /^(set|delete) (\S+)(?: (.+))?$/.exec(line) ?? [];
  if (verb === 'delete') return { key };
  const space = spaceOfKey(key);
  const body: unknown = verb === undefined ? undefined : JSON.parse(json);
  if (space === undefined || !isDnsBody(body)) throw new Error('neither "set KEY BODY" nor "delete KEY"');
  return { key, object: observedObject(space, body) };
}

/** Keeps what it is told and answers nobody: for a kernel that no name server belongs to, such as that of a purge. */
export function memoryOfNames(): NameServer {
  let objects = new Map<string, ObservedObject>();
  return {
    change: async (text) => {
      const next = new Map(objects);
      for (const line of text.split('\n').filter((each) => each !== '')) {
        try {
          const { key, object } = changeOf(line);
          if (object === undefined) next.delete(key);
          else next.set(key, object);
        } catch (cause) {
          throw portolanError('apply-failed', '', `names: ${line}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
        }
      }
      objects = next;
    },
    observed: (found) =>
      [...objects.values()].filter(({ space }) => {
        const id = endpointIdOf(space);
        return id === undefined || found[id] !== undefined;
      }),
  };
}
