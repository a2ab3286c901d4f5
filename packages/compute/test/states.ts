import type { Endpoint, Node, Snapshot } from '@portolan/model';
import { canonicalJson, type NodeState, type ObjectBody, type ObjectKind } from '@portolan/node-state';
import { type ComputeOptions, computeNodeState } from '../src/index.js';

/** One line each: key, body, origin of an object; before them what the node looks at. */
export function listed({ address, watch, objects }: NodeState): string {
  const lines = objects.map(({ key, body, origin }) => `${key}\n    ${canonicalJson(body)}\n    ${canonicalJson(origin)}\n`);
  return [`address ${address}\nwatch ${JSON.stringify(watch, null, 2)}\n`, ...lines].join('');
}

export function keys(state: NodeState, start = ''): string[] {
  return state.objects.map(({ key }) => key).filter((key) => key.startsWith(start));
}

/** The bodies of one kind in one space, without their kind. */
export function bodies<K extends ObjectKind>(state: NodeState, kind: K, space: string): Omit<Extract<ObjectBody, { kind: K }>, 'kind'>[] {
  const isOfKind = (body: ObjectBody): body is Extract<ObjectBody, { kind: K }> => body.kind === kind;
  return state.objects.flatMap((object) => {
    if (object.space !== space || !isOfKind(object.body)) return [];
    const { kind: _kind, ...rest } = object.body;
    return [rest];
  });
}

export function bodyOf(state: NodeState, key: string): ObjectBody | undefined {
  return state.objects.find((object) => object.key === key)?.body;
}

/** `NAME = VALUE` of a space. */
export function sysctls(state: NodeState, space: string): string[] {
  return bodies(state, 'sysctl', space).map(({ name, value }) => `${name} = ${value}`);
}

/** The state of the node with that name. */
export function stateOf(snapshot: Snapshot, node: string, options: ComputeOptions = {}): NodeState {
  const found = [...snapshot.nodes.values()].find(({ name }) => name === node);
  return computeNodeState(snapshot, found?.id ?? node, options);
}

/** A copy that no cache knows. */
export function uncached(snapshot: Snapshot): Snapshot {
  return structuredClone(snapshot);
}

/** The snapshot with something changed in the nouns with these names, and all others shared, as after an edit. */
export function edited(snapshot: Snapshot, changes: { nodes?: Record<string, Partial<Node>>; endpoints?: Record<string, Partial<Endpoint>> }): Snapshot {
  return { ...snapshot, nodes: patched(snapshot.nodes, changes.nodes ?? {}), endpoints: patched(snapshot.endpoints, changes.endpoints ?? {}) };
}

function patched<T extends { readonly name: string }>(nouns: ReadonlyMap<string, T>, changes: Record<string, Partial<T>>): ReadonlyMap<string, T> {
  return new Map([...nouns].map(([id, noun]) => [id, changes[noun.name] === undefined ? noun : { ...noun, ...changes[noun.name] }]));
}
