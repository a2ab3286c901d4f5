import { type Ipv4, macOfIpv4 } from '@portolan/model';
import type { SwarmGateway } from '../facts.js';
import type { NamespaceObject } from '../object.js';
import { address, link, route } from './piece.js';
import { type NetworkRoster, segmentOf } from './roster.js';

/** Of docker_gwbridge and of what is on it, in bytes: no option of Docker sets another. */
export const GATEWAY_MTU = 1500;

/** In a sandbox: its link to docker_gwbridge, with the way out. */
export function gatewayLink(name: string, own: Ipv4, { subnet, gateway }: SwarmGateway): readonly NamespaceObject[] {
  return [link(name, 'veth', GATEWAY_MTU, { mac: macOfIpv4(own) }), address(name, own, prefixLengthOf(subnet)), route('default', gateway, name)];
}

export function prefixLengthOf(cidr: string): number {
  return Number(cidr.slice(cidr.indexOf('/') + 1));
}

/** In a sandbox: the ways to the other subnets of a network, by the bridge of its own. */
export function subnetRoutes(roster: NetworkRoster, own: Ipv4, on: string): readonly NamespaceObject[] {
  const segment = segmentOf(roster, own);
  if (segment === undefined) return [];
  return roster.network.subnets.filter(({ subnet }) => subnet !== segment.subnet).map(({ subnet }) => route(subnet, segment.gateway, on));
}
