import {
  type Cidr,
  type Flannel,
  type FlannelLease,
  type FlannelPath,
  heldBackends,
  type Id,
  type Node,
  pathOfBackend,
  pathOfLease,
  type Snapshot,
} from '@portolan/model';
import { hashText } from '@portolan/node-state';
import { configFault, encodeConfig } from './config.js';
import { type Holdings, holdingsOf, inOrder, isServed } from './holdings.js';
import { isOwnSubnet } from './layout.js';
import { encodeLease, leaseKey, vniOfPath } from './lease.js';
import { vtepMacOf } from './mac.js';
import type { RegistryEntry, RegistryView } from './registry.js';
import { TakenSubnets } from './subnets.js';

export interface RegistryWrite {
  readonly nodeId: Id;
  readonly key: string;
  readonly value: string;
  /** Without a TTL. */
  readonly reserved: boolean;
  /** The entry that it replaces; null: there must be none. */
  readonly seen: RegistryEntry | null;
}

/**
 * What makes the registry right. Each part is to be done by compare-and-set, the writes before the removals; one that fails because somebody was faster is
 * for the next plan. So two control planes with old views never give a subnet twice: it has one key.
 */
export interface RegistryPlan {
  /** Value of PREFIX/config, null to remove it; `seen` is the modRevision that it replaces. null: it is right. */
  readonly config: { readonly value: string | null; readonly seen: string | null } | null;
  readonly writes: readonly RegistryWrite[];
  readonly removes: readonly RegistryEntry[];
  /** Nodes that got no subnet: the network has none left, or somebody else has what is reserved for them. */
  readonly full: readonly Id[];
}

const nothing: RegistryPlan = { config: null, writes: [], removes: [], full: [] };

/**
 * The difference between the registry and what it should say of our nodes. Of a node this is, in this order: the subnet that the intent keeps for it, unless somebody has
 * it; the subnet of an entry with its address, if that fits the network; its last one in the mirror, if it is free; one of the free ones. `acknowledged`
 * are the nodes that have applied `backendRevision`: till then a node stays reachable by the path that it was. Foreign entries are never touched.
 * Throws what `flannelLayout` throws.
 */
export function registryPlan(snapshot: Snapshot, view: RegistryView, acknowledged: ReadonlySet<Id>): RegistryPlan {
  const { flannel } = snapshot;
  if (flannel === null) return nothing;
  const holdings = holdingsOf(snapshot, flannel, view);
  if (flannel.leaving) return leavingPlan(snapshot, holdings, view);
  const nodes = [...snapshot.nodes.values()].filter((node) => isServed(node, holdings)).sort((a, b) => inOrder(a.id, b.id));
  const places = placesOf(snapshot, holdings, nodes);
  const writes: RegistryWrite[] = [];
  const removes = removedOrphans(holdings);
  for (const node of nodes) {
    const place = places.get(node.id);
    const held = holdings.byNode.get(node.id) ?? [];
    const write = place === undefined ? undefined : writeOf(flannel, node, place, view.subnets.get(leaseKey(place.subnet)), acknowledged.has(node.id));
    if (write !== undefined) writes.push(write);
    // Who has no agent yet may run flanneld, which ends when its entry goes.
    if (node.underlayLink !== null) removes.push(...held.map(({ entry }) => entry).filter(({ key }) => place === undefined || key !== leaseKey(place.subnet)));
  }
  const full = nodes.filter(({ id, underlayLink }) => underlayLink !== null && !places.has(id)).map(({ id }) => id);
  return { config: configWrite(flannel, view), writes, removes, full };
}

function configWrite(flannel: Flannel, { config }: RegistryView): RegistryPlan['config'] {
  if (config !== null && configFault(config.value, flannel) === null) return null;
  return { value: encodeConfig(flannel), seen: config?.modRevision ?? null };
}

/** Our entries go. The configuration stays as long as somebody else has an entry, even one that cannot be read. */
function leavingPlan(snapshot: Snapshot, holdings: Holdings, { config }: RegistryView): RegistryPlan {
  const removes = removedOrphans(holdings);
  for (const [nodeId, held] of holdings.byNode) {
    const node = snapshot.nodes.get(nodeId);
    if (node !== undefined && isServed(node, holdings)) removes.push(...held.map(({ entry }) => entry));
  }
  const isLast = removes.length === holdings.all.length;
  return { ...nothing, config: isLast && config !== null ? { value: null, seen: config.modRevision } : null, removes };
}

