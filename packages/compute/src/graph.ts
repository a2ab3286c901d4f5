import { type Id, portolanError, type Snapshot } from '@portolan/model';
import { type KernelObject, type NodeState, nodeState } from '@portolan/node-state';
import { flannelHost } from './flannel-roster.js';
import { nameServerObjects, networkNames } from './nodes/dns.js';
import { hostPortObjects, memberObjects, residentObjects } from './nodes/endpoint.js';
import { flannelObjects } from './nodes/flannel.js';
import { forwardingObjects, gatewayObjects } from './nodes/gateway.js';
import { ingressObjects } from './nodes/ingress.js';
import { loadBalancerObjects } from './nodes/load-balancer.js';
import { overlayObjects } from './nodes/overlay.js';
import { podObjects } from './nodes/pods.js';
import { clusterRoster, residentsOf } from './roster.js';
import { nodeWatch } from './watch.js';

/** Other programs of a host touch its routes more often than namespaces of ours. */
const FLANNEL_SECONDS = 5;

export interface ComputeOptions {
  /** The agent is to dial the VIPs whose way it changes; false unless given. Each dial is a connection that a container sees, so only a rollout asks for it. */
  readonly dialsVips?: boolean;
}

/**
 * What Portolan wants in the kernel of one node: the whole flow from intent to node state. It remembers nothing and
 * reads no clock, so the same snapshot gives the same state, byte for byte. Throws `not-found` for an unknown node.
 *
 * ```
 *                         ┌─► overlay ────────► own:1-…            br0, vxlan0 (br1, vxlan1 …), ports, peers
 * Snapshot ─► roster ─────┼─► load balancer ──► own:lb_…           VIPs, marks, IPVS, source rewrite
 *            who is on    ├─► ingress ────────► own:ingress_sbox   the same, and marks by published port
 *            which        │                     host               port forwards
 *            network,     ├─► endpoint ───────► endpoint:…         addresses, routes, redirects, filter
 *            and what     │                     host               port forwards of mode host
 *            each is sent ├─► gateway ────────► host, endpoint:…   the bridge by which they reach out
 *                         ├─► dns ────────────► host, endpoint:…   names, name server, its clients
 *                         └─► watch                                health, silent nodes, draining endpoints, VIPs
 * Snapshot ─► flannel ────┬─► flannel ────────► host               VTEP or relay, ways to peers, cni0, files
 *            roster       └─► pods ───────────► endpoint:…         containers on cni0
 * ```
 */
export function computeNodeState(snapshot: Snapshot, nodeId: Id, { dialsVips = false }: ComputeOptions = {}): NodeState {
  const node = snapshot.nodes.get(nodeId);
  if (node === undefined) throw portolanError('not-found', '', `there is no node ${nodeId} in cluster ${snapshot.cluster.name}`);
  const { cluster } = snapshot;
  const roster = clusterRoster(snapshot);
  const residents = residentsOf(roster, node);
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
    //   └── forwards to ──────────────── br1 ──── vxlan1 …    one pair for each further subnet
    collect(overlayObjects(network, node, balancer.address));

    //   to VIP ─► mark ─► virtual server ─► real server ─► source := own address ─► eth0
    //                                  └─► dsr: only the frame is sent there; the endpoint has the VIP on lo
    collect(loadBalancerObjects(network, balancer.address));

    //   client ─► host:8000 ─► port-forward ─► ptl_gwbridge ─► eth1 own:ingress_sbox ─► mark by port ─► as above
    //                                                              └─► policy local: own endpoints only, source kept
    if (network.network.ingress) collect(ingressObjects(roster, network, nodeId));

    //   own:1-… ─► ov4096 :8000 ─► port-redirect ─► :80, and the filter closes what is not published
    //   policy local: what it answers ─► route-rule ─► own ingress_sbox ─► client
    for (const member of network.membersOf.get(nodeId) ?? []) collect(memberObjects(roster, network, member, balancer.address));

    //   web, www ─► VIP      tasks.web ─► endpoints      web.1 ─► endpoint
    collect(networkNames(network));
  }

  //   endpoint:A ptl_gw ──┐                         ┌─► masqueraded, to anywhere
  //   endpoint:B ptl_gw ──┼── ptl_gwbridge ── host ─┴─◄ host:9100 ─ port-forward of mode host ─► endpoint:A :9100
  //   own:ingress_sbox ───┘   (ports isolated from each other)
  const reachesHost = roster.networks.some(({ network, balancers }) => network.ingress && balancers.has(nodeId));
  const usesBridge = reachesHost || residents.some(({ endpoint }) => endpoint.gatewayAddress !== null);
  if (usesBridge) collect(gatewayObjects(roster));
  for (const resident of residents) collect(residentObjects(roster, resident));
  collect(hostPortObjects(residents));

  //   endpoint:C pod0 ── cni0 ── host ─┬─► route onlink ─► flannel.1 ── neighbour, FDB ─► UDP 8472 ─► peer's flannel.1     vxlan
  //                                    ├─► route ─► eth0 ─► peer                                                         host-gw, direct
  //                                    └─► network's route ─► flannel0 ─► udp-relay-peer ─► UDP 8285 ─► peer's relay     udp
  //   each peer by the path of its own lease; what leaves the network is masqueraded
  const host = flannelHost(snapshot, node);
  if (host !== undefined) {
    collect(flannelObjects(host));
    collect(podObjects(host, residents));
    // The gateway bridge has these already.
    if (!usesBridge) collect(forwardingObjects);
  }

  //   endpoint:A 127.0.0.11:53 ─► dns-redirect ─► :11053 dns-client ─► dns-name of its networks ─► or upstream
  collect(nameServerObjects(roster, residents));

  return nodeState({
    cluster: cluster.name,
    node: node.name,
    address: node.address,
    endpoints: Object.fromEntries(residents.map(({ endpoint: { id, name, attachment } }) => [id, { name, attachment }])),
    watch: { ...nodeWatch(roster, node, residents, dialsVips), ...(host === undefined ? {} : { everySeconds: FLANNEL_SECONDS }) },
    objects,
  });
}
