import type { DockerOrigin } from '../expected.js';
import type { SwarmGateway, SwarmNode } from '../facts.js';
import type { NamespaceObject } from '../object.js';
import { GATEWAY_MTU, prefixLengthOf } from './gateway.js';
import { hostPortPieces } from './host-ports.js';
import { GATEWAY_BRIDGE, portName } from './names.js';
import { DATA_PATH_PORT } from './overlay.js';
import { address, chain, link, type Piece, piece, port, presenceOf, rule, sysctl } from './piece.js';
import type { NetworkRoster, Resident, SwarmIndex } from './roster.js';
import { oncePer } from './shared.js';

/** Marks packets for encryption: Docker's XFRM policies and their ids have the same number. */
const ENCRYPTION_MARK = 0xd0c4e3;

const LOCAL = '-m addrtype --dst-type LOCAL';

/**
 * The host's own namespace. docker0 and its rules are Docker's but not Swarm's, and are not asked for; built-in chains, other links and
 * routes are the host's.
 */
export function hostPieces(index: SwarmIndex, node: SwarmNode, rosters: readonly NetworkRoster[]): readonly Piece[] {
  const origin: DockerOrigin = { nodeId: node.id };
  const ingress = rosters.find(({ network }) => network.ingress);
  const residents = index.residents.get(node.id) ?? [];
  const meshOrigin = ingress === undefined ? origin : { ...origin, networkId: ingress.network.id };
  const { gateway } = node;
  const mesh = ingress === undefined || gateway === null || gateway.ingress === null ? undefined : { roster: ingress, to: gateway.ingress };
  const publishes = mesh?.roster.offers.some(({ certain, ports }) => certain && ports.length > 0) ?? false;
  const common = (...objects: readonly NamespaceObject[]): readonly Piece[] => objects.map((object) => piece(object, origin));
  // What comes with the first published port and stays for good, even when the ingress network goes.
  const once = (...objects: readonly NamespaceObject[]): readonly Piece[] =>
    objects.map((object) => ({ ...piece(object, meshOrigin, presenceOf(publishes)), lasting: true }));
  return [
    ...(gateway === null ? [] : bridgePieces(gateway, residents, origin, meshOrigin)),
    ...common(sysctl('net.ipv4.ip_forward', '1')),
    ...once(sysctl(`net.ipv4.conf.${GATEWAY_BRIDGE}.route_localnet`, '1')),
    ...encryptionPieces(rosters, node),

    ...common(chain('nat', 'DOCKER')),
    ...once(chain('nat', 'DOCKER-INGRESS'), rule('nat', 'PREROUTING', LOCAL, 'DOCKER-INGRESS')),
    ...common(rule('nat', 'PREROUTING', LOCAL, 'DOCKER')),
    ...once(rule('nat', 'OUTPUT', LOCAL, 'DOCKER-INGRESS')),
    ...common(rule('nat', 'OUTPUT', `! -d 127.0.0.0/8 ${LOCAL}`, 'DOCKER')),
    // With route_localnet this is what makes published ports answer on 127.0.0.1 of the host.
    ...once(rule('nat', 'POSTROUTING', `-o ${GATEWAY_BRIDGE} -m addrtype --src-type LOCAL`, 'MASQUERADE')),
    ...(gateway === null
      ? []
      : common(
          rule('nat', 'POSTROUTING', `-s ${gateway.subnet} ! -o ${GATEWAY_BRIDGE}`, 'MASQUERADE'),
          rule('nat', 'DOCKER', `-i ${GATEWAY_BRIDGE}`, 'RETURN'),
        )),

    ...common(...['DOCKER', 'DOCKER-ISOLATION-STAGE-1', 'DOCKER-ISOLATION-STAGE-2', 'DOCKER-USER'].map((name) => chain('filter', name))),
    ...common(rule('filter', 'FORWARD', '', 'DOCKER-USER')).map(repeatable),
    ...once(chain('filter', 'DOCKER-INGRESS')),
    ...once(rule('filter', 'FORWARD', '', 'DOCKER-INGRESS')).map(repeatable),
    ...common(rule('filter', 'FORWARD', '', 'DOCKER-ISOLATION-STAGE-1'), ...(gateway === null ? [] : gatewayFilter)),
    ...common(rule('filter', 'DOCKER-ISOLATION-STAGE-1', '', 'RETURN'), rule('filter', 'DOCKER-ISOLATION-STAGE-2', '', 'RETURN')),
    ...common(rule('filter', 'DOCKER-USER', '', 'RETURN')),

    ...(mesh === undefined ? [] : meshPieces(mesh.roster, mesh.to)),
    ...once(rule('nat', 'DOCKER-INGRESS', '', 'RETURN'), rule('filter', 'DOCKER-INGRESS', '', 'RETURN')),
    ...(gateway === null ? [] : hostPortPieces(gateway, residents)),
  ];
}

/** Docker moves these jumps to the top for each network that it makes; of two that are made at once both add one (seen on a busy node). */
function repeatable(jump: Piece): Piece {
  return { ...jump, repeatable: true };
}

