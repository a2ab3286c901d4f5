import { type Endpoint, type Id, isHostAddress, type NetworkAddress, type Node, subnetOrUndefined } from '@portolan/model';
import { addressesFit } from './addresses.js';
import { block, type Finding, type Subject, subjectOf, warn } from './finding.js';
import { networkFindings } from './networks.js';
import { isWayOut, serviceFindings } from './services.js';
import { addressValue, type View } from './view.js';

/** Rules about one object and what it refers to. */
export const objectRules = {
  node: nodeFindings,
  network: networkFindings,
  service: serviceFindings,
  endpoint: endpointFindings,
};

function* nodeFindings(view: View, node: Node): Iterable<Finding> {
  const subject = subjectOf('node', node);
  if (Number.isNaN(addressValue(node.address))) yield block('invalid-address', subject, 'address', `"${node.address}" is not an IPv4 address`);
  yield* addressesFit(view, subject, 'loadBalancers', node.loadBalancers, 'first');
  for (const ingress of view.ingress) {
    if (!hasNetwork(node.loadBalancers, ingress.id)) {
      yield block('internal', subject, 'loadBalancers', `the node has no address in the ingress network "${ingress.name}"`);
    }
  }
  const { underlayMtu } = view.snapshot.cluster.settings;
  if (node.underlayMtu !== null && node.underlayMtu < underlayMtu) {
    const message = `the interface with the address ${node.address} has MTU ${node.underlayMtu}, less than the setting underlayMtu of ${underlayMtu}: networks of the whole cluster get the smaller one`;
    yield warn('underlay-below-setting', subject, 'address', message);
  }
}

function* endpointFindings(view: View, endpoint: Endpoint): Iterable<Finding> {
  const subject = subjectOf('endpoint', endpoint);
  const node = view.snapshot.nodes.get(endpoint.nodeId);
  if (node === undefined) yield block('unknown-reference', subject, 'node', `there is no node with the id ${endpoint.nodeId}`);
  yield* addressesFit(view, subject, 'addresses', endpoint.addresses, 'any');
  const networks = endpoint.serviceId === null ? endpoint.addresses : view.snapshot.services.get(endpoint.serviceId)?.networks;
  if (networks === undefined) yield block('unknown-reference', subject, 'service', `there is no service with the id ${endpoint.serviceId}`);
  if (endpoint.serviceId === null) yield* attachmentFindings(view, endpoint, subject);
  for (const { networkId } of networks ?? []) {
    if (!hasNetwork(endpoint.addresses, networkId)) {
      yield block('internal', subject, 'addresses', `the endpoint has no address in the network "${view.nameOf(networkId)}" of its service`);
    }
    if (node !== undefined && !hasNetwork(node.loadBalancers, networkId)) {
      yield block('internal', subject, 'node', `the node "${node.name}" has no address of its own in the network "${view.nameOf(networkId)}"`);
    }
  }
  if (networks !== undefined && endpoint.addresses.length > networks.length) {
    yield block('internal', subject, 'addresses', 'the endpoint has an address in a network that its service is not in');
  }
  yield* gatewayAddressFindings(view, endpoint, subject, networks ?? endpoint.addresses);
  yield* podFindings(view, endpoint, subject);
}

/** A chosen address is inside the flannel network. Whether it is in the subnet of the node changes by itself, and is a warning. */
function* podFindings({ snapshot }: View, { flannel: pod }: Endpoint, subject: Subject): Iterable<Finding> {
  if (pod === null) return;
  const { flannel } = snapshot;
  if (flannel === null || flannel.leaving) {
    yield block('flannel-missing', subject, 'flannel', flannel === null ? 'the cluster has no flannel network' : 'the flannel network is leaving');
    return;
  }
  const network = subnetOrUndefined(flannel.network);
  if (!pod.fixed || pod.address === null || network === undefined || isHostAddress(network, addressValue(pod.address))) return;
  const fix = `Choose an address in ${flannel.network}, in the subnet of the node, or leave it out.`;
  yield { ...block('address-outside-network', subject, 'flannel/address', `${pod.address} is outside the flannel network ${flannel.network}`), fix };
}

/** An endpoint without a service is in networks that let it. */
function* attachmentFindings(view: View, { addresses, flannel }: Endpoint, subject: Subject): Iterable<Finding> {
  if (addresses.length === 0 && flannel === null) yield block('not-attachable', subject, 'networks', 'the endpoint belongs to no service and joins no network');
  for (const { networkId } of addresses) {
    if (view.network(networkId)?.attachable === false) {
      yield block('not-attachable', subject, 'networks', `the network "${view.nameOf(networkId)}" is not attachable, and the endpoint belongs to no service`);
    }
  }
}

/** The bridge has the first address of the gateway subnet, the ingress sandbox the second. */
const FIRST_GATEWAY_ADDRESS = 3;

function* gatewayAddressFindings(
  view: View,
  { gatewayAddress }: Endpoint,
  subject: Subject,
  networks: readonly { readonly networkId: Id }[],
): Iterable<Finding> {
  const wanted = networks.some(({ networkId }) => isWayOut(view, networkId));
  if (gatewayAddress === null) {
    if (wanted)
      yield block(
        'internal',
        subject,
        'gatewayAddress',
        'the endpoint has no gateway address, though one of its networks is neither internal nor the ingress network',
      );
    return;
  }
  if (!wanted)
    yield block('internal', subject, 'gatewayAddress', 'the endpoint has a gateway address, though all its networks are internal or the ingress network');
  const address = addressValue(gatewayAddress);
  const { gatewaySubnet } = view;
  if (gatewaySubnet !== undefined && !(address >= gatewaySubnet.first + FIRST_GATEWAY_ADDRESS && address < gatewaySubnet.last)) {
    const { gatewaySubnet: text } = view.snapshot.cluster.settings;
    const message = `the gateway address ${gatewayAddress} is not one of ${text} for endpoints, which begin with the third`;
    yield { ...block('address-outside-network', subject, 'gatewayAddress', message), setting: 'gatewaySubnet' };
  }
}

function hasNetwork(addresses: readonly NetworkAddress[], networkId: Id): boolean {
  for (const address of addresses) if (address.networkId === networkId) return true;
  return false;
}
