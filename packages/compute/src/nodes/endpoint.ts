import type { Ipv4, Network, PublishedPort } from '@portolan/model';
import { type EndpointFilterBody, type KernelObject, kernelObject, type Origin, type RuleEntryBody } from '@portolan/node-state';
import { ENDPOINT_GATEWAY_LINK, endpointHostPort, endpointLink, endpointSpace } from '../names.js';
import { type ClusterRoster, type Member, type NetworkRoster, type Resident, segmentOf, trafficTo } from '../roster.js';
import { probedAt } from '../watch.js';
import { bridgeAddress, gatewayLinkObjects } from './gateway.js';
import { portForward } from './ingress.js';

/** A container's own default route comes before ours. */
const GATEWAY_METRIC = 4096;
/** Routes of what an endpoint answers to clients of a published port of policy `local`. */
const CLIENT_TABLE = 4096;
/** Routes of what an endpoint answers to clients of a published port of mode `host`. */
const HOST_PORT_TABLE = 4097;

const ingressEntries: readonly Omit<RuleEntryBody, 'kind'>[] = [
  { table: 'nat', stage: 'prerouting' },
  { table: 'filter', stage: 'input' },
  { table: 'filter', stage: 'output' },
];

function originOf({ endpoint, service }: Resident, network?: Network): Origin {
  return {
    computedBy: 'endpoint',
    ...(network === undefined ? {} : { network: network.name }),
    ...(service === null ? {} : { service: service.name }),
    endpoint: endpoint.name,
  };
}

/** What the namespace of one endpoint gets for one of its networks; the link itself is the other end of the overlay's veth. */
export function memberObjects(cluster: ClusterRoster, roster: NetworkRoster, member: Member, balancerAddress: Ipv4): KernelObject[] {
  const { network, segments } = roster;
  const space = endpointSpace(member.endpoint.id);
  const origin = originOf(member, network);
  const link = endpointLink(network);
  const own = segmentOf(roster, member.address);
  return [
    kernelObject(space, { kind: 'address', link, address: member.address, prefixLength: own.range.prefixLength }, origin),
    ...segments
      .filter((segment) => segment !== own)
      .map(({ subnet }) => kernelObject(space, { kind: 'route', destination: subnet, via: own.gateway, link }, origin)),
    ...(network.dsr ? directObjects(roster, member) : []),
    ...(network.ingress ? ingressMemberObjects(cluster, roster, member) : []),
    ...(network.ingress ? clientObjects(roster, member, balancerAddress) : []),
  ];
}

/** Direct server return: the endpoint takes the VIP's packets, and nobody hears from it that it has the VIP. */
function directObjects({ network }: NetworkRoster, member: Member): KernelObject[] {
  const vip = member.service?.networks.find(({ networkId }) => networkId === network.id)?.address ?? null;
  if (vip === null) return [];
  const space = endpointSpace(member.endpoint.id);
  const origin = originOf(member, network);
  const setting = (name: string, value: string) =>
    kernelObject(space, { kind: 'sysctl', name: `net.ipv4.conf.${endpointLink(network)}.${name}`, value }, origin);
  return [
    kernelObject(space, { kind: 'address', link: 'lo', address: vip, prefixLength: 32 }, origin),
    setting('arp_ignore', '1'),
    setting('arp_announce', '2'),
  ];
}

/** On the ingress network an endpoint answers at its published ports only. */
function ingressMemberObjects(cluster: ClusterRoster, { network }: NetworkRoster, member: Member): KernelObject[] {
  const { endpoint, service, address } = member;
  const space = endpointSpace(endpoint.id);
  const origin = originOf(member, network);
  const ports = (service?.ports ?? []).filter(({ mode }) => mode === 'ingress');
  const probed = service?.healthCheck != null && probedAt(cluster, member)?.network === network ? [service.healthCheck.port] : [];
  return [
    ...ingressEntries.map((entry) => kernelObject(space, { kind: 'rule-entry', ...entry }, origin)),
    ...ports.map(({ protocol, published, target }) =>
      kernelObject(space, { kind: 'port-redirect', destination: address, protocol, port: published, toPort: target }, origin),
    ),
    kernelObject(space, { kind: 'endpoint-filter', address, open: openPorts(ports, probed) }, origin),
  ];
}

