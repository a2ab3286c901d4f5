import {
  type Attachment,
  type Endpoint,
  effectiveMtu,
  formatIpv4,
  type Id,
  type Ipv4,
  macOfIpv4,
  type Network,
  type NetworkAddress,
  type Node,
  parseCidr,
  parseIpv4,
  type Service,
  type Snapshot,
  subnetsOf,
  VXLAN_OVERHEAD,
} from '@portolan/model';
import type { Swarm, SwarmAddress, SwarmContainer, SwarmNetwork, SwarmNode, SwarmPort, SwarmService, SwarmTask } from './facts.js';
import { byId, byName, byNetwork, byPort } from './order.js';

/** Of a cluster that no Docker runs: that of which the rules are known exactly. */
const ENGINE_VERSION = '20.10';
/** As `manifestOfSwarm` names endpoints: the id of the task is the end of its name. */
const taskName = /\.(?<id>[a-z0-9]{25})$/;

/**
 * A cluster as the swarm that has the same networks, services, endpoints and addresses: each endpoint of a service is a task, each other one a
 * container. What was not seen yet counts as running, for that is what is wanted; what was seen to be gone is left out.
 *
 * What Docker has no word for is not in it: weights, schedulers, health checks, ports of policy `local` and those of chosen addresses or
 * interfaces (they are published everywhere), flannel. Of an endpoint that is not attached by `netns` the sandbox cannot be told.
 */
export function swarmOfSnapshot(snapshot: Snapshot): Swarm {
  const ranges = new Map([...snapshot.networks.values()].map((network) => [network.id, prefixesOf(network)]));
  const endpoints = [...snapshot.endpoints.values()].filter(({ presence }) => presence !== 'absent');
  const addressesOf = ({ addresses }: Endpoint): readonly SwarmAddress[] => addresses.map((own) => swarmAddress(own, ranges)).sort(byNetwork);
  return {
    nodes: [...snapshot.nodes.values()].map((node) => swarmNode(snapshot, node, endpoints, addressesOf)).sort(byName),
    networks: [...snapshot.networks.values()].map((network) => swarmNetwork(snapshot, network)).sort(byId),
    services: [...snapshot.services.values()].map((service) => swarmService(snapshot, service)).sort(byName),
    tasks: endpoints.flatMap((endpoint) => swarmTask(snapshot, endpoint, addressesOf(endpoint))).sort(byName),
  };
}

function swarmNode(snapshot: Snapshot, node: Node, endpoints: readonly Endpoint[], addressesOf: (endpoint: Endpoint) => readonly SwarmAddress[]): SwarmNode {
  const residents = endpoints.filter(({ nodeId }) => nodeId === node.id);
  const present = new Set(residents.flatMap(({ addresses }) => addresses.map(({ networkId }) => networkId)));
  // As in compute: a node without an endpoint on a network has nothing of it, but ingress is everywhere.
  const balancers = node.loadBalancers.filter(({ networkId }) => present.has(networkId) || snapshot.networks.get(networkId)?.ingress === true);
  return {
    id: node.id,
    name: node.name,
    role: node.role,
    availability: node.availability,
    state: node.condition === 'unreachable' ? 'down' : 'ready',
    address: node.address,
    engineVersion: ENGINE_VERSION,
    balancers: balancers.map(({ networkId, address }) => ({ networkId, address, mac: macOfIpv4(address) })).sort(byNetwork),
    gateway: swarmGateway(snapshot, residents, balancers),
    containers: residents.flatMap((endpoint) => (endpoint.serviceId === null ? swarmContainer(endpoint, addressesOf(endpoint)) : [])),
  };
}

