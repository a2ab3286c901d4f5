import { type Ipv4, ipv4Value } from '@portolan/model';
import type { RouteBody } from '@portolan/node-state';
import type { Thing } from '../world.js';
import { isInside } from './holders.js';
import { noRoute, suspectLead, suspectTables } from './missing-route.js';
import { holds } from './range.js';
import type { SpaceView } from './space.js';
import { refOf, type Trace } from './trace.js';

/** Where a packet goes from a namespace. */
export interface Route {
  readonly link: string;
  /** Next hop; null: the destination itself is on the link. */
  readonly via: Ipv4 | null;
  /** Address that a packet without one is given. */
  readonly source: Ipv4 | null;
  /** For people. */
  readonly why: string;
  readonly thing: Thing | null;
}

const MAIN = 254;

/** Of a destination that is not local; undefined: there is none. `source`: of the packet, which rules of routing go by. */
export function routeOf(view: SpaceView, destination: Ipv4, source: Ipv4 | null): Route | undefined {
  for (const { body } of view.all('route-rule')) {
    const route = body.from === source ? bestOf(view, destination, body.table) : undefined;
    if (route !== undefined) return { ...route, why: `${route.why}, in the table of packets from ${body.from}` };
  }
  return bestOf(view, destination, MAIN) ?? outward(view, destination);
}

/** The longest prefix wins, then the lowest metric. */
function bestOf(view: SpaceView, destination: Ipv4, table: number): Route | undefined {
  const value = ipv4Value(destination) ?? -1;
  let best: { readonly rank: number; readonly route: Route } | undefined;
  const offer = (prefixLength: number, metric: number, route: Route): void => {
    const rank = prefixLength * 2 ** 33 - metric;
    if (view.links.has(route.link) && (best === undefined || rank > best.rank)) best = { rank, route };
  };
  if (table === MAIN) {
    for (const { link, address, first, last, prefixLength, thing } of view.addresses) {
      if (prefixLength === 32 || value < first || last < value) continue;
      offer(prefixLength, 0, { link, via: null, source: address, why: `${destination} is in the subnet of ${address}/${prefixLength} on ${link}`, thing });
    }
  }
  for (const { thing, range } of view.routes) {
    const { destination: to, via = null, link, metric = 0, table: own = MAIN } = thing.body;
    const { first, last, prefixLength } = range;
    if (own !== table) continue;
    if (value < first || last < value || !isValid(view, thing.body)) continue;
    const way = via === null ? `on ${link}` : `via ${via} on ${link}`;
    offer(prefixLength, metric, { link, via, source: sourceOn(view, link, via ?? destination), why: `route ${to} ${way}`, thing });
  }
  return best?.route;
}

/** The kernel has no route by a gateway that is on no subnet of the link. */
function isValid(view: SpaceView, { via, link, onlink }: RouteBody): boolean {
  return via === undefined || onlink === true || view.addressesOn(link).some(({ cidr, prefixLength }) => prefixLength < 32 && holds(cidr, via));
}

/** The address on the link that is nearest to the next hop, else its first. */
function sourceOn(view: SpaceView, link: string, next: Ipv4): Ipv4 | null {
  const own = view.addressesOn(link);
  return (own.find(({ cidr, prefixLength }) => prefixLength < 32 && holds(cidr, next)) ?? own[0])?.address ?? null;
}

/** A host reaches everything else by its own routes, which are not ours. */
function outward(view: SpaceView, destination: Ipv4): Route | undefined {
  const link = view.space === 'host' ? view.underlay : undefined;
  if (link === undefined) return undefined;
  const isNear = view.kernel.onLink.some((subnet) => holds(subnet, destination));
  const why = isNear ? `${destination} is on a network of the host` : `${destination} is elsewhere, by the host's default route`;
  return { link: link.name, via: null, source: view.kernel.address, why, thing: null };
}

/** Chooses the route of the packet, or of a frame to `next`, and notes it; `ttl` is what is left behind it. */
export function routed(trace: Trace, view: SpaceView, next: Ipv4 = trace.packet.destination, ttl: number = trace.packet.ttl): Route {
  const { snapshot } = trace.world;
  const { source } = trace.packet;
  if (trace.isReply && view.space.startsWith('endpoint:')) suspectTables(trace, view, next);
  const route = routeOf(view, next, source);
  const isLost = route !== undefined && route.thing === null && route.link === view.underlay?.name && isInside(snapshot, next);
  if (route === undefined || isLost) throw trace.ended(view, noRoute(trace, view, next));
  suspectLead(trace, view, next, route);
  trace.note('route', view, route.why, { device: route.link, object: route.thing === null ? null : refOf(view, route.thing), after: { ...trace.packet, ttl } });
  return route;
}
