import { type Endpoint, formatCidr, type Id, isHostAddress, type Network, type NetworkAddress, type Node, type Service } from '@portolan/model';
import { block, type Finding, type Subject, warn } from './finding.js';
import { addressValue, type NetworkView, type View } from './view.js';

/** Rules about one object and what it refers to. */
export const objectRules = {
  *node(view: View, node: Node): Iterable<Finding> {
    const subject: Subject = { kind: 'node', id: node.id, name: node.name };
    if (Number.isNaN(addressValue(node.address))) yield block('invalid-address', subject, 'address', `"${node.address}" is not an IPv4 address`);
    yield* addressesFit(view, subject, 'loadBalancers', node.loadBalancers);
    for (const ingress of view.ingress) {
      if (!node.loadBalancers.some((own) => own.networkId === ingress.id)) {
        yield block('internal', subject, 'loadBalancers', `the node has no address in the ingress network "${ingress.name}"`);
      }
    }
  },

  *network(view: View, network: Network): Iterable<Finding> {
    const subject: Subject = { kind: 'network', id: network.id, name: network.name };
    const subnet = view.networks.get(network.id)?.subnet;
    if (subnet === undefined) {
      yield block('invalid-subnet', subject, 'subnet', `"${network.subnet}" is not an IPv4 subnet without host bits`);
    } else if (!isHostAddress(subnet, addressValue(network.gateway))) {
      yield block('address-outside-network', subject, 'gateway', `the gateway ${network.gateway} is not a host address of ${network.subnet}`);
    }
    const largest = view.snapshot.cluster.settings.underlayMtu - VXLAN_OVERHEAD_BYTES;
    if (network.mtu > largest) {
      yield warn('mtu-above-underlay', subject, 'mtu', `MTU ${network.mtu} is more than the ${largest} bytes that fit into a packet between the hosts`);
    }
  },

  *service(view: View, service: Service): Iterable<Finding> {
    const subject: Subject = { kind: 'service', id: service.id, name: service.name };
    yield* addressesFit(view, subject, 'vips', service.vips);
    const published = service.ports.length > 0;
    if (published && view.ingress.length === 0) yield block('ingress-missing', subject, 'ports', 'ports are published, but the cluster has no ingress network');
    for (const ingress of view.ingress) {
      const balanced = service.vips.some((vip) => vip.networkId === ingress.id);
      if (published && !balanced) yield block('internal', subject, 'vips', `ports are published, but there is no VIP on the ingress network "${ingress.name}"`);
      if (!published && balanced) yield block('internal', subject, 'vips', `there is a VIP on the ingress network "${ingress.name}", but no port is published`);
    }
    if (service.vips.length === 0) yield warn('service-without-network', subject, 'networks', 'the service has no VIP');
  },

  *endpoint(view: View, endpoint: Endpoint): Iterable<Finding> {
    const subject: Subject = { kind: 'endpoint', id: endpoint.id, name: endpoint.name };
    const service = view.snapshot.services.get(endpoint.serviceId);
    const node = view.snapshot.nodes.get(endpoint.nodeId);
    if (service === undefined) yield block('unknown-reference', subject, 'service', `there is no service with the id ${endpoint.serviceId}`);
    if (node === undefined) yield block('unknown-reference', subject, 'node', `there is no node with the id ${endpoint.nodeId}`);
    yield* addressesFit(view, subject, 'addresses', endpoint.addresses);
    for (const vip of service?.vips ?? []) {
      const name = (): string => view.networks.get(vip.networkId)?.network.name ?? vip.networkId;
      if (!hasNetwork(endpoint.addresses, vip.networkId)) {
        yield block('internal', subject, 'addresses', `the endpoint has no address in the network "${name()}" of its service`);
      }
      if (node !== undefined && !hasNetwork(node.loadBalancers, vip.networkId)) {
        yield block('internal', subject, 'node', `the node "${node.name}" has no address of its own in the network "${name()}"`);
      }
    }
    if (service !== undefined && endpoint.addresses.length > service.vips.length) {
      yield block('internal', subject, 'addresses', 'the endpoint has an address in a network that its service has no VIP on');
    }
  },
};

/** Outer Ethernet, IPv4, UDP and VXLAN header: 14 + 20 + 8 + 8. */
const VXLAN_OVERHEAD_BYTES = 50;

function hasNetwork(addresses: readonly NetworkAddress[], networkId: Id): boolean {
  for (const address of addresses) if (address.networkId === networkId) return true;
  return false;
}

function* addressesFit(view: View, subject: Subject, field: string, addresses: readonly NetworkAddress[]): Iterable<Finding> {
  for (const { networkId, address } of addresses) {
    const known = view.networks.get(networkId);
    if (known === undefined) yield block('unknown-reference', subject, field, `there is no network with the id ${networkId}`);
    else if (!fits(known, addressValue(address))) {
      yield block('address-outside-network', subject, field, `${address} is not a host address of the network "${known.network.name}", ${describe(known)}`);
    }
  }
}

function fits({ subnet }: NetworkView, address: number): boolean {
  return subnet !== undefined && isHostAddress(subnet, address);
}

function describe({ network, subnet }: NetworkView): string {
  return subnet === undefined ? network.subnet : formatCidr(subnet);
}
