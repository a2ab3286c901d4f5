import { portolanError } from '@portolan/model';
import { shownValue } from './schema-problems.js';

/** The document after a JSON merge patch (RFC 7396): null removes, objects merge, everything else replaces. Throws `invalid-document`. */
export function mergePatch(document: object, patch: unknown): unknown {
  if (!isObject(patch)) throw portolanError('invalid-document', '', `${shownValue(patch)} is not a JSON merge patch: expected an object`);
  return merged(document, patch);
}

function merged(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  // A map, since members may have names such as "__proto__".
  const members = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) members.delete(name);
    else members.set(name, merged(members.get(name), value));
  }
  return Object.fromEntries(members);
}

function isObject(value: unknown): value is object {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
