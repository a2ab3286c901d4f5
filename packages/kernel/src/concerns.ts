import type { KernelObject } from '@portolan/node-state';
import { ROUTE_PROTOCOL } from '@portolan/render';
import type { KernelEvent } from './events.js';

/** What of the host's namespace is ours or matters to what is ours, beside what carries a mark. */
export interface KernelInterest {
  /** Names of the interfaces that packets to other hosts go out by. */
  readonly underlays: ReadonlySet<string>;
  /** Links of the state. */
  readonly links: ReadonlySet<string>;
  /** Those of them that have a MAC of their own. */
  readonly fixedMacs: ReadonlySet<string>;
  /** Destinations of the state's routes, each with its table: `10.244.2.0/24 254`. */
  readonly routes: ReadonlySet<string>;
  /** The state's neighbours and forwarding entries, each with its link: `flannel.1 10.244.2.0`, `flannel.1 02:…`. */
  readonly peers: ReadonlySet<string>;
}

const MAIN_TABLE = 254;
const OWN_PROTOCOL = Number(ROUTE_PROTOCOL);
const ALIAS = /^portolan /;
const OWN_LINK = /^(?:flannel\.\d+|flannel0|cni0|ptl_.*)$/;
/** flannel's VTEP: there nothing is learnt, so who writes a permanent peer there writes among ours. */
const OWN_VTEP = /^flannel\.\d+$/;

/** Whether a link on a host is one of ours by its name. */
export function isOwnLinkName(name: string): boolean {
  return OWN_LINK.test(name);
}

/** What a state has in the host's namespace. `underlay`: the interface with the node's address, where there is one. */
export function interestOf(objects: readonly KernelObject[], underlay: string | undefined): KernelInterest {
  const interest = {
    underlays: new Set<string>(),
    links: new Set<string>(),
    fixedMacs: new Set<string>(),
    routes: new Set<string>(),
    peers: new Set<string>(),
  };
  if (underlay !== undefined) interest.underlays.add(underlay);
  for (const { space, body } of objects) {
    if (space !== 'host') continue;
    switch (body.kind) {
      case 'flannel-vtep':
        interest.underlays.add(body.underlay);
        interest.links.add(body.name);
        interest.fixedMacs.add(body.name);
        break;
      case 'bridge':
        interest.links.add(body.name);
        if (body.mac !== undefined) interest.fixedMacs.add(body.name);
        break;
      case 'vxlan':
      case 'veth':
      case 'udp-relay':
        interest.links.add(body.name);
        break;
      case 'route':
        interest.routes.add(`${body.destination} ${body.table ?? MAIN_TABLE}`);
        break;
      case 'neighbour':
        interest.peers.add(`${body.link} ${body.address}`);
        break;
      case 'fdb':
        interest.peers.add(`${body.link} ${body.mac}`);
        break;
      default:
    }
  }
  return interest;
}

/**
 * Whether something of ours may no longer be as it was made. Silent about what a busy host does all day: other links, ARP, routes of
 * others, and changes of our links that nothing depends on, such as the carrier of a bridge.
 */
export function concernsUs(event: KernelEvent, { underlays, links, fixedMacs, routes, peers }: KernelInterest): boolean {
  const isOurs = (name: string): boolean => isOwnLinkName(name) || links.has(name);
  switch (event.kind) {
    case 'link': {
      const { link, before, isGone } = event;
      const either = before === undefined ? [link] : [link, before];
      if (either.some(({ name, alias }) => isOurs(name) || ALIAS.test(alias))) {
        if (isGone || before === undefined) return true;
        const isMoved = fixedMacs.has(link.name) && before.mac !== link.mac;
        return (
          isMoved ||
          before.name !== link.name ||
          before.alias !== link.alias ||
          before.isUp !== link.isUp ||
          before.mtu !== link.mtu ||
          before.master !== link.master
        );
      }
      if (!either.some(({ name }) => underlays.has(name))) return false;
      return (
        isGone ||
        before === undefined ||
        before.name !== link.name ||
        before.isUp !== link.isUp ||
        before.isRunning !== link.isRunning ||
        before.mtu !== link.mtu
      );
    }
    case 'address':
      return isOurs(event.link) || underlays.has(event.link);
    case 'route':
      return event.protocol === OWN_PROTOCOL || routes.has(`${event.destination} ${event.table}`);
    case 'rule':
      return event.protocol === OWN_PROTOCOL;
    case 'neighbour':
      return peers.has(`${event.link} ${event.address}`) || (event.isPermanent && OWN_VTEP.test(event.link));
    case 'fdb':
      return peers.has(`${event.link} ${event.mac}`) || (event.isPermanent && OWN_VTEP.test(event.link));
  }
}

/** Whether the event can be no work of ours: a route that came with another protocol than that of our routes. */
export function isByOthers(event: KernelEvent): boolean {
  return event.kind === 'route' && !event.isGone && event.protocol !== OWN_PROTOCOL;
}

/** The event in a few words, such as `route 10.244.2.0/24: gone`. */
export function eventInWords(event: KernelEvent): string {
  const what = event.isGone ? 'gone' : event.kind === 'link' && event.before !== undefined ? 'changed' : 'new or changed';
  switch (event.kind) {
    case 'link':
      return `link ${event.link.name}: ${what}`;
    case 'address':
      return `address ${event.address}/${event.prefixLength} on ${event.link}: ${what}`;
    case 'route':
      return `route ${event.destination}, protocol ${event.protocol}: ${what}`;
    case 'rule':
      return `rule of routing, protocol ${event.protocol}: ${what}`;
    case 'neighbour':
      return `neighbour ${event.address} on ${event.link}: ${what}`;
    case 'fdb':
      return `forwarding entry ${event.mac} on ${event.link}: ${what}`;
  }
}
