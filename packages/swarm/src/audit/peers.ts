import type { NamespaceDump } from '@portolan/dump';
import type { ExpectedNamespace } from '../expected.js';
import type { NamespaceObject } from '../object.js';
import type { Difference, Of, Wanted } from './difference.js';
import { grouped } from './group.js';

/**
 * Entries that lead to endpoints on other nodes: each has its MAC in the neighbour table, and behind the MAC its host in the forwarding table. Either may be missing,
 * wrong, or left over; learned entries are the kernel's own. Peers on hosts that were not collected are not judged.
 */
export function peerDifferences(expected: ExpectedNamespace, wanted: readonly Wanted[], observed: NamespaceDump): readonly Difference[] {
  const unknown = new Set(expected.unknownPeers);
  const vtepOf = new Map(observed.forwarding.flatMap(({ mac, vtep }) => (vtep === null ? [] : [[mac, vtep] as const])));
  const peers = wanted.filter(isPeer);
  const there = grouped(peersOf(observed), peerKey);
  const differences: Difference[] = [];
  for (const want of peers) {
    const found = there.get(peerKey(want.object)) ?? [];
    there.delete(peerKey(want.object));
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

type Peer = Of<'neighbour'> | Of<'forwarding'>;

/** Docker's peers are on VXLAN devices only, and permanent. */
function peersOf({ neighbours, forwarding }: NamespaceDump): readonly Peer[] {
  const peers: Peer[] = [];
  for (const neighbour of neighbours) {
    if (neighbour.state === 'PERMANENT' && neighbour.link.startsWith('vxlan')) peers.push({ kind: 'neighbour', neighbour });
  }
  for (const entry of forwarding) {
    const { vtep, permanent, link } = entry;
    if (vtep !== null && permanent && link.startsWith('vxlan')) peers.push({ kind: 'forwarding', forwarding: { ...entry, vtep } });
  }
  return peers;
}

function isPeer(want: Wanted): want is Wanted<Peer> {
  return want.object.kind === 'neighbour' || want.object.kind === 'forwarding';
}

/** An address has dots and a MAC has colons. */
function peerKey(peer: Peer): string {
  return peer.kind === 'neighbour' ? `${peer.neighbour.link} ${peer.neighbour.address}` : `${peer.forwarding.link} ${peer.forwarding.mac}`;
}

function isSamePeer(a: NamespaceObject, b: NamespaceObject): boolean {
  if (a.kind === 'neighbour' && b.kind === 'neighbour') return a.neighbour.mac === b.neighbour.mac;
  return a.kind === 'forwarding' && b.kind === 'forwarding' && a.forwarding.vtep === b.forwarding.vtep;
}