function removedOrphans({ all, orphans }: Holdings): RegistryEntry[] {
  return all.filter(({ entry }) => orphans.has(entry.key)).map(({ entry }) => entry);
}

interface Place {
  readonly subnet: Cidr;
  readonly reserved: boolean;
  /** What the node's present entry says, or its last one; undefined: it is new. */
  readonly known: FlannelLease | undefined;
}

/** The subnet of each node that gets one. First those of everybody that are decided by what is, then new ones: nobody is given what another is to get back. */
function placesOf(snapshot: Snapshot, holdings: Holdings, nodes: readonly Node[]): ReadonlyMap<Id, Place> {
  const { all, byNode, layout, reservations } = holdings;
  const keys = new Set(all.map(({ entry }) => entry.key));
  const taken = new TakenSubnets(layout);
  for (const { lease } of all) if (lease.subnet !== null) taken.add(lease.subnet);
  const freeReservations = new Set([...reservations.values()].filter((subnet) => !taken.has(subnet)));
  for (const subnet of reservations.values()) taken.add(subnet);
  const lastLeases = new Map([...snapshot.flannelLeases.values()].flatMap((lease) => (lease.nodeId === null ? [] : [[lease.nodeId, lease] as const])));

  const places = new Map<Id, Place>();
  const put = (node: Node, subnet: Cidr, reserved: boolean): void => {
    const held = byNode.get(node.id)?.[0]?.lease;
    // A value that tells nothing is worth less than what it said before.
    const known = held === undefined || held.publicAddress === null ? lastLeases.get(node.id) : held;
    places.set(node.id, { subnet, reserved, known });
    taken.add(subnet);
  };
  const waiting: Node[] = [];
  for (const node of nodes) {
    const reservation = reservations.get(node.id);
    const last = lastLeases.get(node.id);
    // Its key may be somebody else's although the node has an entry of that subnet: then under a name that flannel gives with IPv6.
    const held = (byNode.get(node.id) ?? []).filter(({ entry, lease: { subnet } }) => {
      const name = subnet === null || !isOwnSubnet(layout, subnet) ? undefined : leaseKey(subnet);
      return name !== undefined && (entry.key === name || !keys.has(name));
    });
    const has = held.some(({ lease }) => lease.subnet === reservation);
    const [fitting] = held.flatMap(({ lease }) => (lease.subnet === null ? [] : [{ subnet: lease.subnet, reserved: lease.reserved }]));
    if (reservation !== undefined && isOwnSubnet(layout, reservation) && (has || freeReservations.has(reservation))) put(node, reservation, true);
    else if (node.underlayLink === null) continue;
    else if (fitting !== undefined) put(node, fitting.subnet, fitting.reserved);
    else if (last?.subnet && isOwnSubnet(layout, last.subnet) && !taken.has(last.subnet)) put(node, last.subnet, last.reserved);
    else if (reservation === undefined) waiting.push(node);
  }
  for (const node of waiting) {
    const subnet = taken.give(Number.parseInt(hashText(node.id).slice(0, 8), 16));
    if (subnet !== undefined) put(node, subnet, false);
  }
  return places;
}

/** undefined where the entry is right. */
function writeOf(
  flannel: Flannel,
  node: Node,
  { subnet, reserved, known }: Place,
  seen: RegistryEntry | undefined,
  isReady: boolean,
): RegistryWrite | undefined {
  const path = pathOf(flannel, known, isReady);
  const vni = vniOfPath(path);
  const vtepMac = vni === null ? null : known?.vni === vni && known.vtepMac !== null ? known.vtepMac : vtepMacOf(node.id, vni);
  // A TTL where there is no agent: flanneld runs there, and it alone knows how it is reached.
  if (node.underlayLink === null && seen !== undefined && seen.leaseId !== null) return undefined;
  const value = encodeLease({ publicAddress: node.address, path, vtepMac });
  if (seen !== undefined && seen.value === value && (seen.leaseId === null) === reserved) return undefined;
  return { nodeId: node.id, key: leaseKey(subnet), value, reserved, seen: seen ?? null };
}

/** A node that was reachable by a path which it still holds stays so until it has applied the change. */
function pathOf(flannel: Flannel, known: FlannelLease | undefined, isReady: boolean): FlannelPath {
  const was = known === undefined || isReady ? undefined : pathOfLease(known);
  return was !== undefined && heldBackends(flannel).some((backend) => pathOfBackend(backend) === was) ? was : pathOfBackend(flannel.backend);
}
