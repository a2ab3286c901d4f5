import type { Id, NetworkAddress, NodeSpec } from '@portolan/model';
import type { Edit } from './edit.js';

/** A node's own addresses: those that the spec gives, and in other networks those that it has. Those that are missing are added by allocation. */
export function nodeAddresses(edit: Edit, spec: NodeSpec, path: string, before: readonly NetworkAddress[]): readonly NetworkAddress[] {
  if (spec.addresses === undefined) return before;
  const pinned = new Map<Id, NetworkAddress>();
  spec.addresses.forEach(({ network, address }, i) => {
    const at = `${path}/addresses/${i}/network`;
    const networkId = edit.resolve('network', network, at);
    if (networkId === undefined) return;
    if (pinned.has(networkId)) edit.add('duplicate-name', at, `the network "${network}" is named twice`, 'Give one address in each network.');
    pinned.set(networkId, { networkId, address });
  });
  return [...before.filter(({ networkId }) => !pinned.has(networkId)), ...pinned.values()];
}

/** A node has an address of its own where one of its endpoints is, and in the ingress network: an address given elsewhere would be lost. */
export function refuseUnusedAddresses(edit: Edit): void {
  let changed: ReadonlyMap<Id, readonly Id[]> | undefined;
  for (const [id, { path, spec }] of edit.nodeSources()) {
    if (spec.addresses === undefined || spec.addresses.length === 0) continue;
    changed ??= changedByNode(edit);
    const joined = networksOn(edit, id, changed.get(id) ?? []);
    spec.addresses.forEach(({ network }, i) => {
      const networkId = edit.idOf('network', network);
      if (networkId === undefined || joined.has(networkId)) return;
      const fix = 'Leave out the address, or place an endpoint that is in the network on the node.';
      edit.add('unknown-reference', `${path}/addresses/${i}/network`, `the node "${spec.name}" has no endpoint in the network "${network}"`, fix);
    });
  }
}

/** Endpoints that the edit makes or changes, by the node that they are on. */
function changedByNode(edit: Edit): ReadonlyMap<Id, readonly Id[]> {
  const byNode = new Map<Id, Id[]>();
  for (const [id, endpoint] of edit.endpoints) {
    if (endpoint === null) continue;
    const ids = byNode.get(endpoint.nodeId);
    if (ids === undefined) byNode.set(endpoint.nodeId, [id]);
    else ids.push(id);
  }
  return byNode;
}

/** The networks that a node takes part in after the edit. */
function networksOn(edit: Edit, nodeId: Id, changed: readonly Id[]): ReadonlySet<Id> {
  const networks = new Set<Id>();
  const ingress = edit.ingress();
  if (ingress !== undefined) networks.add(ingress.id);
  for (const id of [...edit.ledger.relations.endpointsOn(nodeId), ...changed]) {
    const endpoint = edit.endpoint(id);
    if (endpoint?.nodeId !== nodeId) continue;
    const places = endpoint.serviceId === null ? endpoint.addresses : (edit.service(endpoint.serviceId)?.networks ?? []);
    for (const { networkId } of places) networks.add(networkId);
  }
  return networks;
}
