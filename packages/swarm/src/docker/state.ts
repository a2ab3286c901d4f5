import type { ExpectedNamespace } from '../expected.js';
import type { Swarm, SwarmNode } from '../facts.js';
import { balancerPieces, ingressGatewayPieces } from './balancer.js';
import { hostPieces } from './host.js';
import { balancerName, HOST_NAME, overlayName } from './names.js';
import { overlayPieces } from './overlay.js';
import { expectedNamespace } from './piece.js';
import { type NetworkRoster, type SwarmIndex, swarmIndex } from './roster.js';
import { sandboxPieces } from './sandbox.js';

/**
 * What Docker 20.10 programs in the namespaces of one node. It asks no kernel and remembers nothing, so the same swarm gives the same. Of a
 * swarm with many nodes give the index (`swarmIndex`) instead, which is then made once. The node that is not in the swarm has no namespaces.
 *
 * ```
 *                       ┌─► overlay ─────► 1-…            br0, vxlan0 (br1, vxlan1 …), ports, peers
 * Swarm ─► index ───────┼─► balancer ────► lb_…           VIPs, marks, IPVS, SNAT
 *          who is on    │                  ingress_sbox   the same, marks by published port, link to the host
 *          which        ├─► sandbox ─────► of a task      addresses, default route, REDIRECT, ACCEPT, DROP
 *          network      └─► host ────────► host           docker_gwbridge, chains, DNAT of published ports
 *                           └─ host ports                 DNAT of ports of mode host
 * ```
 */
export function dockerState(swarm: Swarm | SwarmIndex, nodeId: string): readonly ExpectedNamespace[] {
  const index = 'rosters' in swarm ? swarm : swarmIndex(swarm);
  const node = index.nodes.get(nodeId);
  if (node === undefined) return [];
  const rosters = rostersOn(index, node);
  const known = node.balancers !== null;
  const unknownPeers = index.silent.filter(({ id }) => id !== nodeId).map(({ address }) => address);
  const about = { networkId: null, taskId: null, mayBeAbsent: false, known, unknownPeers: [] };

  const namespaces = [expectedNamespace({ ...about, name: HOST_NAME, role: 'host' }, hostPieces(index, node, rosters))];
  for (const roster of rosters) {
    const { network } = roster;
    const balancer = roster.balancers.get(nodeId);
    const mayBeAbsent = !isNeeded(roster, nodeId);
    const of = { ...about, networkId: network.id, mayBeAbsent };
    namespaces.push(expectedNamespace({ ...of, name: overlayName(network.id), role: 'overlay', unknownPeers }, overlayPieces(roster, node)));
    const pieces = balancer === undefined ? [] : balancerPieces(roster, balancer);
    const role = network.ingress ? 'ingress' : 'load-balancer';
    const outside = network.ingress ? ingressGatewayPieces(roster, node) : [];
    namespaces.push(expectedNamespace({ ...of, name: balancerName(network), role, known: balancer !== undefined }, [...pieces, ...outside]));
  }
  for (const resident of index.residents.get(nodeId) ?? []) {
    const { sandbox, task, certain } = resident;
    if (sandbox === null || resident.addresses.length === 0) continue;
    const of = { ...about, name: sandbox, role: 'task', taskId: task?.id ?? null, mayBeAbsent: !certain } as const;
    namespaces.push(expectedNamespace(of, sandboxPieces(index, resident)));
  }
  return namespaces;
}

/** The networks that are on a node, or may be: those that Docker says are, and those of the tasks there. */
function rostersOn({ rosters }: SwarmIndex, { id }: SwarmNode): readonly NetworkRoster[] {
  return [...rosters.values()].filter(({ network, balancers, members }) => network.ingress || balancers.has(id) || members.has(id));
}

function isNeeded({ network, members }: NetworkRoster, nodeId: string): boolean {
  return network.ingress || (members.get(nodeId)?.some(({ resident }) => resident.certain) ?? false);
}
