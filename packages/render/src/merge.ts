import type { ObservedObject } from '@portolan/node-state';

/** Entries of one key are one object, damaged where they do not agree, such as a MAC behind two hosts. */
export function merged(objects: readonly ObservedObject[]): ObservedObject[] {
  const found = new Map<string, ObservedObject>();
  for (const object of objects) {
    const known = found.get(object.key);
    found.set(object.key, known === undefined || known.hash === object.hash ? object : { ...object, hash: '' });
  }
  return [...found.values()];
}

/** Entries of one key are damaged even where they agree: each takes a removal of its own. */
export function doubled(objects: readonly ObservedObject[]): ObservedObject[] {
  const found = new Map<string, ObservedObject>();
  for (const object of objects) found.set(object.key, found.has(object.key) ? { ...object, hash: '' } : object);
  return [...found.values()];
}
