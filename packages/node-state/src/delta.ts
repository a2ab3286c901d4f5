import { nodeState } from './build.js';
import type { KernelObject, NodeState } from './objects.js';

/** What leads from one state of a node to another: the objects that are new or other, the keys that are gone, and everything that is no object. */
export interface StateDelta {
  /** Hash of the state that it starts from. */
  readonly base: string;
  /** Hash of the state that it leads to. */
  readonly hash: string;
  readonly put: readonly KernelObject[];
  readonly gone: readonly string[];
  readonly rest: Omit<NodeState, 'objects' | 'hash'>;
}

export function stateDelta(before: NodeState, after: NodeState): StateDelta {
  const was = new Map(before.objects.map(({ key, hash }) => [key, hash]));
  const put = after.objects.filter(({ key, hash }) => was.get(key) !== hash);
  const kept = new Set(after.objects.map(({ key }) => key));
  const { objects: _objects, hash, ...rest } = after;
  return { base: before.hash, hash, put, gone: before.objects.flatMap(({ key }) => (kept.has(key) ? [] : [key])), rest };
}

/** The state that a delta leads to; undefined where it does not start from this one, or does not lead to the state of its hash. */
export function stateAfter(before: NodeState, { base, hash, put, gone, rest }: StateDelta): NodeState | undefined {
  if (before.hash !== base) return undefined;
  const replaced = new Set([...gone, ...put.map(({ key }) => key)]);
  const after = nodeState({ ...rest, objects: [...before.objects.filter(({ key }) => !replaced.has(key)), ...put] });
  return after.hash === hash ? after : undefined;
}
