import { formatIpv4, parseCidr, parseIpv4, portolanError, subnetsOverlap } from '@portolan/model';
import type { Underlay } from './machine.js';
import { runProcess } from './process.js';

/** Addresses of an underlay. */
export interface Subnetwork {
  /** The first address: this machine's own. */
  readonly gateway: string;
  /** The last address: the guest's own, where there is one. */
  readonly last: string;
  readonly prefixLength: number;
}

/** Fails with `invalid-subnet` and `host-bits-set`. */
export function subnetworkOf(cidr: string): Subnetwork {
  const subnet = parseCidr(cidr);
  return { gateway: formatIpv4(subnet.first + 1), last: formatIpv4(subnet.last - 1), prefixLength: subnet.prefixLength };
}

export function underlayOf(bridge: string, subnetwork: Subnetwork): Underlay {
  return { bridge, gateway: subnetwork.gateway, prefixLength: subnetwork.prefixLength };
}

/** The /24 that holds all the addresses. Fails with `invalid-document` when no /24 does. */
export function commonSubnet(addresses: readonly string[]): string {
  const subnets = new Set(addresses.map((address) => `${formatIpv4(parseIpv4(address) & 0xffffff00)}/24`));
  const [subnet, ...others] = subnets;
  if (subnet === undefined || others.length > 0) {
    throw portolanError('invalid-document', '/nodes', `the lab needs all nodes in one /24 network, and finds ${[...subnets].join(', ') || 'none'}`, {
      fix: 'Give the nodes addresses of one /24, such as 172.16.130.140 to 172.16.130.170.',
    });
  }
  return subnet;
}

interface RouteLine {
  readonly dst: string;
  readonly dev?: string;
}

/** What this machine reaches over other devices than `link`, but for the default route. */
async function routesBesides(link: string): Promise<readonly RouteLine[]> {
  const { stdout } = await runProcess(['ip', '-j', '-4', 'route', 'show', 'table', 'main']);
  return (JSON.parse(stdout || '[]') as readonly RouteLine[]).filter(({ dst, dev }) => dst !== 'default' && dev !== link);
}

function overlapping(routes: readonly RouteLine[], cidr: string): RouteLine | undefined {
  const wanted = parseCidr(cidr);
  return routes.find(({ dst }) => subnetsOverlap(wanted, parseCidr(dst.includes('/') ? dst : `${dst}/32`)));
}

/** Fails with `in-use` when this machine already routes part of the subnet over another device than `link`. */
export async function requireFreeSubnet(cidr: string, link: string): Promise<void> {
  const route = overlapping(await routesBesides(link), cidr);
  if (route === undefined) return;
  throw portolanError('in-use', '', `this machine already has a route to ${route.dst} over ${route.dev ?? 'nothing'}, and the lab would use ${cidr}`, {
    fix: 'Give the nodes of the manifest addresses in another /24 network and start the lab with --manifest FILE.',
  });
}

/** The first that this machine does not route over another device than `link`. Fails with `in-use` when there is none. */
export async function firstFreeSubnet(cidrs: readonly string[], link: string): Promise<string> {
  const routes = await routesBesides(link);
  const free = cidrs.find((cidr) => overlapping(routes, cidr) === undefined);
  if (free === undefined) throw portolanError('in-use', '', `this machine has routes to each of ${cidrs.length} networks that the lab could use`);
  return free;
}
