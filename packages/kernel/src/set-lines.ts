import { type ObjectBody, type ObservedObject, observedObject, type Space } from '@portolan/node-state';

/** A line as `setLines` of render gives it. */
interface Line {
  readonly key: string;
  readonly space: Space;
  readonly body?: ObjectBody;
}

/** Objects after lines, in the order in which they were first set. */
export function afterLines(objects: ReadonlyMap<string, ObservedObject>, lines: readonly Line[]): Map<string, ObservedObject> {
  const next = new Map(objects);
  for (const { key, space, body } of lines) {
    if (body === undefined) next.delete(key);
    else next.set(key, observedObject(space, body));
  }
  return next;
}
