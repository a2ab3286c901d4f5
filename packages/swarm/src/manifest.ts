import { formatIpv4, type Manifest, parseCidr, VXLAN_OVERHEAD } from '@portolan/model';
import type { Swarm, SwarmNetwork, SwarmNode } from './facts.js';
import { manifestEndpoints } from './manifest-endpoints.js';
import { type ManifestNames, manifestNames } from './manifest-names.js';
import { isInFirst, manifestServices } from './manifest-services.js';

export interface SwarmManifest {
  readonly manifest: Manifest;
  /** What of the swarm is not in the manifest, or will be another than it is, a sentence each. */
  readonly notes: readonly string[];
}

type Networks = NonNullable<Manifest['networks']>;
type Nodes = NonNullable<Manifest['nodes']>;

const DOCKER_MTU = 1500;
/** As the kernel, and so Docker, has them, in seconds. */
const ipvsTimeouts = { tcp: 900, tcpFin: 120, udp: 300 };

/**
 * A swarm as a manifest. Applied to an empty cluster it keeps the ids, subnets, gateways and VNIs of networks, VIPs, published ports, and the
 * addresses of nodes, endpoints and gateways. Marks are each node's own in Docker, so they are allocated. Tasks that leave are left out.
 */
export function manifestOfSwarm(swarm: Swarm): SwarmManifest {
  const notes: string[] = [];
  const names = manifestNames(swarm, notes);
  const gatewaySubnet = commonGateway(swarm.nodes, notes);
  const networks = swarm.networks.map((network) => networkSpec(network, names, notes));
  const services = manifestServices(swarm, names, notes);
  const endpoints = manifestEndpoints(swarm, { names, services, gatewaySubnet }, notes);
  const nodes = swarm.nodes.map((node) => nodeSpec(swarm, node, { names, services, endpoints }, notes));
  return {
    manifest: {
      settings: { addressPools: ['10.0.0.0/8'], subnetPrefixLength: 24, ...(gatewaySubnet === null ? {} : { gatewaySubnet }), ipvsTimeouts },
      nodes,
      networks,
      services,
      endpoints,
    },
    notes,
  };
}

/** The subnet of docker_gwbridge on most nodes. Docker chooses it on each node by itself, Portolan has one for all. */
function commonGateway(nodes: readonly SwarmNode[], notes: string[]): string | null {
  const counts = new Map<string, number>();
  for (const { gateway } of nodes) if (gateway !== null) counts.set(gateway.subnet, (counts.get(gateway.subnet) ?? 0) + 1);
  const [common] = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([subnet]) => subnet);
  if (common === undefined) return null;
  const { first } = parseCidr(common);
  for (const { name, gateway } of nodes) {
    if (gateway === null) continue;
    if (gateway.subnet !== common)
      notes.push(`docker_gwbridge of the node "${name}" has ${gateway.subnet}: its host-local addresses become others, in ${common}`);
    else {
      const told = (what: string, is: string, becomes: string): unknown =>
        is !== becomes && notes.push(`${what} of the node "${name}" has the host-local address ${is}: it becomes ${becomes}`);
      told('docker_gwbridge', gateway.gateway, formatIpv4(first + 1));
      if (gateway.ingress !== null) told('the ingress sandbox', gateway.ingress, formatIpv4(first + 2));
    }
  }
  return common;
}

function networkSpec(
  { id, name, ingress, subnets, mtu, encrypted, dsr, internal, attachable, ipv6 }: SwarmNetwork,
  names: ManifestNames,
  notes: string[],
): Networks[number] {
  const [first, ...others] = subnets;
  const inside = mtu - VXLAN_OVERHEAD;
  const isMtu = mtu !== DOCKER_MTU && inside >= 576 && inside <= 9216;
  const told = (isSo: boolean, words: string): unknown => isSo && notes.push(`the network "${name}" ${words}`);
  told(encrypted, 'is encrypted: Portolan sends its packets as they are');
  told(ipv6 === true, 'has IPv6: Portolan carries IPv4 only');
  told(mtu !== DOCKER_MTU && !isMtu, `has an MTU of ${mtu} bytes, which is out of range: it is computed`);
  told(ingress && others.length > 0, 'is the ingress network and has several subnets: only the first is kept');
  told(dsr && !ingress && others.length > 0, 'has several subnets, with which Portolan has no direct server return: it is off');
  told(dsr && ingress, 'is the ingress network, of which Portolan has no direct server return: it is off');
  const isId = /^[a-z0-9]{25}$/.test(id);
  told(!isId, `gets an id: ${id} is none of Portolan's`);
  return {
    name: names.networks.get(id) ?? name,
    ...(isId ? { id } : {}),
    ...(ingress ? { ingress } : {}),
    ...(first === undefined ? {} : { vni: first.vni, subnet: first.subnet, gateway: first.gateway }),
    ...(others.length === 0 || ingress ? {} : { extraSubnets: others.map(({ subnet, gateway, vni }) => ({ subnet, gateway, vni })) }),
    ...(isMtu ? { mtu: inside } : {}),
    ...(internal && !ingress ? { internal } : {}),
    ...(attachable && !ingress ? { attachable } : {}),
    ...(dsr && !ingress && others.length === 0 ? { dsr } : {}),
  };
}

interface Imported {
  readonly names: ManifestNames;
  readonly services: NonNullable<Manifest['services']>;
  readonly endpoints: NonNullable<Manifest['endpoints']>;
}

function nodeSpec({ networks }: Swarm, node: SwarmNode, { names, services, endpoints }: Imported, notes: string[]): Nodes[number] {
  const name = names.nodes.get(node.id) ?? node.name;
  const joined = new Set<string>();
  for (const endpoint of endpoints) {
    if (endpoint.node !== name) continue;
    for (const network of endpoint.networks ?? []) joined.add(network);
    for (const { network } of services.find((service) => service.name === endpoint.service)?.networks ?? []) joined.add(network);
  }
  if (node.balancers === null) notes.push(`nothing was collected of the node "${node.name}": its own addresses on networks are allocated anew`);
  const addresses = (node.balancers ?? []).flatMap(({ networkId, address }) => {
    const network = networks.find(({ id }) => id === networkId);
    const known = names.networks.get(networkId);
    if (network === undefined || known === undefined || !(network.ingress || joined.has(known))) return [];
    if (isInFirst(network, address)) return [{ network: known, address }];
    notes.push(`the node "${node.name}" has ${address} on "${network.name}", which is not in its first subnet: it gets another address`);
    return [];
  });
  return {
    name,
    ...(node.role === 'manager' ? { role: node.role } : {}),
    ...(node.availability === 'active' ? {} : { availability: node.availability }),
    address: node.address,
    ...(addresses.length === 0 ? {} : { addresses }),
  };
}
