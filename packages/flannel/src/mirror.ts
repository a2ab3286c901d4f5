import { type Cidr, type FlannelLease, type Id, isSameLease, type Snapshot } from '@portolan/model';
import { type Holding, type Holdings, holdingsOf, inOrder, isServed } from './holdings.js';
import { isOwnSubnet } from './layout.js';
import type { RegistryView } from './registry.js';
import { TakenSubnets } from './subnets.js';

/**
 * The mirror of the registry for the snapshot, by name of the key. `nodeId` is that of the node whose address an entry publishes, on one entry a node at
 * most: further ones of the same address have a fault, for they are about to be removed. A lease of a node of ours that is missing, or whose
 * value was overwritten with something unreadable, stays as it was: it is about to be written again. One whose node is gone keeps its `nodeId`, so that it is
 * told from a foreign one. Leases that are equal are the same objects as before, and so is the whole when all are.
 */
export function leasesOf(snapshot: Snapshot, view: RegistryView): ReadonlyMap<string, FlannelLease> {
  const { flannel, flannelLeases: before } = snapshot;
  if (flannel === null) return before.size === 0 ? before : new Map();
  const holdings = holdingsOf(snapshot, flannel, view);
  const owners = ownersOf(snapshot, holdings);
  const leases = holdings.all.map((holding) => mirrored(holding, owners.get(holding.entry.key), before));
  if (!flannel.leaving) leases.push(...lostLeases(snapshot, holdings));
  leases.sort((a, b) => inOrder(a.key, b.key));
  const after = new Map(
    leases.map((lease) => {
      const known = before.get(lease.key);
      return [lease.key, known !== undefined && isSameLease(known, lease) ? known : lease];
    }),
  );
  const isSame = after.size === before.size && [...after].every(([key, lease]) => before.get(key) === lease);
  return isSame ? before : after;
}

interface Owner {
  readonly nodeId: Id;
  /** Why the entry does not count. */
  readonly surplus: string | null;
}

function ownersOf(snapshot: Snapshot, { byNode, orphans }: Holdings): ReadonlyMap<string, Owner> {
  const owners = new Map<string, Owner>();
  for (const [key, nodeId] of orphans) owners.set(key, { nodeId, surplus: null });
  for (const [nodeId, [own, ...others]] of byNode) {
    if (own === undefined) continue;
    owners.set(own.entry.key, { nodeId, surplus: null });
    const surplus = `node ${snapshot.nodes.get(nodeId)?.name} has another entry: ${own.lease.key}`;
    for (const { entry } of others) owners.set(entry.key, { nodeId, surplus });
  }
  return owners;
}

function mirrored({ lease }: Holding, owner: Owner | undefined, before: ReadonlyMap<string, FlannelLease>): FlannelLease {
  if (owner === undefined) return lease;
  if (owner.surplus !== null) return { ...lease, fault: lease.fault ?? owner.surplus };
  // It belongs to the node by the mirror alone, for its value tells nothing.
  const known = lease.publicAddress === null ? before.get(lease.key) : undefined;
  return known ?? { ...lease, nodeId: owner.nodeId };
}

/** Leases of our nodes that are no longer in the registry and that the plan writes again, unless they were lost for good. */
function lostLeases(snapshot: Snapshot, holdings: Holdings): FlannelLease[] {
  const { all, byNode, layout } = holdings;
  const taken = new TakenSubnets(layout);
  for (const { lease } of all) if (lease.subnet !== null) taken.add(lease.subnet);
  const isKeptForAnother = (nodeId: Id, subnet: Cidr): boolean => [...holdings.reservations].some(([id, kept]) => id !== nodeId && kept === subnet);
  return [...snapshot.flannelLeases.values()].filter(({ nodeId, subnet }) => {
    const node = nodeId === null ? undefined : snapshot.nodes.get(nodeId);
    if (node === undefined || byNode.has(node.id) || subnet === null || !isServed(node, holdings)) return false;
    return isOwnSubnet(layout, subnet) && !taken.has(subnet) && !isKeptForAnother(node.id, subnet);
  });
}
