import { neighbourhoodOf } from '@portolan/flannel';
import type { Node } from '@portolan/model';
import { type KernelObject, kernelObject, type Origin } from '@portolan/node-state';
import type { FlannelHost, Holder } from '../flannel-roster.js';
import { flannelVtep, RELAY_LINK } from '../names.js';
import { oncePer } from '../shared.js';

/** How a node sends to a peer. */
type Way = 'encapsulated' | 'relayed' | 'plain';

interface Encapsulated {
  readonly neighbour: KernelObject;
  readonly fdb: KernelObject;
  readonly route: KernelObject;
}

function originOf({ lease }: Holder): Origin {
  return { computedBy: 'flannel', lease: lease.key };
}

/** The same on every node. The gateway of the route answers no ARP, therefore the neighbour; undefined without a MAC. */
const encapsulated = oncePer((peer: Holder): Encapsulated | undefined => {
  const { lease, subnet, base, host } = peer;
  const mac = lease.vtepMac;
  if (mac === null) return undefined;
  const origin = originOf(peer);
  const link = flannelVtep(lease.vni ?? 1);
  return {
    neighbour: kernelObject('host', { kind: 'neighbour', link, address: base, mac }, origin),
    fdb: kernelObject('host', { kind: 'fdb', link, mac, vtep: host }, origin),
    route: kernelObject('host', { kind: 'route', destination: subnet, via: base, link, onlink: true }, origin),
  };
});

const relayed = oncePer(
  (peer: Holder): KernelObject => kernelObject('host', { kind: 'udp-relay-peer', relay: RELAY_LINK, subnet: peer.subnet, host: peer.host }, originOf(peer)),
);

/** By interface, of which all nodes together have few names. */
const plain = oncePer((peer: Holder) => {
  const routes = new Map<string, KernelObject>();
  return (link: string): KernelObject => {
    const route = routes.get(link) ?? kernelObject('host', { kind: 'route', destination: peer.subnet, via: peer.host, link }, originOf(peer));
    routes.set(link, route);
    return route;
  };
});

const subnetsOnLink = oncePer(neighbourhoodOf);

function isOnLink(node: Node, { hostValue }: Holder): boolean {
  return subnetsOnLink(node).some(({ first, last }) => first <= hostValue && hostValue <= last);
}

/** By the path of the peer's own lease, whatever ours is; undefined where there is no way. */
function wayTo(peer: Holder, { held, node, own, doubled }: FlannelHost): Way | undefined {
  const isOwn = peer.lease.nodeId === node.id || peer.host === node.address || peer.base === own.base;
  const backend = isOwn || peer.path === undefined ? undefined : held.get(peer.path);
  switch (backend?.type) {
    case 'vxlan':
      if (backend.directRouting === true && isOnLink(node, peer)) return 'plain';
      return doubled.has(peer) ? undefined : 'encapsulated';
    case 'udp':
      return 'relayed';
    case 'host-gw':
      return isOnLink(node, peer) ? 'plain' : undefined;
    default:
      return undefined;
  }
}

/** What one node holds for its peers, kind by kind, so that it comes nearly in canonical order. */
export function peerObjects(host: FlannelHost): KernelObject[] {
  const neighbours: KernelObject[] = [];
  const entries: KernelObject[] = [];
  const relays: KernelObject[] = [];
  const routes: KernelObject[] = [];
  for (const peer of host.peers) {
    const way = wayTo(peer, host);
    if (way === 'plain') routes.push(plain(peer)(host.underlay));
    else if (way === 'relayed') relays.push(relayed(peer));
    else if (way === 'encapsulated') {
      const objects = encapsulated(peer);
      if (objects === undefined) continue;
      neighbours.push(objects.neighbour);
      entries.push(objects.fdb);
      routes.push(objects.route);
    }
  }
  return neighbours.concat(entries, relays, routes);
}
