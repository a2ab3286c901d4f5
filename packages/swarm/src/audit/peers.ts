import type { NamespaceDump } from '@portolan/dump';
import type { ExpectedNamespace } from '../expected.js';
import { type NamespaceObject, objectKey, objectsOf } from '../object.js';
import type { Difference, Wanted } from './difference.js';
import { grouped } from './group.js';

/**
 * Entries that lead to endpoints on other nodes: each has its MAC in the neighbour table, and behind the MAC its host in the forwarding table. Either may be missing,
 * wrong, or left over; learned entries are the kernel's own. Peers on hosts that were not collected are not judged.
 */
export function peerDifferences(expected: ExpectedNamespace, wanted: readonly Wanted[], observed: NamespaceDump): readonly Difference[] {
  const unknown = new Set(expected.unknownPeers);
  const vtepOf = new Map(observed.forwarding.flatMap(({ mac, vtep }) => (vtep === null ? [] : [[mac, vtep] as const])));
  const peers = wanted.filter(({ object }) => object.kind === 'neighbour' || object.kind === 'forwarding');
  const there = grouped(objectsOf(observed).filter(isPeer), objectKey);
  const differences: Difference[] = [];
  for (const want of peers) {
    const found = there.get(objectKey(want.object)) ?? [];
    there.delete(objectKey(want.object));
    const right = found.findIndex((object) => isSamePeer(object, want.object));
    const [match] = found.splice(Math.max(0, right), 1);
    const change = { key: want.key, aspect: 'object', expected: want.object } as const;
    if (match === undefined && !expected.optional.has(want.key)) differences.push({ ...change, kind: 'missing', found: null });
    if (match !== undefined && right === -1) differences.push({ ...change, kind: 'different', found: match });
    differences.push(...found.map((object): Difference => ({ kind: 'unexpected', aspect: 'copy', key: want.key, expected: null, found: object })));
  }
  for (const object of [...there.values()].flat()) {
    const vtep = object.kind === 'forwarding' ? object.forwarding.vtep : object.kind === 'neighbour' ? vtepOf.get(object.neighbour.mac ?? '') : undefined;
    if (vtep === undefined ? unknown.size > 0 : unknown.has(vtep)) continue;
    differences.push({ kind: 'unexpected', aspect: 'object', key: null, expected: null, found: object });
  }
  return differences;
}

/** Docker's peers are on VXLAN devices only. */
function isPeer(object: NamespaceObject): boolean {
  if (object.kind === 'neighbour') return object.neighbour.link.startsWith('vxlan');
  return object.kind === 'forwarding' && object.forwarding.link.startsWith('vxlan');
}

function isSamePeer(a: NamespaceObject, b: NamespaceObject): boolean {
  if (a.kind === 'neighbour' && b.kind === 'neighbour') return a.neighbour.mac === b.neighbour.mac;
  return a.kind === 'forwarding' && b.kind === 'forwarding' && a.forwarding.vtep === b.forwarding.vtep;
}
