import type { Endpoint, Network, NetworkSubnet, Node, Service, Snapshot } from './snapshot.js';

/** Bytes of the outer Ethernet, IPv4, UDP and VXLAN headers. */
export const VXLAN_OVERHEAD = 50;

/** What fits between all hosts, in bytes: the setting, or less where a node reports less. */
export function underlayMtu({ cluster, nodes }: Pick<Snapshot, 'cluster' | 'nodes'>): number {
  let mtu = cluster.settings.underlayMtu;
  for (const node of nodes.values()) if (node.underlayMtu !== null && node.underlayMtu < mtu) mtu = node.underlayMtu;
  return mtu;
}

/** MTU inside an overlay, in bytes. */
export function effectiveMtu(snapshot: Pick<Snapshot, 'cluster' | 'nodes'>, network: Pick<Network, 'mtu'>): number {
  return network.mtu ?? underlayMtu(snapshot) - VXLAN_OVERHEAD;
}

/** All subnets of a network, the one that addresses come from first before the others. */
export function subnetsOf({ vni, subnet, gateway, extraSubnets }: Network): readonly [NetworkSubnet, ...NetworkSubnet[]] {
  return [{ vni, subnet, gateway }, ...extraSubnets];
}

export const traffics = ['all', 'established', 'nothing'] as const;
export type Traffic = (typeof traffics)[number];

/**
 * What an endpoint is sent: `all` new connections by its weight; `established`: only packets of connections that it has
 * (it or its node is drained); `nothing`: its namespace, its health or its node is not there.
 */
export function trafficOf(
  endpoint: Pick<Endpoint, 'presence' | 'health' | 'drain'>,
  service: Pick<Service, 'healthCheck'> | null,
  node: Pick<Node, 'availability' | 'condition'>,
): Traffic {
  if (endpoint.presence !== 'present' || node.condition === 'unreachable') return 'nothing';
  if (service !== null && service.healthCheck !== null && endpoint.health !== 'healthy') return 'nothing';
  return endpoint.drain !== null || node.availability === 'drain' ? 'established' : 'all';
}

/** The same for an endpoint of a snapshot; `nothing` where its node is not there. */
export function trafficTo({ nodes, services }: Pick<Snapshot, 'nodes' | 'services'>, endpoint: Endpoint): Traffic {
  const node = nodes.get(endpoint.nodeId);
  const service = endpoint.serviceId === null ? undefined : services.get(endpoint.serviceId);
  return node === undefined ? 'nothing' : trafficOf(endpoint, service ?? null, node);
}
