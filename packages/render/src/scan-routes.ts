import type { Cidr } from '@portolan/model';
import { type ObservedObject, observedObject, type Space } from '@portolan/node-state';
import { parseEntries, type RouteEntry, type RuleEntry } from './iproute.js';
import { doubled, merged } from './merge.js';
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
  for (const route of parseEntries<RouteEntry>('ip', json)) {
    const { protocol = ROUTE_PROTOCOL } = route;
    if (protocol === ROUTE_PROTOCOL) objects.push(objectOf(space, route));
    else if (isOwnSpace(space) && protocol !== 'kernel') foreign.push(told(route));
  }
  return { objects: merged(objects), foreign };
}

/**
 * What stands in the way of our routes: `json` is the output of `ip -j -d route show table main`, `ours` what `scanRoutes` found on that
 * host, `destinations` those of the routes that are wanted there.
 *
 * A foreign route with the metric of ours has replaced it, or is used in its place; one with a lower metric is used as long as it is
 * there. Both are told. Where ours is there, too, it is damaged: to write it again is the way to replace the former.
 */
export function scanRivals(json: string, ours: Scan, destinations: ReadonlySet<Cidr>): Scan {
  const metrics = new Map<string, number>();
  for (const { body } of ours.objects) if (body?.kind === 'route' && body.table === undefined) metrics.set(body.destination, body.metric ?? 0);
  const replaced = new Set<string>();
  const foreign: string[] = [];
  for (const route of parseEntries<RouteEntry>('ip', json)) {
    const { protocol, metric = 0, tos } = route;
    const destination = destinationOf(route);
    if (protocol === ROUTE_PROTOCOL || tos !== undefined || !destinations.has(destination)) continue;
    const own = metrics.get(destination) ?? 0;
    if (metric > own) continue;
    foreign.push(told(route));
    if (metric === own) replaced.add(destination);
  }
  const isReplaced = ({ body }: ObservedObject): boolean => body?.kind === 'route' && body.table === undefined && replaced.has(body.destination);
  return { objects: ours.objects.map((object) => (isReplaced(object) ? { ...object, hash: '' } : object)), foreign: [...ours.foreign, ...foreign] };
}

function told({ dst, gateway, dev = '', protocol, metric }: RouteEntry): string {
  return `route ${dst} via ${gateway ?? 'nothing'} dev ${dev} proto ${protocol}${metric === undefined ? '' : ` metric ${metric}`}`;
}

/** An address without a length is one host. */
function destinationOf({ dst }: RouteEntry): Cidr | 'default' {
  return dst === 'default' || dst.includes('/') ? dst : `${dst}/32`;
}

function objectOf(space: Space, route: RouteEntry): ObservedObject {
  const { type = 'unicast', gateway, dev = '', metric, table = 'main', scope, flags = [], prefsrc, tos, metrics, nexthops } = route;
  const object = observedObject(space, {
    kind: 'route',
    destination: destinationOf(route),
    ...(gateway === undefined ? {} : { via: gateway }),
    link: dev,
    ...(table === 'main' ? {} : { table: tableNumbers[table] ?? Number(table) }),
    ...(metric === undefined ? {} : { metric }),
    ...(flags.includes('onlink') ? { onlink: true } : {}),
    ...(gateway === undefined && scope === 'global' ? { scope } : {}),
  });
  const isPlain = [prefsrc, tos, metrics, nexthops].every((more) => more === undefined);
  return type === 'unicast' && isPlain ? object : { ...object, hash: '' };
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