/**
 * An endpoint of a service with a port of policy `local` sees the address of the client, which is reached back only by
 * way of the sandbox that the packets came through: that of its own node.
 */
function clientObjects(roster: NetworkRoster, member: Member, balancerAddress: Ipv4): KernelObject[] {
  const { network, segments } = roster;
  const { endpoint, service, address } = member;
  const place = service?.networks.find(({ networkId }) => networkId === network.id);
  if (place === undefined || place.localMark === null) return [];
  const space = endpointSpace(endpoint.id);
  const origin = originOf(member, network);
  const link = endpointLink(network);
  const own = segmentOf(roster, address);
  const routed = { link, table: CLIENT_TABLE };
  return [
    kernelObject(space, { kind: 'sysctl', name: `net.ipv4.conf.${link}.rp_filter`, value: '2' }, origin),
    kernelObject(space, { kind: 'route-rule', from: address, table: CLIENT_TABLE }, origin),
    kernelObject(space, { kind: 'route', destination: 'default', via: own === segments[0] ? balancerAddress : own.gateway, ...routed }, origin),
    ...segments.map(({ subnet, vni }) =>
      kernelObject(space, { kind: 'route', destination: subnet, ...(vni === own.vni ? {} : { via: own.gateway }), ...routed }, origin),
    ),
  ];
}

/** Each target once, in an order of its own: two published ports may lead to the same target. */
function openPorts(ports: readonly PublishedPort[], probed: readonly number[]): EndpointFilterBody['open'] {
  const targets = [...ports.map(({ protocol, target }) => ({ protocol, port: target })), ...probed.map((port) => ({ protocol: 'tcp' as const, port }))];
  const open = new Map(targets.map((target) => [`${target.protocol}/${target.port}`, target]));
  return [...open.values()].sort((a, b) => (a.protocol < b.protocol ? -1 : a.protocol > b.protocol ? 1 : a.port - b.port));
}

/** What an endpoint gets once, whatever its networks: its way out by the host, and the settings of its namespace. */
export function residentObjects(cluster: ClusterRoster, resident: Resident): KernelObject[] {
  const { tcpKeepalive } = cluster.settings;
  const { id, gatewayAddress } = resident.endpoint;
  const space = endpointSpace(id);
  const origin = originOf(resident);
  const objects: KernelObject[] = [];
  if (tcpKeepalive > 0) objects.push(kernelObject(space, { kind: 'sysctl', name: 'net.ipv4.tcp_keepalive_time', value: String(tcpKeepalive) }, origin));
  if (gatewayAddress === null) return objects;
  const link = { space, link: ENDPOINT_GATEWAY_LINK, port: endpointHostPort(gatewayAddress), address: gatewayAddress, metric: GATEWAY_METRIC };
  objects.push(...gatewayLinkObjects(cluster, link, origin));
  if (resident.service?.ports.some(({ mode }) => mode === 'host') !== true) return objects;
  // The answers go back by the host, which knows the connection, even where the container's own default route leads elsewhere.
  const via = bridgeAddress(cluster.settings);
  const setting = { kind: 'sysctl', name: `net.ipv4.conf.${ENDPOINT_GATEWAY_LINK}.rp_filter`, value: '2' } as const;
  objects.push(
    kernelObject(space, setting, origin),
    kernelObject(space, { kind: 'route-rule', from: gatewayAddress, table: HOST_PORT_TABLE }, origin),
    kernelObject(space, { kind: 'route', destination: 'default', via, link: ENDPOINT_GATEWAY_LINK, table: HOST_PORT_TABLE }, origin),
  );
  return objects;
}

/**
 * Published ports of mode `host`: straight to the endpoint, on its node only. While one endpoint takes over from another
 * the port leads to the one that takes new connections.
 */
export function hostPortObjects(residents: readonly Resident[]): KernelObject[] {
  const forwards = new Map<string, KernelObject>();
  for (const resident of residents) {
    const { gatewayAddress } = resident.endpoint;
    if (gatewayAddress === null || trafficTo(resident) !== 'all') continue;
    for (const port of resident.service?.ports ?? []) {
      const forward = port.mode === 'host' ? kernelObject('host', portForward(port, gatewayAddress, port.target), originOf(resident)) : undefined;
      if (forward !== undefined && !forwards.has(forward.key)) forwards.set(forward.key, forward);
    }
  }
  return [...forwards.values()];
}
