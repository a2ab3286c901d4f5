import type { Ipv4 } from '@portolan/model';
import type { DockerOrigin } from '../expected.js';
import type { SwarmAddress, SwarmPort } from '../facts.js';
import { gatewayLink, subnetRoutes } from './gateway.js';
import { taskLink } from './names.js';
import { address, link, type Piece, piece, presenceOf, rule, sysctl } from './piece.js';
import { resolverPieces } from './resolver.js';
import type { NetworkRoster, Resident, SwarmIndex } from './roster.js';

/**
 * The namespace of a task, or of a container on an overlay. Its links are here in the order of its addresses in the facts, and that of docker_gwbridge is the
 * last; Docker numbers them at random.
 */
export function sandboxPieces({ rosters }: SwarmIndex, resident: Resident): readonly Piece[] {
  const { node, sandbox, origin, certain } = resident;
  const presence = presenceOf(certain);
  const pieces: Piece[] = [...resolverPieces(origin, presence)];
  let links = 0;
  for (const own of resident.addresses) {
    const roster = rosters.get(own.networkId);
    if (roster !== undefined) pieces.push(...attachmentPieces(roster, resident, own, taskLink(links++)));
  }
  const gatewayAddress = sandbox === null ? undefined : node.gateway?.sandboxes[sandbox];
  // Only a task that has no other way out is on docker_gwbridge: none whose networks are all internal.
  if (node.gateway !== null && gatewayAddress !== undefined) {
    pieces.push(...gatewayLink(taskLink(links), gatewayAddress, node.gateway).map((object) => piece(object, origin, presence)));
  }
  return pieces;
}

function attachmentPieces(roster: NetworkRoster, { service, origin: from, certain }: Resident, own: SwarmAddress, name: string): readonly Piece[] {
  const { network, mtu, offers } = roster;
  const origin: DockerOrigin = { ...from, networkId: network.id };
  const presence = presenceOf(certain);
  const vip = network.dsr && service !== null ? offers.find((offer) => offer.service === service)?.vip : undefined;
  const objects = [
    link(name, 'veth', mtu, { mac: own.mac }),
    address(name, own.address, own.prefixLength),
    ...subnetRoutes(roster, own.address, name),
    // With direct return the task itself answers as the VIP, but must not answer ARP for it.
    ...(vip === undefined ? [] : [address('lo', vip, 32), sysctl(`net.ipv4.conf.${name}.arp_ignore`, '1'), sysctl(`net.ipv4.conf.${name}.arp_announce`, '2')]),
  ];
  const ports = network.ingress && service !== null ? service.ports.filter(({ mode }) => mode === 'ingress') : [];
  return [...objects.map((object) => piece(object, origin, presence)), ...publishedPieces(own.address, ports, origin, presence)];
}

/**
 * On the ingress network a task answers its published ports and nothing else. Each ACCEPT is inserted at the top, so the last port comes first; two
 * ports with one target give the same rule twice.
 */
function publishedPieces(own: Ipv4, ports: readonly SwarmPort[], origin: DockerOrigin, presence: Piece['presence']): readonly Piece[] {
  if (ports.length === 0) return [];
  const reversed = ports.toReversed();
  const to = `-d ${own}/32`;
  const from = `-s ${own}/32`;
  return [
    ...ports.map((port) => {
      const { protocol, published, target } = port;
      return piece(
        rule('nat', 'PREROUTING', `${to} -p ${protocol} -m ${protocol} --dport ${published}`, 'REDIRECT', `--to-ports ${target}`),
        { ...origin, port },
        presence,
      );
    }),
    ...reversed.map((port) => {
      const match = `${to} -p ${port.protocol} -m ${port.protocol} --dport ${port.target} -m conntrack --ctstate NEW,ESTABLISHED`;
      return piece(rule('filter', 'INPUT', match, 'ACCEPT'), { ...origin, port }, presence);
    }),
    ...reversed.map((port) => {
      const match = `${from} -p ${port.protocol} -m ${port.protocol} --sport ${port.target} -m conntrack --ctstate ESTABLISHED`;
      return piece(rule('filter', 'OUTPUT', match, 'ACCEPT'), { ...origin, port }, presence);
    }),
    ...['sctp', 'udp', 'tcp'].flatMap((protocol) => [
      piece(rule('filter', 'INPUT', `${to} -p ${protocol}`, 'DROP'), origin, presence),
      piece(rule('filter', 'OUTPUT', `${from} -p ${protocol}`, 'DROP'), origin, presence),
    ]),
  ];
}
