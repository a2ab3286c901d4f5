import type { Id, NetworkAddress, Node } from '@portolan/model';
import { endpointGatewayRange, wantsGatewayAddress } from './align.js';
import type { Holder } from './book.js';
import type { EndpointDraft, NetworkAddressDraft } from './drafts.js';
import { exhaustedMessage } from './faults.js';
import type { Work } from './work.js';

/** Gives each endpoint an address in each of its networks, and one in the gateway subnet of its node where it reaches out. */
export function fillAddresses(work: Work): void {
  for (const [id, endpoint] of work.endpoints) {
    if (endpoint === null) continue;
    const holder: Holder = { kind: 'endpoint', id, name: endpoint.name };
    const addresses = endpointAddresses(work, endpoint, holder);
    if (addresses === null) return;
    const gatewayAddress = gatewayAddressOf(work, endpoint, holder);
    if (gatewayAddress === undefined) return;
    if (addresses !== endpoint.addresses || gatewayAddress !== endpoint.gatewayAddress) work.endpoints.set(id, { ...endpoint, addresses, gatewayAddress });
  }
}

function endpointAddresses(work: Work, endpoint: EndpointDraft, holder: Holder): readonly NetworkAddressDraft[] | null {
  const networks = work.networksOf(endpoint);
  const known = endpoint.addresses.filter((own) => own.address !== null);
  const isKnown = (networkId: Id): boolean => known.some((own) => own.networkId === networkId);
  if (known.length === endpoint.addresses.length && networks.every(({ networkId }) => isKnown(networkId))) return endpoint.addresses;
  const missing = networks.filter(({ networkId }) => !isKnown(networkId)).map(({ networkId }) => networkId);
  const added = takeAddresses(work, missing, holder);
  return added === null ? null : [...known, ...added];
}

/** null: the endpoint has none; undefined, with a fault: there is none left. */
function gatewayAddressOf(work: Work, endpoint: EndpointDraft, holder: Holder): string | null | undefined {
  if (endpoint.gatewayAddress !== null) return endpoint.gatewayAddress;
  if (!wantsGatewayAddress(work.networksOf(endpoint), (networkId) => work.network(networkId))) return null;
  const { gatewaySubnet } = work.settings;
  const book = work.ledger.gatewayAddressesOn(endpoint.nodeId);
  const [first, last] = endpointGatewayRange(gatewaySubnet);
  const address = book.firstFree(first, last);
  if (address !== undefined) {
    book.claim(address, holder);
    return address;
  }
  work.fault({
    code: 'pool-exhausted',
    subject: holder,
    field: 'gateway-address',
    place: undefined,
    message: exhaustedMessage({
      pool: `the gateway subnet ${gatewaySubnet} of the node "${work.node(endpoint.nodeId)?.name}"`,
      size: Math.max(0, last - first + 1),
      unit: ['address', 'addresses'],
      uses: [...book.holders()].map(() => 'endpoint'),
      retired: 0,
    }),
  });
  return undefined;
}

/**
 * Takes back the addresses of nodes in networks that they no longer take part in. A node takes part in a network while
 * one of its endpoints is there, and always in the ingress network.
 */
export function dropLoadBalancers(work: Work): void {
  const changed = changedByNode(work);
  const ingress = work.allNetworks().find((network) => network.ingress)?.id;
  for (const node of affectedNodes(work, ingress, changed)) {
    const networks = networksOf(work, node.id, ingress, changed);
    work.participation.set(node.id, networks);
    const kept = node.loadBalancers.filter((own) => networks.has(own.networkId));
    if (kept.length < node.loadBalancers.length) work.nodes.set(node.id, { ...node, loadBalancers: kept });
  }
}

/** Gives each node an address of its own in each network that it takes part in. */
export function fillLoadBalancers(work: Work): void {
  for (const [id, networks] of work.participation) {
    const node = work.node(id);
    if (node === undefined) continue;
    // Sorted: the order in which a node's endpoints are found tells of the ledger's history.
    const missing = [...networks].filter((networkId) => !node.loadBalancers.some((own) => own.networkId === networkId)).sort();
    if (missing.length === 0) continue;
    const added = takeAddresses(work, missing, { kind: 'node', id, name: node.name });
    if (added === null) return;
    work.nodes.set(id, { ...node, loadBalancers: [...node.loadBalancers, ...added] });
  }
}

function takeAddresses(work: Work, networkIds: readonly Id[], holder: Holder): readonly NetworkAddress[] | null {
  const taken: NetworkAddress[] = [];
  for (const networkId of networkIds) {
    const address = work.takeAddress(networkId, holder, holder.kind === 'node' ? 'load-balancer' : 'address');
    if (address === null) return null;
    taken.push({ networkId, address });
  }
  return taken;
}

/** The changed endpoints by the node that they are on, or were. */
export function changedByNode(work: Work): ReadonlyMap<Id, readonly Id[]> {
  const byNode = new Map<Id, Id[]>();
  const enter = (nodeId: Id, id: Id): void => {
    const ids = byNode.get(nodeId);
    if (ids === undefined) byNode.set(nodeId, [id]);
    else ids.push(id);
  };
  for (const [id, endpoint] of work.endpoints) {
    const before = work.base.endpoints.get(id)?.nodeId;
    if (endpoint !== null) enter(endpoint.nodeId, id);
    if (before !== undefined && before !== endpoint?.nodeId) enter(before, id);
  }
  return byNode;
}

/** The endpoints of a node in the result. */
export function* endpointsOn(work: Work, nodeId: Id, changed: ReadonlyMap<Id, readonly Id[]>): Iterable<EndpointDraft> {
  for (const id of work.ledger.relations.endpointsOn(nodeId)) {
    const endpoint = work.endpoints.has(id) ? undefined : work.base.endpoints.get(id);
    if (endpoint !== undefined) yield endpoint;
  }
  for (const id of changed.get(nodeId) ?? []) {
    const endpoint = work.endpoints.get(id);
    if (endpoint?.nodeId === nodeId) yield endpoint;
  }
}

/** Nodes whose part in a network can have changed: those of changed endpoints, or all when the ingress network or any subnet did. */
function affectedNodes(work: Work, ingress: Id | undefined, changed: ReadonlyMap<Id, readonly Id[]>): readonly Node[] {
  const ingressBefore = [...work.base.networks.values()].find((network) => network.ingress)?.id;
  if (ingress !== ingressBefore) return work.allNodes();
  const ids = new Set([...work.nodes.keys(), ...changed.keys()]);
  return [...ids].map((id) => work.node(id)).filter((node) => node !== undefined);
}

function networksOf(work: Work, nodeId: Id, ingress: Id | undefined, changed: ReadonlyMap<Id, readonly Id[]>): ReadonlySet<Id> {
  const networks = new Set<Id>();
  if (ingress !== undefined) networks.add(ingress);
  for (const endpoint of endpointsOn(work, nodeId, changed)) for (const { networkId } of work.networksOf(endpoint)) networks.add(networkId);
  return networks;
}
