import { type ClusterSettings, formatIpv4, type Ipv4, macOfIpv4, parseCidr } from '@portolan/model';
import { compareKeys, GATEWAY_BRIDGE, type KernelObject, kernelObject, type Origin, type RuleEntryBody, type Space } from '@portolan/node-state';
import type { ClusterRoster } from '../roster.js';
import { oncePer } from '../shared.js';

/** Addresses of the bridge on the host and of the ingress sandbox behind it: the first two of the gateway subnet. */
const placesOf = oncePer(({ gatewaySubnet }: ClusterSettings) => {
  const { first, prefixLength } = parseCidr(gatewaySubnet);
  return { bridge: formatIpv4(first + 1), sandbox: formatIpv4(first + 2), prefixLength };
});

/** Of the host in the gateway subnet: the way out of what is behind the bridge. */
export function bridgeAddress(settings: ClusterSettings): Ipv4 {
  return placesOf(settings).bridge;
}

/** Of the ingress sandbox in the gateway subnet: where published ports are forwarded to. */
export function sandboxAddress(settings: ClusterSettings): Ipv4 {
  return placesOf(settings).sandbox;
}

const FORWARDING = 'net.ipv4.ip_forward';

/**
 * Forwarding to the sandbox and to endpoints, published ports on 127.0.0.1 too, and a loose source check, as clients of the
 * ports come from anywhere.
 */
const sysctls: readonly (readonly [name: string, value: string])[] = [
  [FORWARDING, '1'],
  [`net.ipv4.conf.${GATEWAY_BRIDGE}.route_localnet`, '1'],
  [`net.ipv4.conf.${GATEWAY_BRIDGE}.rp_filter`, '2'],
];

const entries: readonly Omit<RuleEntryBody, 'kind'>[] = [
  { table: 'nat', stage: 'prerouting' },
  { table: 'nat', stage: 'output' },
  { table: 'nat', stage: 'postrouting' },
  { table: 'filter', stage: 'forward' },
];

/** The bridge on the host and its policy, the same on every node that needs them. */
export const gatewayObjects = oncePer((roster: ClusterRoster): readonly KernelObject[] => {
  const { settings, underlayMtu } = roster;
  const { bridge, prefixLength } = placesOf(roster.settings);
  const origin: Origin = { computedBy: 'gateway' };
  const objects: KernelObject[] = [
    kernelObject('host', { kind: 'bridge', name: GATEWAY_BRIDGE, mtu: underlayMtu, mac: macOfIpv4(bridge) }, origin),
    kernelObject('host', { kind: 'address', link: GATEWAY_BRIDGE, address: bridge, prefixLength }, origin),
    ...sysctls.map(([name, value]) => kernelObject('host', { kind: 'sysctl', name, value }, origin)),
    ...entries.map((entry) => kernelObject('host', { kind: 'rule-entry', ...entry }, origin)),
    kernelObject('host', { kind: 'gateway-policy', link: GATEWAY_BRIDGE, subnet: settings.gatewaySubnet }, origin),
  ];
  return objects.sort((a, b) => compareKeys(a.key, b.key));
});

/** What of it a host needs that has no such bridge, but containers of flannel: forwarding, and the jumps into our chains. */
export const forwardingObjects: readonly KernelObject[] = [
  kernelObject('host', { kind: 'sysctl', name: FORWARDING, value: '1' }, { computedBy: 'flannel' }),
  kernelObject('host', { kind: 'rule-entry', table: 'filter', stage: 'forward' }, { computedBy: 'flannel' }),
  kernelObject('host', { kind: 'rule-entry', table: 'nat', stage: 'postrouting' }, { computedBy: 'flannel' }),
];

/** One namespace behind the bridge. */
export interface GatewayLink {
  readonly space: Space;
  readonly link: string;
  /** On the host. */
  readonly port: string;
  readonly address: Ipv4;
  readonly metric?: number;
}

/**
 * The link between the host's bridge and a namespace that reaches out by it. Its port is isolated, so two namespaces
 * meet on the host only, in the sight of its rules, and br_netfilter is not needed.
 */
export function gatewayLinkObjects(roster: ClusterRoster, { space, link, port, address, metric }: GatewayLink, origin: Origin): KernelObject[] {
  const { bridge, prefixLength } = placesOf(roster.settings);
  const peer = { space, name: link, mac: macOfIpv4(address) };
  return [
    kernelObject('host', { kind: 'veth', name: port, master: GATEWAY_BRIDGE, mtu: roster.underlayMtu, isolated: true, peer }, origin),
    kernelObject(space, { kind: 'address', link, address, prefixLength }, origin),
    kernelObject(space, { kind: 'route', destination: 'default', via: bridge, link, ...(metric === undefined ? {} : { metric }) }, origin),
  ];
}
