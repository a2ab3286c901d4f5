import type { Id, NetworkAddress, Node } from '@portolan/model';
import type { Holder } from './book.js';
import type { Work } from './work.js';

/** Gives each endpoint an address in each network of its service. */
export function fillAddresses(work: Work): void {
  for (const [id, endpoint] of work.endpoints) {
    if (endpoint === null) continue;
    const networks = work.service(endpoint.serviceId)?.vips ?? [];
    const missing = networks.filter((vip) => !endpoint.addresses.some((address) => address.networkId === vip.networkId));
    if (missing.length === 0) continue;
    const added = takeAddresses(
      work,
      missing.map((vip) => vip.networkId),
      { kind: 'endpoint', id, name: endpoint.name },
    );
    if (added === null) return;
    work.endpoints.set(id, { ...endpoint, addresses: [...endpoint.addresses, ...added] });
  }
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
    const missing = [...networks].filter((networkId) => !node.loadBalancers.some((own) => own.networkId === networkId));
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

/** The changed endpoints by the node that they are on. */
function changedByNode(work: Work): ReadonlyMap<Id, readonly Id[]> {
  const byNode = new Map<Id, Id[]>();
  for (const [id, endpoint] of work.endpoints) {
    const nodeId = endpoint?.nodeId ?? work.base.endpoints.get(id)?.nodeId;
    if (nodeId === undefined) continue;
    const ids = byNode.get(nodeId);
    if (ids === undefined) byNode.set(nodeId, [id]);
    else ids.push(id);
  }
  return byNode;
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
  const add = (serviceId: Id): void => {
    for (const vip of work.service(serviceId)?.vips ?? []) networks.add(vip.networkId);
  };
  for (const id of work.ledger.relations.endpointsOn(nodeId)) {
    const endpoint = work.endpoints.has(id) ? undefined : work.base.endpoints.get(id);
    if (endpoint !== undefined) add(endpoint.serviceId);
  }
  for (const id of changed.get(nodeId) ?? []) {
    const endpoint = work.endpoints.get(id);
    if (endpoint !== null && endpoint !== undefined) add(endpoint.serviceId);
  }
  return networks;
}
