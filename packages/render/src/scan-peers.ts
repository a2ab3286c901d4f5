import { type ObjectBody, type ObservedObject, observedObject, type Space } from '@portolan/node-state';
import { type FdbEntry, type NeighbourEntry, parseEntries, type RouteEntry } from './iproute.js';
import { isOwnSpace } from './rules.js';
import type { Scan } from './scan.js';
import { ROUTE_PROTOCOL } from './tag.js';

/** Output of `ip -j -4 route show`, with -d or without. Routes with our protocol number are ours, wherever they are. */
export function scanRoutes(space: Space, json: string): Scan {
  const objects: ObservedObject[] = [];
  const foreign: string[] = [];
  for (const { type, dst, gateway = '', dev = '', protocol, metric } of parseEntries<RouteEntry>('ip', json)) {
    if (protocol === ROUTE_PROTOCOL) {
      const destination = dst === 'default' || dst.includes('/') ? dst : `${dst}/32`;
      const object = observedObject(space, { kind: 'route', destination, via: gateway, link: dev });
      objects.push((type ?? 'unicast') === 'unicast' && metric === undefined ? object : { ...object, hash: '' });
    } else if (isOwnSpace(space) && protocol !== 'kernel') {
      foreign.push(`route ${dst} via ${gateway} dev ${dev} proto ${protocol ?? 'unknown'}`);
    }
  }
  return { objects: merged(objects), foreign };
}

/** Output of `ip -j -4 neigh show nud permanent`. In a namespace of our own they are all ours, elsewhere none is. */
export function scanNeighbours(space: Space, json: string): Scan {
  if (!isOwnSpace(space)) return { objects: [], foreign: [] };
  const objects = parseEntries<NeighbourEntry>('ip', json)
    .filter(({ dst, lladdr, state }) => lladdr !== undefined && !dst.includes(':') && state?.includes('PERMANENT') === true)
    .map(({ dst, dev, lladdr = '' }) => observedObject(space, { kind: 'neighbour', link: dev, address: dst, mac: lladdr }));
  return { objects: merged(objects), foreign: [] };
}

/** Output of `bridge -j fdb show`. Permanent entries with a remote host are ours; what the VTEP learnt is not. */
export function scanFdb(space: Space, json: string): Scan {
  if (!isOwnSpace(space)) return { objects: [], foreign: [] };
  const objects = parseEntries<FdbEntry>('bridge', json)
    .filter(({ dst, flags, state }) => dst !== undefined && state === 'permanent' && flags?.includes('self') === true)
    .map(({ mac, ifname, dst = '' }) => observedObject(space, { kind: 'fdb', link: ifname, mac, vtep: dst }));
  return { objects: merged(objects), foreign: [] };
}

/** Lines `name = value`, of the names that `sysctlNames(space)` of node-state gives. */
export function scanSysctls(space: Space, text: string): Scan {
  const objects = text.split('\n').flatMap((line) => {
    const [, name, value = ''] = /^([^=\s]+)\s*=\s*(.*)$/.exec(line.trim()) ?? [];
    const body: ObjectBody | undefined = name === undefined ? undefined : { kind: 'sysctl', name, value };
    return body === undefined ? [] : [observedObject(space, body)];
  });
  return { objects, foreign: [] };
}

/** Entries of one key are one object, damaged where they do not agree, such as a MAC behind two hosts. */
function merged(objects: readonly ObservedObject[]): ObservedObject[] {
  const found = new Map<string, ObservedObject>();
  for (const object of objects) {
    const known = found.get(object.key);
    found.set(object.key, known === undefined || known.hash === object.hash ? object : { ...object, hash: '' });
  }
  return [...found.values()];
}
