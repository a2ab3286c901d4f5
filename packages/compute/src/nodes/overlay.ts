import { type Id, type Ipv4, macOfIpv4, type Node } from '@portolan/model';
import { type KernelObject, kernelObject, type Origin, type Space } from '@portolan/node-state';
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

/** The neighbour and the forwarding entry of each address of a network, with the node that it is on. */
const peersOf = oncePerNetwork((roster): readonly { readonly nodeId: Id; readonly objects: readonly KernelObject[] }[] => {
  const space = overlaySpace(roster.network.id);
  const origin: Origin = { computedBy: 'overlay', network: roster.network.name };
  const peer = (node: Node, address: Ipv4, from: Origin) => {
    const mac = macOfIpv4(address);
    return {
      nodeId: node.id,
      objects: [
        kernelObject(space, { kind: 'neighbour', link: OVERLAY_VTEP, address, mac }, from),
        kernelObject(space, { kind: 'fdb', link: OVERLAY_VTEP, mac, vtep: node.address }, from),
      ],
    };
  };
  return [
    ...[...roster.balancers.values()].map(({ node, address }) => peer(node, address, origin)),
    ...roster.members
      .filter(({ endpoint }) => endpoint.presence !== 'absent')
      .map(({ endpoint, service, node, address }) => peer(node, address, { ...origin, service: service.name, endpoint: endpoint.name })),
  ];
});

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
    ...peersOf(roster).flatMap(({ nodeId, objects }) => (nodeId === node.id ? [] : objects)),
  ];
}
