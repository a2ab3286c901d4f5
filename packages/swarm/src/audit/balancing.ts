import type { NamespaceDump } from '@portolan/dump';
import type { ExpectedNamespace } from '../expected.js';
import { type NamespaceObject, objectKey } from '../object.js';
import type { Aspect, Difference, Of, Wanted } from './difference.js';
import { grouped } from './group.js';

/** IPVS: virtual servers and their real servers. A virtual server that is missing has none, one that nobody expects takes its own with it. */
export function balancingDifferences({ optional, draining }: ExpectedNamespace, wanted: readonly Wanted[], observed: NamespaceDump): readonly Difference[] {
  const differences: Difference[] = [];
  const virtualServers = grouped(observed.virtualServers, ({ mark }) => mark);
  const realServers = grouped(
    observed.realServers.map((realServer): Of<'real-server'> => ({ kind: 'real-server', realServer })),
    objectKey,
  );
  const lost = new Set<number>();
  for (const { key, object } of wanted) {
    if (object.kind !== 'virtual-server') continue;
    const { mark } = object.virtualServer;
    const [found, ...copies] = virtualServers.get(mark) ?? [];
    virtualServers.delete(mark);
    if (found === undefined) {
      lost.add(mark);
      if (!optional.has(key)) {
        differences.push({ kind: 'missing', aspect: 'object', key, expected: object, found: null, implied: serversOf(mark, wanted) });
      }
      continue;
    }
    for (const aspect of ['scheduler', 'persistence'] as const) {
      if (found[aspect] !== object.virtualServer[aspect]) differences.push(different(aspect, key, object, { kind: 'virtual-server', virtualServer: found }));
    }
    differences.push(...copies.map((virtualServer) => unexpected('copy', key, { kind: 'virtual-server', virtualServer })));
  }
  const leftOver = new Set(virtualServers.keys());
  differences.push(...[...virtualServers.values()].flat().map((virtualServer) => unexpected('object', null, { kind: 'virtual-server', virtualServer })));
  for (const { key, object } of wanted) {
    if (object.kind !== 'real-server') continue;
    const [found, ...copies] = realServers.get(objectKey(object)) ?? [];
    realServers.delete(objectKey(object));
    if (found === undefined) {
      if (!lost.has(object.realServer.mark) && !optional.has(key)) differences.push({ kind: 'missing', aspect: 'object', key, expected: object, found: null });
      continue;
    }
    if (found.realServer.forwarding !== object.realServer.forwarding) differences.push(different('forwarding', key, object, found));
    if (found.realServer.weight !== object.realServer.weight && !(draining.has(key) || optional.has(key)))
      differences.push(different('weight', key, object, found));
    differences.push(...copies.map((copy) => unexpected('copy', key, copy)));
  }
  for (const object of [...realServers.values()].flat()) {
    if (!leftOver.has(object.realServer.mark)) differences.push(unexpected('object', null, object));
  }
  return differences;
}

function serversOf(mark: number, wanted: readonly Wanted[]): readonly NamespaceObject[] {
  return wanted.map(({ object }) => object).filter((object) => object.kind === 'real-server' && object.realServer.mark === mark);
}

function different(aspect: Aspect, key: string, expected: NamespaceObject, found: NamespaceObject): Difference {
  return { kind: 'different', aspect, key, expected, found };
}

function unexpected(aspect: Aspect, key: string | null, found: NamespaceObject): Difference {
  return { kind: 'unexpected', aspect, key, expected: null, found };
}
