import type { Id } from '@portolan/model';
import xxhash from 'xxhash-wasm';
import {
  type KernelObject,
  type NodeState,
  type ObjectBody,
  type ObjectKind,
  type ObservedObject,
  type ObservedState,
  type Origin,
  objectKinds,
  type Space,
  type Watch,
} from './objects.js';

const { h64ToString } = await xxhash();

/** A 64-bit hash as 16 hexadecimal digits. It recognises change; it is no protection against forgery. */
export function hashText(text: string): string {
  return h64ToString(text);
}

/** The part of a key behind kind and space, by kind. */
const identities: { readonly [K in ObjectKind]: (body: Extract<ObjectBody, { kind: K }>) => string } = {
  namespace: () => '',
  bridge: (b) => b.name,
  vxlan: (b) => b.name,
  'flannel-vtep': (b) => b.name,
  'udp-relay': (b) => b.name,
  'udp-relay-peer': (b) => `${b.relay}/${b.subnet}`,
  veth: (b) => b.name,
  address: (b) => `${b.link}/${b.address}`,
  sysctl: (b) => b.name,
  route: (b) => (b.table === undefined ? b.destination : `${b.destination}@${b.table}`),
  'route-rule': (b) => b.from,
  neighbour: (b) => `${b.link}/${b.address}`,
  fdb: (b) => `${b.link}/${b.mac}`,
  'ipvs-timeouts': () => '',
  'virtual-server': (b) => String(b.mark),
  'real-server': (b) => `${b.mark}/${b.address}`,
  mark: (b) => (b.match.stage === 'input' ? `input/${b.match.destination}` : `prerouting/${b.match.protocol}/${b.match.port}`),
  'source-kept': (b) => String(b.mark),
  'source-rewrite': (b) => b.destination,
  'rule-entry': (b) => `${b.table}/${b.stage}`,
  'port-redirect': (b) => `${b.destination}/${b.protocol}/${b.port}`,
  'endpoint-filter': (b) => b.address,
  'gateway-policy': (b) => b.link,
  'pod-forward': (b) => b.network,
  'pod-masquerade': (b) => b.network,
  file: (b) => b.path,
  'port-forward': (b) => `${b.protocol}/${b.port}`,
  'dns-redirect': () => '',
  'dns-server': () => '',
  'dns-name': (b) => `${b.network}/${b.name}`,
  'dns-client': () => '',
};

/** `KIND/SPACE/REST`, or `KIND/SPACE` where a space holds one such object. */
export function objectKey(space: Space, body: ObjectBody): string {
  const identity = (identities[body.kind] as (body: ObjectBody) => string)(body);
  return identity === '' ? `${body.kind}/${space}` : `${body.kind}/${space}/${identity}`;
}

/** JSON with sorted keys, so that equal bodies are equal as text whoever made them. It runs for each object of each observation. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const fields = value as Readonly<Record<string, unknown>>;
  let text = '';
  for (const name of Object.keys(fields).sort()) {
    const field = fields[name];
    if (field !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${canonicalJson(field)}`;
  }
  return `{${text}}`;
}

export function bodyHash(body: ObjectBody): string {
  return hashText(canonicalJson(body));
}

export function kernelObject<B extends ObjectBody>(space: Space, body: B, origin: Origin): KernelObject<B> {
  return { key: objectKey(space, body), hash: bodyHash(body), space, body, origin };
}

/** An object as it was read from a kernel with its whole body. */
export function observedObject(space: Space, body: ObjectBody): ObservedObject {
  return { key: objectKey(space, body), hash: bodyHash(body), space, kind: body.kind, body };
}

const rank: Readonly<Record<ObjectKind, number>> = Object.fromEntries(objectKinds.map((kind, i) => [kind, i])) as Record<ObjectKind, number>;

export function kindRank(kind: ObjectKind): number {
  return rank[kind];
}

/** Kind of an object from its key. */
export function kindOfKey(key: string): ObjectKind {
  return key.slice(0, key.indexOf('/')) as ObjectKind;
}

/** Canonical order: by kind in the order of making, then by key. */
export function compareKeys(a: string, b: string): number {
  return rank[kindOfKey(a)] - rank[kindOfKey(b)] || (a < b ? -1 : a > b ? 1 : 0);
}

function stateHash(objects: readonly { readonly key: string; readonly hash: string }[], rest: unknown): string {
  let text = '';
  for (const { key, hash } of objects) text += `${key} ${hash}\n`;
  return hashText(text + canonicalJson(rest));
}

function isInOrder<T extends { readonly key: string }>(objects: readonly T[], kindOf: (object: T) => ObjectKind): boolean {
  let last: T | undefined;
  let lastRank = 0;
  for (const object of objects) {
    const itsRank = rank[kindOf(object)];
    if (last !== undefined && (itsRank < lastRank || (itsRank === lastRank && object.key < last.key))) return false;
    last = object;
    lastRank = itsRank;
  }
  return true;
}

/** In canonical order. Sorted by kind first, so that runs that are in order already, as compute makes them, cost one comparison an object. */
function inOrder<T extends { readonly key: string }>(objects: readonly T[], kindOf: (object: T) => ObjectKind): T[] {
  if (isInOrder(objects, kindOf)) return [...objects];
  const byKind = objectKinds.map((): T[] => []);
  for (const object of objects) byKind[rank[kindOf(object)]]?.push(object);
  return byKind.flatMap((ofKind) => (isInOrder(ofKind, kindOf) ? ofKind : ofKind.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))));
}

export const nothingToWatch: Watch = { probes: {}, nodes: {}, draining: [] };

/** Sorts, refuses two objects of one key (a fault of compute), and hashes. */
export function nodeState({ objects, ...rest }: Omit<NodeState, 'hash'>): NodeState {
  const sorted = inOrder(objects, ({ body }) => body.kind);
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i]?.key === sorted[i - 1]?.key) throw new Error(`two objects have the key ${sorted[i]?.key}`);
  }
  const { cluster: _cluster, node: _node, ...hashed } = rest;
  return { ...rest, objects: sorted, hash: stateHash(sorted, hashed) };
}

/** A state in which nothing is wanted, with the endpoints whose namespaces are to be cleaned. */
export function emptyNodeState(endpoints: NodeState['endpoints'] = {}): NodeState {
  return nodeState({ cluster: '', node: '', address: '0.0.0.0', endpoints, watch: nothingToWatch, objects: [] });
}

/** The hash of an observation that finds the objects of this state and no others. */
export function wholeHash({ objects }: Pick<NodeState, 'objects'>): string {
  return stateHash(objects, null);
}

/** The objects of a state as an observation finds them that has its `wholeHash`. */
export function foundObjects({ objects }: Pick<NodeState, 'objects'>): readonly ObservedObject[] {
  return objects.map(({ key, hash, space, body }) => ({ key, hash, space, kind: body.kind, body }));
}

export function observedState(
  objects: readonly ObservedObject[],
  endpoints: Readonly<Record<Id, 'present' | 'absent'>>,
  foreign: ObservedState['foreign'],
): ObservedState {
  const sorted = inOrder(objects, ({ kind }) => kind);
  return { objects: sorted, endpoints, foreign, hash: stateHash(sorted, null) };
}
