import { type Cluster, formatIpv4, type Ipv4, macOfIpv4, parseCidr } from '@portolan/model';
import { compareKeys, GATEWAY_BRIDGE, hostSysctls, type KernelObject, kernelObject, type Origin, type RuleEntryBody } from '@portolan/node-state';
import { GATEWAY_LINK, GATEWAY_PORT, INGRESS_SPACE } from '../names.js';
import type { NetworkRoster } from '../roster.js';
import { oncePerNetwork } from '../shared.js';

const hostEntries: readonly Omit<RuleEntryBody, 'kind'>[] = [
  { table: 'nat', stage: 'prerouting' },
  { table: 'nat', stage: 'output' },
  { table: 'nat', stage: 'postrouting' },
  { table: 'filter', stage: 'forward' },
];

/** Addresses of the bridge on the host and of the ingress sandbox behind it: the first two of the gateway subnet. */
function gateway(cluster: Cluster) {
  const subnet = parseCidr(cluster.settings.gatewaySubnet);
  return { bridge: formatIpv4(subnet.first + 1), sandbox: formatIpv4(subnet.first + 2), prefixLength: subnet.prefixLength };
}

/** The published ports, in the sandbox and on the host. */
function publishedObjects({ network, balanced }: NetworkRoster, sandbox: Ipv4): KernelObject[] {
  return balanced.flatMap(({ service, vip: { mark } }) => {
    const origin: Origin = { computedBy: 'ingress', network: network.name, service: service.name };
    return service.ports.flatMap(({ protocol, published: port }) => [
      kernelObject(INGRESS_SPACE, { kind: 'mark', match: { stage: 'prerouting', protocol, port }, mark }, origin),
      kernelObject('host', { kind: 'port-forward', protocol, port, to: sandbox }, origin),
    ]);
  });
}

/** The way from the host into the ingress sandbox, and the published ports: the same on every node. Its balancing is made by `loadBalancerObjects`. */
export const ingressObjects = oncePerNetwork((roster): readonly KernelObject[] => {
  const { cluster } = roster;
  const { gatewaySubnet, underlayMtu } = cluster.settings;
  const { bridge, sandbox, prefixLength } = gateway(cluster);
  const origin: Origin = { computedBy: 'ingress', network: roster.network.name };
  const objects: KernelObject[] = [
    kernelObject('host', { kind: 'bridge', name: GATEWAY_BRIDGE, mtu: underlayMtu }, origin),
    kernelObject('host', { kind: 'address', link: GATEWAY_BRIDGE, address: bridge, prefixLength }, origin),
    kernelObject(
      'host',
      {
        kind: 'veth',
        name: GATEWAY_PORT,
        master: GATEWAY_BRIDGE,
        mtu: underlayMtu,
        peer: { space: INGRESS_SPACE, name: GATEWAY_LINK, mac: macOfIpv4(sandbox) },
      },
      origin,
    ),
    kernelObject(INGRESS_SPACE, { kind: 'address', link: GATEWAY_LINK, address: sandbox, prefixLength }, origin),
    kernelObject(INGRESS_SPACE, { kind: 'route', destination: 'default', via: bridge, link: GATEWAY_LINK }, origin),
    ...hostSysctls.map(([name, value]) => kernelObject('host', { kind: 'sysctl', name, value }, origin)),
    ...hostEntries.map((entry) => kernelObject('host', { kind: 'rule-entry', ...entry }, origin)),
    kernelObject('host', { kind: 'gateway-policy', link: GATEWAY_BRIDGE, subnet: gatewaySubnet }, origin),
    ...publishedObjects(roster, sandbox),
  ];
  return objects.sort((a, b) => compareKeys(a.key, b.key));
});
