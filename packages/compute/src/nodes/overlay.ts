import { type Id, type Ipv4, macOfIpv4, type Node } from '@portolan/model';
import { compareKeys, type KernelObject, kernelObject, type Origin, type Space } from '@portolan/node-state';
import {
  BALANCER_LINK,
  BALANCER_PORT,
  endpointLink,
  endpointPort,
  endpointSpace,
  loadBalancerSpace,
  OVERLAY_BRIDGE,
  OVERLAY_VTEP,
  overlaySpace,
} from '../names.js';
import type { NetworkRoster } from '../roster.js';
import { oncePerNetwork } from '../shared.js';

interface Peer {
  /** The node that the address is on, which needs no entry for it. */
  readonly nodeId: Id;
  readonly object: KernelObject;
}

/** The neighbour and the forwarding entry of each address of a network, in canonical order. */
const peersOf = oncePerNetwork((roster): readonly Peer[] => {
  const space = overlaySpace(roster.network.id);
  const origin: Origin = { computedBy: 'overlay', network: roster.network.name };
  const peers: Peer[] = [];
  const add = (node: Node, address: Ipv4, from: Origin): void => {
    const mac = macOfIpv4(address);
    peers.push({ nodeId: node.id, object: kernelObject(space, { kind: 'neighbour', link: OVERLAY_VTEP, address, mac }, from) });
    peers.push({ nodeId: node.id, object: kernelObject(space, { kind: 'fdb', link: OVERLAY_VTEP, mac, vtep: node.address }, from) });
  };
  for (const { node, address } of roster.balancers.values()) add(node, address, origin);
  for (const { endpoint, service, node, address } of roster.members) {
    if (endpoint.presence !== 'absent') add(node, address, { ...origin, service: service.name, endpoint: endpoint.name });
  }
  return peers.sort((a, b) => compareKeys(a.object.key, b.object.key));
});

function peersOfOthers(roster: NetworkRoster, nodeId: Id): KernelObject[] {
  const objects: KernelObject[] = [];
  for (const peer of peersOf(roster)) if (peer.nodeId !== nodeId) objects.push(peer.object);
  return objects;
}

/** What the overlay's namespace holds on every node that has it. */
const frameObjects = oncePerNetwork((roster): readonly KernelObject[] => {
  const { cluster, network } = roster;
  const space = overlaySpace(network.id);
  const origin: Origin = { computedBy: 'overlay', network: network.name };
  return [
    kernelObject(space, { kind: 'namespace' }, origin),
    kernelObject(space, { kind: 'bridge', name: OVERLAY_BRIDGE, mtu: network.mtu }, origin),
    kernelObject(space, { kind: 'address', link: OVERLAY_BRIDGE, address: network.gateway, prefixLength: roster.prefixLength }, origin),
    kernelObject(
      space,
      { kind: 'vxlan', name: OVERLAY_VTEP, vni: network.vni, port: cluster.settings.dataPathPort, mtu: network.mtu, master: OVERLAY_BRIDGE },
      origin,
    ),
  ];
});

/** The overlay namespace of one network on one node. */
export function overlayObjects(roster: NetworkRoster, node: Node, balancerAddress: Ipv4): KernelObject[] {
  const { network } = roster;
  const space = overlaySpace(network.id);
  const origin: Origin = { computedBy: 'overlay', network: network.name };
  const port = (name: string, peer: { space: Space; name: string; mac: string }, from: Origin) =>
    kernelObject(space, { kind: 'veth', name, master: OVERLAY_BRIDGE, mtu: network.mtu, peer }, from);
  return [
    ...frameObjects(roster),
    port(BALANCER_PORT, { space: loadBalancerSpace(network), name: BALANCER_LINK, mac: macOfIpv4(balancerAddress) }, origin),
    ...(roster.membersOf.get(node.id) ?? []).map(({ endpoint, service, address }) =>
      port(
        endpointPort(address),
        { space: endpointSpace(endpoint.id), name: endpointLink(network), mac: macOfIpv4(address) },
        { ...origin, service: service.name, endpoint: endpoint.name },
      ),
    ),
    ...peersOfOthers(roster, node.id),
  ];
}
