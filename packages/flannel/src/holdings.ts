import type { Cidr, Flannel, FlannelLease, Id, Ipv4, Node, Snapshot } from '@portolan/model';
import { type FlannelLayout, flannelLayout, isOwnSubnet } from './layout.js';
import { readLease } from './lease.js';
import type { RegistryEntry, RegistryView } from './registry.js';

/** An entry as it is, and as it reads. */
export interface Holding {
  readonly entry: RegistryEntry;
  readonly lease: FlannelLease;
}

/** The registry, sorted by who has what. */
export interface Holdings {
  readonly layout: FlannelLayout;
  /** Every entry, in order of the keys. */
  readonly all: readonly Holding[];
  /** The entries of each node that there is: the one that counts is the first. */
  readonly byNode: ReadonlyMap<Id, readonly Holding[]>;
  /** Entries that are ours and whose node is gone, by name of the key: the node that it was. */
  readonly orphans: ReadonlyMap<string, Id>;
  /** The subnets that the intent keeps, by node. */
  readonly reservations: ReadonlyMap<Id, Cidr>;
}

/**
 * Who has what. An entry belongs to the node whose address it publishes, whoever wrote it: flannel has no other identity. One that
 * publishes an address of nobody belongs to the node that had it when it was mirrored, if that node has no other: then the node changed
 * its address, or something overwrote the value.
 */
export function holdingsOf(snapshot: Snapshot, flannel: Flannel, view: RegistryView): Holdings {
  const layout = flannelLayout(flannel);
  const reservations = new Map(flannel.reservations.map(({ nodeId, subnet }) => [nodeId, subnet]));
  const all = [...view.subnets.values()].sort((a, b) => inOrder(a.key, b.key)).map((entry): Holding => ({ entry, lease: readLease(entry) }));
  const nodes = new Map<Ipv4, Node>([...snapshot.nodes.values()].map((node) => [node.address, node]));
  const byNode = new Map<Id, Holding[]>();
  const strayed: { readonly holding: Holding; readonly nodeId: Id }[] = [];
  for (const holding of all) {
    const { publicAddress, key } = holding.lease;
    const node = publicAddress === null ? undefined : nodes.get(publicAddress);
    const mirrored = snapshot.flannelLeases.get(key);
    if (node !== undefined) byNode.set(node.id, [...(byNode.get(node.id) ?? []), holding]);
    else if (mirrored !== undefined && mirrored.nodeId !== null && (publicAddress === null || publicAddress === mirrored.publicAddress)) {
      strayed.push({ holding, nodeId: mirrored.nodeId });
    }
  }
  const orphans = new Map<string, Id>();
  for (const { holding, nodeId } of strayed) {
    if (!snapshot.nodes.has(nodeId)) {
      if (holding.lease.publicAddress !== null) orphans.set(holding.entry.key, nodeId);
    } else if (!byNode.has(nodeId)) byNode.set(nodeId, [holding]);
  }
  for (const [nodeId, held] of byNode) {
    const rank = ({ lease: { key, subnet } }: Holding): number => {
      if (subnet !== null && subnet === reservations.get(nodeId)) return 0;
      const fits = subnet !== null && isOwnSubnet(layout, subnet);
      return (fits ? 0 : 2) + (snapshot.flannelLeases.get(key)?.nodeId === nodeId ? 1 : 2);
    };
    held.sort((a, b) => rank(a) - rank(b));
  }
  return { layout, all, byNode, orphans, reservations };
}

/**
 * Whether a node has a subnet of its own, for its agent has said where its address is, or is kept one. A host that is unreachable has
 * what it has until that expires.
 */
export function isServed({ id, underlayLink, condition }: Node, { reservations, byNode }: Pick<Holdings, 'reservations' | 'byNode'>): boolean {
  return reservations.has(id) || (underlayLink !== null && (condition !== 'unreachable' || byNode.has(id)));
}

/** Keys in the order that etcd has them in. */
export function inOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
