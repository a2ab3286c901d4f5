import { canonicalJson, compareKeys, nodeState } from './build.js';
import type { KernelObject, NodeState } from './objects.js';

type Rest = Omit<NodeState, 'objects' | 'hash'>;

/** What leads from one state of a node to another: the objects that are new or other, the keys that are gone, and what else is other. */
export interface StateDelta {
  /** Hash of the state that it starts from. */
  readonly base: string;
  /** Hash of the state that it leads to. */
  readonly hash: string;
  readonly put: readonly KernelObject[];
  readonly gone: readonly string[];
  /** Everything that is no object; left out where it stays as it was. */
  readonly rest?: Rest;
}

function restOf({ objects: _objects, hash: _hash, ...rest }: NodeState): Rest {
  return rest;
}

/** Both are in canonical order, so one walk finds what differs. */
export function stateDelta(before: NodeState, after: NodeState): StateDelta {
  const put: KernelObject[] = [];
  const gone: string[] = [];
  let at = 0;
  for (const object of after.objects) {
    let was = before.objects[at];
    while (was !== undefined && was.key !== object.key && compareKeys(was.key, object.key) < 0) {
      gone.push(was.key);
      at += 1;
      was = before.objects[at];
    }
    if (was?.key === object.key) at += 1;
    if (was?.key !== object.key || was.hash !== object.hash) put.push(object);
  }
  for (const { key } of before.objects.slice(at)) gone.push(key);
  const rest = restOf(after);
  const isOther = canonicalJson(rest) !== canonicalJson(restOf(before));
  return { base: before.hash, hash: after.hash, put, gone, ...(isOther ? { rest } : {}) };
}

/** Both in canonical order; so is what it gives, without the keys that are gone or put. */
function merged(kept: readonly KernelObject[], gone: readonly string[], put: readonly KernelObject[]): KernelObject[] {
  const replaced = new Set([...gone, ...put.map(({ key }) => key)]);
  const objects: KernelObject[] = [];
  let at = 0;
  for (const object of kept) {
    if (replaced.has(object.key)) continue;
    for (let next = put[at]; next !== undefined && compareKeys(next.key, object.key) < 0; next = put[at]) {
      objects.push(next);
      at += 1;
    }
    objects.push(object);
  }
  return [...objects, ...put.slice(at)];
}

/** The state that a delta leads to; undefined where it does not start from this one, or does not lead to the state of its hash. */
export function stateAfter(before: NodeState, { base, hash, put, gone, rest = restOf(before) }: StateDelta): NodeState | undefined {
  if (before.hash !== base) return undefined;
  const after = nodeState({ ...rest, objects: merged(before.objects, gone, put) });
  return after.hash === hash ? after : undefined;
}
