import { type PodLayout, podLayout } from '@portolan/flannel';
import {
  type Cidr,
  type Flannel,
  type FlannelBackend,
  type FlannelLease,
  type FlannelPath,
  formatIpv4,
  heldBackends,
  type Id,
  type Ipv4,
  ipv4Value,
  type Node,
  parseCidr,
  pathOfBackend,
  pathOfLease,
  type Snapshot,
  type Subnet,
  VXLAN_OVERHEAD,
} from '@portolan/model';
import { oncePer } from './shared.js';

/** Headers around a packet, in bytes, by type of backend. */
const OVERHEAD = { vxlan: VXLAN_OVERHEAD, udp: 28, 'host-gw': 0 } as const satisfies Record<FlannelBackend['type'], number>;

/** Who has a subnet of flannel's network, as a lease says it. One for each lease object, so what is made of it is shared by snapshots. */
export interface Holder {
  readonly lease: FlannelLease;
  readonly subnet: Cidr;
  readonly range: Subnet;
  /** First address of the subnet, the one that the holder has on its own device. */
  readonly base: Ipv4;
  readonly host: Ipv4;
  /** `host` as a number. */
  readonly hostValue: number;
  /** The way to it; undefined where its backend is none of ours. */
  readonly path: FlannelPath | undefined;
}

/** The flannel network, the same for every node. */
export interface FlannelRoster {
  readonly flannel: Flannel;
  /** By path; each node holds the receiving side of all. */
  readonly held: ReadonlyMap<FlannelPath, FlannelBackend>;
  /** Those with a path that is held, by key. No two have the same first address. */
  readonly peers: readonly Holder[];
  /** Peers of a vxlan path that cannot be told from an earlier one, as they have its MAC. */
  readonly doubled: ReadonlySet<Holder>;
  readonly holderOf: ReadonlyMap<Id, Holder>;
}

/** A node of ours that takes part. */
export interface FlannelHost extends FlannelRoster {
  readonly node: Node;
  /** Its own place. */
  readonly own: Holder;
  /** How that is shared out. */
  readonly pods: PodLayout;
  /** Interface on the underlay. */
  readonly underlay: string;
  /** MTU by backend, in bytes. */
  readonly mtuOf: (backend: FlannelBackend) => number;
  /** Of containers, in bytes: what fits into every backend that is held. */
  readonly mtu: number;
}

/** undefined: nothing of a flannel network is wanted on any node. */
const flannelRoster = oncePer(({ flannel, flannelLeases, nodes }: Snapshot): FlannelRoster | undefined => {
  if (flannel === null || flannel.leaving) return undefined;
  const network = parseCidr(flannel.network);
  const held = new Map<FlannelPath, FlannelBackend>();
  for (const backend of heldBackends(flannel)) if (!held.has(pathOfBackend(backend))) held.set(pathOfBackend(backend), backend);

  const peers: Holder[] = [];
  const doubled = new Set<Holder>();
  const holders = new Map<Id, Holder>();
  const [bases, macs] = [new Set<Ipv4>(), new Set<string>()];
  for (const lease of [...flannelLeases.values()].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    const holder = holderOf(lease);
    if (holder === undefined || (lease.nodeId !== null && !nodes.has(lease.nodeId))) continue;
    if (lease.nodeId !== null && !holders.has(lease.nodeId)) holders.set(lease.nodeId, holder);
    // Who is first has the subnet, and the MAC. What is wrong with the other is told by the check of the snapshot.
    if (bases.has(holder.base)) continue;
    bases.add(holder.base);
    // A foreign lease must not lead a host's other traffic away, as one of 0.0.0.0-0 would.
    const { path, range } = holder;
    if (path === undefined || !held.has(path) || !isInside(network, range)) continue;
    if (path.startsWith('vxlan/')) {
      const mac = `${path} ${lease.vtepMac}`;
      if (macs.has(mac)) doubled.add(holder);
      macs.add(mac);
    }
    peers.push(holder);
  }
  return { flannel, held, peers, doubled, holderOf: holders };
});

/** undefined for a lease that names no holder. */
const holderOf = oncePer((lease: FlannelLease): Holder | undefined => {
  const { fault, subnet, publicAddress: host } = lease;
  if (fault !== null || subnet === null || host === null) return undefined;
  const hostValue = ipv4Value(host);
  if (hostValue === undefined) return undefined;
  const range = parseCidr(subnet);
  return { lease, subnet, range, base: formatIpv4(range.first), host, hostValue, path: pathOfLease(lease) };
});

function isInside(network: Subnet, { first, last, prefixLength }: Subnet): boolean {
  return prefixLength > network.prefixLength && first >= network.first && last <= network.last;
}

/** The place of a node; undefined where it has no subnet, or its agent has not yet told by which interface it is connected. */
export function flannelHost(snapshot: Snapshot, node: Node): FlannelHost | undefined {
  const roster = flannelRoster(snapshot);
  const own = roster?.holderOf.get(node.id);
  if (roster === undefined || own === undefined || node.underlayLink === null) return undefined;
  const outside = node.underlayMtu ?? snapshot.cluster.settings.underlayMtu;
  const mtuOf = (backend: FlannelBackend): number => ((backend.type === 'vxlan' ? backend.mtu : undefined) ?? outside) - OVERHEAD[backend.type];
  const pods = podLayout(own.range, roster.flannel.cni);
  return { ...roster, node, own, pods, underlay: node.underlayLink, mtuOf, mtu: Math.min(...[...roster.held.values()].map(mtuOf)) };
}
