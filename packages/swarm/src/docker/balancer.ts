import type { DockerOrigin } from '../expected.js';
import type { SwarmNode } from '../facts.js';
import { gatewayLink, subnetRoutes } from './gateway.js';
import { BALANCER_LINK, INGRESS_GATEWAY_LINK } from './names.js';
import { address, link, type Piece, piece, presenceOf, rule, sysctl } from './piece.js';
import { resolverPieces } from './resolver.js';
import { type Balancer, type NetworkRoster, type Offer, segmentOf } from './roster.js';
import { oncePer } from './shared.js';

/** VIPs, marks, virtual and real servers: the same on every node that has the network. */
const offerPieces = oncePer((roster: NetworkRoster): readonly Piece[] => roster.offers.flatMap((offer) => piecesOf(roster, offer)));

function piecesOf({ network }: NetworkRoster, { service, vip, mark, members, certain, ports }: Offer): readonly Piece[] {
  const origin: DockerOrigin = { networkId: network.id, serviceId: service.id };
  const presence = presenceOf(certain);
  const set = `--set-xmark 0x${mark.toString(16)}/0xffffffff`;
  const forwarding = network.dsr ? 'direct' : 'masquerade';
  return [
    piece(address(BALANCER_LINK, vip, 32), origin, presence),
    // All published ports of a service have one mark; it is chosen by port, for the packet comes with the address of the sandbox.
    ...ports.map((port) =>
      piece(rule('mangle', 'PREROUTING', `-p ${port.protocol} -m ${port.protocol} --dport ${port.published}`, 'MARK', set), { ...origin, port }, presence),
    ),
    piece(rule('mangle', 'INPUT', `-d ${vip}/32`, 'MARK', set), origin, presence),
    piece({ kind: 'virtual-server', virtualServer: { mark, scheduler: 'rr', persistence: 0 } }, origin, presence),
    ...members.map(({ resident, address: own }) =>
      piece(
        { kind: 'real-server', realServer: { mark, address: own.address, port: 0, forwarding, weight: 1 } },
        { ...resident.origin, networkId: network.id },
        resident.serving,
      ),
    ),
  ];
}

/**
 * The namespace that balances for a network on one node. The SNAT rule and `vs.conntrack` come with the first real server and stay for good, so
 * they are optional while nothing is balanced.
 */
export function balancerPieces(roster: NetworkRoster, { node, address: own, mac }: Balancer): readonly Piece[] {
  const { network, mtu, offers } = roster;
  const origin: DockerOrigin = { networkId: network.id, nodeId: node.id };
  const segment = segmentOf(roster, own);
  const balances = presenceOf(offers.some(({ certain }) => certain));
  const pieces = [
    piece(link(BALANCER_LINK, 'veth', mtu, { mac }), origin),
    piece(address(BALANCER_LINK, own, segment?.range.prefixLength ?? 32), origin),
    ...subnetRoutes(roster, own, BALANCER_LINK).map((object) => piece(object, origin)),
    ...resolverPieces(origin),
    // Not set by Docker but taken over from the host; replies need it.
    piece(sysctl('net.ipv4.ip_forward', '1'), origin),
    piece(sysctl('net.ipv4.vs.conn_reuse_mode', '0'), origin),
    piece(sysctl('net.ipv4.vs.expire_nodest_conn', '1'), origin),
    piece(sysctl('net.ipv4.vs.expire_quiescent_template', '1'), origin),
  ];
  if (!network.dsr && segment !== undefined) {
    pieces.push(
      { ...piece(sysctl('net.ipv4.vs.conntrack', '1'), origin, balances), lasting: true },
      { ...piece(rule('nat', 'POSTROUTING', `-d ${segment.subnet} -m ipvs --ipvs`, 'SNAT', `--to-source ${own}`), origin, balances), lasting: true },
    );
  }
  return [...pieces, ...offerPieces(roster)];
}

/** What the ingress sandbox has besides: its side of docker_gwbridge, by which the host sends it what comes to published ports. */
export function ingressGatewayPieces({ network }: NetworkRoster, { id, gateway }: SwarmNode): readonly Piece[] {
  if (gateway === null || gateway.ingress === null) return [];
  return gatewayLink(INGRESS_GATEWAY_LINK, gateway.ingress, gateway).map((object) => piece(object, { networkId: network.id, nodeId: id }));
}