/** What may pass docker_gwbridge: answers, ports of mode host, and whatever goes out. Those on it do not reach each other. */
const gatewayFilter = [
  rule('filter', 'FORWARD', `-o ${GATEWAY_BRIDGE} -m conntrack --ctstate RELATED,ESTABLISHED`, 'ACCEPT'),
  rule('filter', 'FORWARD', `-o ${GATEWAY_BRIDGE}`, 'DOCKER'),
  rule('filter', 'FORWARD', `-i ${GATEWAY_BRIDGE} ! -o ${GATEWAY_BRIDGE}`, 'ACCEPT'),
  rule('filter', 'FORWARD', `-i ${GATEWAY_BRIDGE} -o ${GATEWAY_BRIDGE}`, 'DROP'),
  rule('filter', 'DOCKER-ISOLATION-STAGE-1', `-i ${GATEWAY_BRIDGE} ! -o ${GATEWAY_BRIDGE}`, 'DOCKER-ISOLATION-STAGE-2'),
  rule('filter', 'DOCKER-ISOLATION-STAGE-2', `-o ${GATEWAY_BRIDGE}`, 'DROP'),
];

/** docker_gwbridge with one port for the ingress sandbox (the first) and for each sandbox with an address on it. */
function bridgePieces(gateway: SwarmGateway, residents: readonly Resident[], origin: DockerOrigin, meshOrigin: DockerOrigin): readonly Piece[] {
  const bySandbox = new Map(residents.map((resident) => [resident.sandbox, resident]));
  const sandboxes = Object.keys(gateway.sandboxes).map((sandbox) => {
    const resident = bySandbox.get(sandbox);
    return { from: resident?.origin ?? origin, presence: presenceOf(resident?.certain ?? true) };
  });
  const ports = [...(gateway.ingress === null ? [] : [{ from: meshOrigin, presence: presenceOf(true) }]), ...sandboxes];
  return [
    piece(link(GATEWAY_BRIDGE, 'bridge', GATEWAY_MTU), origin),
    piece(address(GATEWAY_BRIDGE, gateway.gateway, prefixLengthOf(gateway.subnet)), origin),
    ...ports.flatMap(({ from, presence }, i) => [
      piece(link(portName(i), 'veth', GATEWAY_MTU), from, presence),
      piece(port(portName(i), GATEWAY_BRIDGE), from, presence),
    ]),
  ];
}

/** The published ports: each is inserted at the top, so the last of the last service comes first. */
function meshPieces(roster: NetworkRoster, to: string): readonly Piece[] {
  const published = publishedOf(roster).toReversed();
  return published.flatMap(({ port: of, origin, presence }) => {
    const { protocol, published: number } = of;
    return [
      piece(rule('nat', 'DOCKER-INGRESS', `-p ${protocol} -m ${protocol} --dport ${number}`, 'DNAT', `--to-destination ${to}:${number}`), origin, presence),
      piece(rule('filter', 'DOCKER-INGRESS', `-p ${protocol} -m ${protocol} --dport ${number}`, 'ACCEPT'), origin, presence),
      piece(
        rule('filter', 'DOCKER-INGRESS', `-p ${protocol} -m state --state RELATED,ESTABLISHED -m ${protocol} --sport ${number}`, 'ACCEPT'),
        origin,
        presence,
      ),
    ];
  });
}

const publishedOf = oncePer(({ network, offers }: NetworkRoster) =>
  offers.flatMap(({ service, ports, certain }) =>
    ports.map((of) => ({ port: of, origin: { networkId: network.id, serviceId: service.id, port: of } satisfies DockerOrigin, presence: presenceOf(certain) })),
  ),
);

/**
 * Of encrypted networks on the node (20.10.24 and later, where the kernel has xt_u32): what leaves with the VNI is marked for encryption; what comes
 * with it in the clear is dropped above all other rules, what comes encrypted is let in below them.
 */
function encryptionPieces(rosters: readonly NetworkRoster[], { id }: SwarmNode): readonly Piece[] {
  return rosters.flatMap(({ network, segments }) => {
    if (!network.encrypted) return [];
    const origin: DockerOrigin = { networkId: network.id, nodeId: id };
    return segments.flatMap(({ vni, certain }) => {
      const vxlan = `-m udp --dport ${DATA_PATH_PORT} -m u32 --u32 "0x0>>0x16&0x3c@0xc&0xffffff00=0x${(vni * 256).toString(16)}"`;
      const policy = (name: string): string => `-p udp -m policy --dir in --pol ${name} ${vxlan}`;
      return [
        rule('mangle', 'OUTPUT', `-p udp ${vxlan}`, 'MARK', `--set-xmark 0x${ENCRYPTION_MARK.toString(16)}/0xffffffff`),
        rule('filter', 'INPUT', policy('none'), 'DROP'),
        rule('filter', 'INPUT', policy('ipsec'), 'ACCEPT'),
      ].map((object) => piece(object, origin, presenceOf(certain)));
    });
  });
}