function swarmGateway({ cluster, networks }: Snapshot, residents: readonly Endpoint[], balancers: readonly NetworkAddress[]): SwarmNode['gateway'] {
  const { gatewaySubnet } = cluster.settings;
  const { first } = parseCidr(gatewaySubnet);
  const hasIngress = balancers.some(({ networkId }) => networks.get(networkId)?.ingress === true);
  const sandboxes: Record<string, Ipv4> = {};
  for (const { attachment, gatewayAddress } of residents) {
    const sandbox = sandboxOf(attachment);
    if (sandbox !== null && gatewayAddress !== null) sandboxes[sandbox] = gatewayAddress;
  }
  if (!hasIngress && !residents.some(({ gatewayAddress }) => gatewayAddress !== null)) return null;
  return { subnet: gatewaySubnet, gateway: formatIpv4(first + 1), ingress: hasIngress ? formatIpv4(first + 2) : null, sandboxes };
}

function swarmContainer({ id, attachment }: Endpoint, addresses: readonly SwarmAddress[]): readonly SwarmContainer[] {
  return addresses.length === 0 ? [] : [{ containerId: 'container' in attachment ? attachment.container : id, sandbox: sandboxOf(attachment), addresses }];
}

function swarmNetwork(snapshot: Snapshot, network: Network): SwarmNetwork {
  return {
    id: network.id,
    name: network.name,
    ingress: network.ingress,
    subnets: subnetsOf(network).map(({ subnet, gateway, vni }) => ({ subnet, gateway, vni })),
    mtu: effectiveMtu(snapshot, network) + VXLAN_OVERHEAD,
    encrypted: false,
    dsr: network.dsr,
    internal: network.internal,
    attachable: network.attachable,
  };
}

function swarmService({ networks }: Snapshot, service: Service): SwarmService {
  const vips = service.networks.flatMap(({ networkId, address }) => (address === null ? [] : [{ networkId, address }]));
  return {
    id: service.id,
    name: service.name,
    mode: service.endpointMode,
    vips: vips.sort(byNetwork),
    ports: portsOf(service),
    networks: service.networks
      .filter(({ networkId }) => networks.get(networkId)?.ingress !== true)
      .map(({ networkId, aliases }) => ({ networkId, aliases: [...aliases].sort() }))
      .sort(byNetwork),
  };
}

function portsOf({ ports }: Service): readonly SwarmPort[] {
  return ports.map(({ protocol, target, published, mode }) => ({ protocol, target, published, mode })).sort(byPort);
}

function swarmTask({ services, nodes }: Snapshot, endpoint: Endpoint, addresses: readonly SwarmAddress[]): readonly SwarmTask[] {
  const service = endpoint.serviceId === null ? undefined : services.get(endpoint.serviceId);
  if (service === undefined) return [];
  const { id, name, nodeId, attachment, drain } = endpoint;
  return [
    {
      id: taskName.exec(name)?.groups?.id ?? id,
      name,
      serviceId: service.id,
      nodeId,
      containerId: 'container' in attachment ? attachment.container : null,
      state: drain !== null || nodes.get(nodeId)?.availability === 'drain' ? 'leaving' : 'running',
      sandbox: sandboxOf(attachment),
      addresses,
      hostPorts: portsOf(service).filter(({ mode }) => mode === 'host'),
    },
  ];
}

/** The name of the namespace in its directory; null unless the attachment says so. */
function sandboxOf(attachment: Attachment): string | null {
  return 'netns' in attachment ? attachment.netns.slice(attachment.netns.lastIndexOf('/') + 1) : null;
}

function swarmAddress({ networkId, address }: NetworkAddress, prefixes: ReadonlyMap<Id, (address: Ipv4) => number>): SwarmAddress {
  return { networkId, address, prefixLength: prefixes.get(networkId)?.(address) ?? 32, mac: macOfIpv4(address) };
}

/** The prefix length of the subnet of the network that an address is in. */
function prefixesOf(network: Network): (address: Ipv4) => number {
  const [first, ...others] = subnetsOf(network).map(({ subnet }) => parseCidr(subnet));
  return (address) => {
    const value = parseIpv4(address);
    return (others.find((range) => range.first <= value && value <= range.last) ?? first)?.prefixLength ?? 32;
  };
}
