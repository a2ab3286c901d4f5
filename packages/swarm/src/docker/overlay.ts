import type { Ipv4 } from '@portolan/model';
import type { DockerOrigin } from '../expected.js';
import type { SwarmNode } from '../facts.js';
import { portName } from './names.js';
import { address, link, type Piece, piece, port, presenceOf, sysctl } from './piece.js';
import { type NetworkRoster, segmentOf } from './roster.js';
import { oncePer } from './shared.js';

/** UDP port of VXLAN, unless a swarm was made with another (`--data-path-port`), which none of the facts tells. */
export const DATA_PATH_PORT = 4789;

interface Peer {
  /** The node that the address is on, which needs no entry for it. */
  readonly nodeId: string;
  readonly piece: Piece;
}

/** The neighbour and the forwarding entry of each address of a network: tasks, containers and load balancers. */
const peersOf = oncePer((roster: NetworkRoster): readonly Peer[] => {
  const peers: Peer[] = [];
  const add = (node: SwarmNode, of: Ipv4, mac: string, origin: DockerOrigin, certain: boolean): void => {
    const segment = segmentOf(roster, of);
    if (segment === undefined) return;
    const presence = presenceOf(certain);
    const neighbour = { address: of, link: segment.vtep, mac, state: 'PERMANENT' };
    const forwarding = { mac, link: segment.vtep, vtep: node.address, master: null, permanent: true };
    peers.push({ nodeId: node.id, piece: piece({ kind: 'neighbour', neighbour }, origin, presence) });
    peers.push({ nodeId: node.id, piece: piece({ kind: 'forwarding', forwarding }, origin, presence) });
  };
  const networkId = roster.network.id;
  for (const { node, address: of, mac, certain } of roster.balancers.values()) add(node, of, mac, { networkId, nodeId: node.id }, certain);
  for (const members of roster.members.values()) {
    for (const { resident, address: own } of members) add(resident.node, own.address, own.mac, { ...resident.origin, networkId }, resident.certain);
  }
  return peers;
});

/** A bridge with the gateway's address and a VTEP for each subnet that somebody is in. */
const framePieces = oncePer(({ network, mtu, segments }: NetworkRoster): readonly Piece[] => {
  const origin: DockerOrigin = { networkId: network.id };
  // Taken over from the host, as every namespace does; between the subnets of a network it is needed.
  const forwards = segments.length > 1 ? [piece(sysctl('net.ipv4.ip_forward', '1'), origin)] : [];
  const devices = segments.flatMap(({ bridge, vtep, gateway, range, vni, certain }) => {
    const presence = presenceOf(certain || network.ingress);
    const vxlan = { vni, port: DATA_PATH_PORT, proxy: true, learning: true, l2miss: true, l3miss: true };
    return [
      piece(link(bridge, 'bridge', mtu), origin, presence),
      piece(address(bridge, gateway, range.prefixLength), origin, presence),
      piece(link(vtep, 'vxlan', mtu, { vxlan }), origin, presence),
      piece(port(vtep, bridge), origin, presence),
    ];
  });
  return [...devices, ...forwards];
});

/**
 * The overlay namespace of a network on one node: `veth0` is the port of its load balancer, those of tasks and containers follow in the order of
 * the swarm. Docker numbers them as they come, so only how many there are on each bridge can be told.
 */
export function overlayPieces(roster: NetworkRoster, node: SwarmNode): readonly Piece[] {
  const { network, mtu } = roster;
  const pieces: Piece[] = [...framePieces(roster)];
  let ports = 0;
  const attach = (of: Ipv4, origin: DockerOrigin, certain: boolean): void => {
    const segment = segmentOf(roster, of);
    if (segment === undefined) return;
    const name = portName(ports++);
    const presence = presenceOf(certain);
    pieces.push(piece(link(name, 'veth', mtu), origin, presence), piece(port(name, segment.bridge), origin, presence));
  };
  const balancer = roster.balancers.get(node.id);
  if (balancer !== undefined) attach(balancer.address, { networkId: network.id, nodeId: node.id }, true);
  for (const { resident, address: own } of roster.members.get(node.id) ?? []) {
    attach(own.address, { ...resident.origin, networkId: network.id }, resident.certain);
  }
  for (const peer of peersOf(roster)) if (peer.nodeId !== node.id) pieces.push(peer.piece);
  return pieces;
}
