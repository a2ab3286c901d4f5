import { type ObjectBody, type ObservedObject, observedObject, type Space } from '@portolan/node-state';
import { type FdbEntry, type NeighbourEntry, parseEntries, type RouteEntry, type RuleEntry } from './iproute.js';
import { isOwnSpace } from './rules.js';
import type { Scan } from './scan.js';
import { ROUTE_PROTOCOL, RULE_PRIORITY } from './tag.js';

/**
 * Output of `ip -j -d route show` (the main table), with `table all` or without, or of `ip -j -d route show table all proto 80`,
 * in which the protocol is missing. Routes with our protocol number are ours, wherever they are.
 */
export function scanRoutes(space: Space, json: string): Scan {
  const objects: ObservedObject[] = [];
  const foreign: string[] = [];
  for (const { type = 'unicast', dst, gateway, dev = '', protocol = ROUTE_PROTOCOL, metric, table = 'main' } of parseEntries<RouteEntry>('ip', json)) {
    if (protocol === ROUTE_PROTOCOL) {
      const destination = dst === 'default' || dst.includes('/') ? dst : `${dst}/32`;
      const object = observedObject(space, {
        kind: 'route',
        destination,
        ...(gateway === undefined ? {} : { via: gateway }),
        link: dev,
        ...(table === 'main' ? {} : { table: tableNumbers[table] ?? Number(table) }),
        ...(metric === undefined ? {} : { metric }),
      });
      objects.push(type === 'unicast' ? object : { ...object, hash: '' });
    } else if (isOwnSpace(space) && protocol !== 'kernel') {
      foreign.push(`route ${dst} via ${gateway ?? 'nothing'} dev ${dev} proto ${protocol}`);
    }
  }
  return { objects: merged(objects), foreign };
}

const tableNumbers: Readonly<Partial<Record<string, number>>> = { default: 253, local: 255 };

/** Output of `ip -j -d rule show`. Rules with our protocol number are ours. */
export function scanRouteRules(space: Space, json: string): Scan {
  const objects: ObservedObject[] = [];
  for (const { priority, src, srclen, table = '', protocol, ...selectors } of parseEntries<RuleEntry>('ip', json)) {
    if (protocol !== ROUTE_PROTOCOL) continue;
    const from = srclen === undefined ? src : `${src}/${srclen}`;
    const object = observedObject(space, { kind: 'route-rule', from, table: tableNumbers[table] ?? Number(table) });
    const isPlain = priority === RULE_PRIORITY && srclen === undefined && Object.keys(selectors).length === 0;
    objects.push(isPlain ? object : { ...object, hash: '' });
  }
  return { objects: doubled(objects), foreign: [] };
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

/** Lines `name = value`. */
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

/** Entries of one key are damaged even where they agree: each takes a removal of its own. */
function doubled(objects: readonly ObservedObject[]): ObservedObject[] {
  const found = new Map<string, ObservedObject>();
  for (const object of objects) found.set(object.key, found.has(object.key) ? { ...object, hash: '' } : object);
  return [...found.values()];
}
