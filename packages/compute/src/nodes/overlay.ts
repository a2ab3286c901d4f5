import { type Id, type Ipv4, macOfIpv4, type Node } from '@portolan/model';
import { compareKeys, type KernelObject, kernelObject, type Origin, type Space } from '@portolan/node-state';
import { BALANCER_LINK, BALANCER_PORT, endpointLink, endpointPort, endpointSpace, loadBalancerSpace, overlaySpace } from '../names.js';
import { type Member, type NetworkRoster, segmentOf } from '../roster.js';
import { oncePer } from '../shared.js';

interface Peer {
  /** The node that the address is on, which needs no entry for it. */
  readonly nodeId: Id;
  readonly object: KernelObject;
}

function originOf({ network }: NetworkRoster, member?: Member): Origin {
  const origin: Origin = { computedBy: 'overlay', network: network.name };
  if (member === undefined) return origin;
  return { ...origin, ...(member.service === null ? {} : { service: member.service.name }), endpoint: member.endpoint.name };
}

/**
 * The neighbour and the forwarding entry of each address of a network, in canonical order. An endpoint of which nothing
 * is known yet has them already: it is sent nothing before the others can reach it.
 */
const peersOf = oncePer((roster: NetworkRoster): readonly Peer[] => {
  const space = overlaySpace(roster.network.id);
  const peers: Peer[] = [];
  const add = (node: Node, address: Ipv4, from: Origin): void => {
    const mac = macOfIpv4(address);
    const link = segmentOf(roster, address).vtep;
    peers.push({ nodeId: node.id, object: kernelObject(space, { kind: 'neighbour', link, address, mac }, from) });
    peers.push({ nodeId: node.id, object: kernelObject(space, { kind: 'fdb', link, mac, vtep: node.address }, from) });
  };
  for (const { node, address } of roster.balancers.values()) add(node, address, originOf(roster));
  for (const member of roster.members) if (member.endpoint.presence !== 'absent') add(member.node, member.address, originOf(roster, member));
  return peers.sort((a, b) => compareKeys(a.object.key, b.object.key));
});

function peersOfOthers(roster: NetworkRoster, nodeId: Id): KernelObject[] {
  const objects: KernelObject[] = [];
  for (const peer of peersOf(roster)) if (peer.nodeId !== nodeId) objects.push(peer.object);
  return objects;
}

/** What the overlay's namespace holds on every node that has it: a bridge and a VTEP for each subnet, between which it routes. */
const frameObjects = oncePer((roster: NetworkRoster): readonly KernelObject[] => {
  const { settings, network, mtu, segments } = roster;
  const space = overlaySpace(network.id);
  const origin = originOf(roster);
  const objects = segments.flatMap(({ vni, gateway, range: { prefixLength }, bridge, vtep }): KernelObject[] => [
    kernelObject(space, { kind: 'bridge', name: bridge, mtu }, origin),
    kernelObject(space, { kind: 'address', link: bridge, address: gateway, prefixLength }, origin),
    kernelObject(space, { kind: 'vxlan', name: vtep, vni, port: settings.dataPathPort, mtu, master: bridge }, origin),
  ]);
  return [
    kernelObject(space, { kind: 'namespace' }, origin),
    ...objects,
    ...(segments.length > 1 ? [kernelObject(space, { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' }, origin)] : []),
  ];
});

/** The overlay namespace of one network on one node. */
export function overlayObjects(roster: NetworkRoster, node: Node, balancerAddress: Ipv4): KernelObject[] {
  const { network, mtu, segments } = roster;
  const space = overlaySpace(network.id);
  const port = (name: string, master: string, peer: { space: Space; name: string; mac: string }, from: Origin) =>
    kernelObject(space, { kind: 'veth', name, master, mtu, peer }, from);
  const [{ bridge }] = segments;
  return [
    ...frameObjects(roster),
    port(BALANCER_PORT, bridge, { space: loadBalancerSpace(network), name: BALANCER_LINK, mac: macOfIpv4(balancerAddress) }, originOf(roster)),
    ...(roster.membersOf.get(node.id) ?? []).map((member) =>
      port(
        endpointPort(member.address),
        segmentOf(roster, member.address).bridge,
        { space: endpointSpace(member.endpoint.id), name: endpointLink(network), mac: macOfIpv4(member.address) },
        originOf(roster, member),
      ),
    ),
    ...clientRoutes(roster, balancerAddress),
    ...peersOfOthers(roster, node.id),
  ];
}

/**
 * Endpoints of policy `local` answer clients through the sandbox of their node. Those in a second subnet reach it by way of
 * this namespace, which therefore sends what is for elsewhere there.
 */
function clientRoutes(roster: NetworkRoster, balancerAddress: Ipv4): KernelObject[] {
  const { network, segments, offered } = roster;
  if (segments.length === 1 || offered.every(({ place }) => place.localMark === null)) return [];
  const body = { kind: 'route', destination: 'default', via: balancerAddress, link: segments[0].bridge } as const;
  return [kernelObject(overlaySpace(network.id), body, originOf(roster))];
}
