import { type ObjectBody, observedObject, type Space } from '@portolan/node-state';
import { type FdbEntry, type NeighbourEntry, parseEntries } from './iproute.js';
import { merged } from './merge.js';
import { isOwnSpace } from './rules.js';
import type { Scan } from './scan.js';

/**
 * Output of `ip -j -4 neigh show nud permanent`. In a namespace of our own they are all ours, elsewhere those on a VTEP of ours,
 * as `scanLinks` names them.
 */
export function scanNeighbours(space: Space, json: string, vteps: readonly string[] = []): Scan {
  const own = isOwnSpace(space);
  if (!own && vteps.length === 0) return { objects: [], foreign: [] };
  const objects = parseEntries<NeighbourEntry>('ip', json)
    .filter(({ dev, dst, lladdr, state }) => {
      const isOurs = own || vteps.includes(dev);
      return isOurs && lladdr !== undefined && !dst.includes(':') && state?.includes('PERMANENT') === true;
    })
    .map(({ dst, dev, lladdr = '' }) => observedObject(space, { kind: 'neighbour', link: dev, address: dst, mac: lladdr }));
  return { objects: merged(objects), foreign: [] };
}

/**
 * Output of `bridge -j fdb show`, or `fdb show dev LINK` for a VTEP of ours outside our namespaces. Permanent entries with a remote host
 * are ours; what the VTEP learnt is not.
 */
export function scanFdb(space: Space, json: string, link?: string): Scan {
  if (!isOwnSpace(space) && link === undefined) return { objects: [], foreign: [] };
  const objects = parseEntries<FdbEntry>('bridge', json)
    .filter(({ dst, flags, state }) => dst !== undefined && state === 'permanent' && flags?.includes('self') === true)
    .map(({ mac, ifname = link ?? '', dst = '', port, vni, via }) => {
      const object = observedObject(space, { kind: 'fdb', link: ifname, mac, vtep: dst });
      return port === undefined && vni === undefined && via === undefined ? object : { ...object, hash: '' };
    });
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
