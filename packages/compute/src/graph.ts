import { type Id, portolanError, type Snapshot } from '@portolan/model';
import { type KernelObject, type NodeState, nodeState } from '@portolan/node-state';
import { endpointObjects } from './nodes/endpoint.js';
import { ingressObjects } from './nodes/ingress.js';
import { loadBalancerObjects } from './nodes/load-balancer.js';
import { overlayObjects } from './nodes/overlay.js';
import { clusterRoster } from './roster.js';

/**
 * What Portolan wants in the kernel of one node: the whole flow from intent to node state. It remembers nothing and
 * reads no clock, so the same snapshot gives the same state, byte for byte. Throws `not-found` for an unknown node.
 *
 * ```
 *                         ┌─► overlay ────────► own:1-…            br0, vxlan0, ports, peers
 * Snapshot ─► roster ─────┼─► load balancer ──► own:lb_…           VIPs, marks, IPVS, source rewrite
 *            who is on    ├─► ingress ────────► own:ingress_sbox   the same, and marks by published port
 *            which        │                     host               gateway bridge, port forwards
 *            network      └─► endpoint ───────► endpoint:…         address, redirects, filter
 * ```
 */
export function computeNodeState(snapshot: Snapshot, nodeId: Id): NodeState {
  const node = snapshot.nodes.get(nodeId);
  if (node === undefined) throw portolanError('not-found', '', `there is no node ${nodeId} in cluster ${snapshot.cluster.name}`);
  const { cluster } = snapshot;
  const roster = clusterRoster(snapshot);
  const objects: KernelObject[] = [];
  const collect = (made: readonly KernelObject[]): void => {
    for (const object of made) objects.push(object);
  };

  for (const network of roster.networks) {
    const balancer = network.balancers.get(nodeId);
    if (balancer === undefined) continue;

    //   endpoint:A  endpoint:B  own:lb_…              other nodes
    //       │ ov4097    │ ov4097   │ eth0                  ▲ UDP 4789, from the host's namespace
    //   ┌───┴───────────┴──────────┴──── br0 ──── vxlan0 ──┘
    //   own:1-…                            neighbour + FDB for every address of another node
    collect(overlayObjects(network, node, balancer.address));

    //   to VIP ─► mark ─► virtual server ─► real server ─► source := own address ─► eth0
    collect(loadBalancerObjects(network, balancer.address));

    //   client ─► host:8000 ─► port-forward ─► ptl_gwbridge ─► eth1 own:ingress_sbox ─► mark by port ─► as above
    if (network.network.ingress) collect(ingressObjects(network));

    //   own:1-… ─► ov4096 :8000 ─► port-redirect ─► :80, and the filter closes what is not published
    for (const member of network.membersOf.get(nodeId) ?? []) collect(endpointObjects(network, member));
  }

  const endpoints = Object.fromEntries((roster.endpoints.get(nodeId) ?? []).map(({ id, name, attachment }) => [id, { name, attachment }]));
  return nodeState(cluster.name, node.name, endpoints, objects);
}
