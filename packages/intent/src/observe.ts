import { shareLedger } from '@portolan/ipam';
import type { Cidr, Endpoint, Id, Node, Snapshot } from '@portolan/model';

/** What the agent of a node says about its host and its endpoints. What is left out was not looked at. */
export interface NodeObservation {
  readonly presence: Readonly<Record<Id, 'present' | 'absent'>>;
  readonly health: Readonly<Record<Id, 'healthy' | 'unhealthy'>>;
  /** In bytes. */
  readonly underlayMtu?: number | undefined;
  /** Name of the interface with the node's address. */
  readonly underlayLink?: string | undefined;
  /** Subnets that the host reaches without a gateway, in ascending order. */
  readonly onLink?: readonly Cidr[] | undefined;
}

/**
 * Notes what a node's agent saw. Ids of other nodes' or unknown endpoints are ignored, and so is the health of an
 * endpoint whose service has no check. An endpoint that is gone has no health: when it comes back it is probed anew.
 * The same snapshot when nothing is new.
 */
export function observeNode(snapshot: Snapshot, nodeId: Id, { presence, health, ...host }: NodeObservation): Snapshot {
  const endpoints: Endpoint[] = [];
  for (const id of new Set([...Object.keys(presence), ...Object.keys(health)])) {
    const endpoint = snapshot.endpoints.get(id);
    if (endpoint === undefined || endpoint.nodeId !== nodeId) continue;
    const now = presence[id] ?? endpoint.presence;
    const probed = isProbed(snapshot, endpoint) ? (health[id] ?? endpoint.health) : endpoint.health;
    const seen = { presence: now, health: now === 'absent' ? ('unknown' as const) : probed };
    if (seen.presence !== endpoint.presence || seen.health !== endpoint.health) endpoints.push({ ...endpoint, ...seen });
  }
  const node = snapshot.nodes.get(nodeId);
  const now = node === undefined ? undefined : observedHost(node, host);
  return withObserved(snapshot, now === undefined || now === node ? [] : [now], endpoints);
}

/** The same object when nothing is new. */
function observedHost(node: Node, seen: Omit<NodeObservation, 'presence' | 'health'>): Node {
  const { underlayMtu = node.underlayMtu, underlayLink = node.underlayLink, onLink = node.onLink } = seen;
  const same = node.onLink.length === onLink.length && onLink.every((subnet, i) => subnet === node.onLink[i]);
  return same && node.underlayMtu === underlayMtu && node.underlayLink === underlayLink ? node : { ...node, underlayMtu, underlayLink, onLink };
}

function isProbed({ services }: Snapshot, { serviceId }: Endpoint): boolean {
  const service = serviceId === null ? undefined : services.get(serviceId);
  return service !== undefined && service.healthCheck !== null;
}

/** Notes what is known of hosts. Nodes that are not there are ignored. The same snapshot when nothing is new. */
export function setConditions(snapshot: Snapshot, conditions: ReadonlyMap<Id, Node['condition']>): Snapshot {
  const nodes: Node[] = [];
  for (const [id, condition] of conditions) {
    const node = snapshot.nodes.get(id);
    if (node !== undefined && node.condition !== condition) nodes.push({ ...node, condition });
  }
  return withObserved(snapshot, nodes, []);
}

/** The snapshot with these nouns in the place of the old ones, a version later. They hold no other values than before. */
export function withObserved(snapshot: Snapshot, nodes: readonly Node[], endpoints: readonly Endpoint[]): Snapshot {
  if (nodes.length + endpoints.length === 0) return snapshot;
  const after = { ...snapshot, nodes: replaced(snapshot.nodes, nodes), endpoints: replaced(snapshot.endpoints, endpoints) };
  shareLedger(snapshot, after);
  return after;
}

function replaced<T extends { readonly id: Id; readonly version: number }>(nouns: ReadonlyMap<Id, T>, changed: readonly T[]): ReadonlyMap<Id, T> {
  if (changed.length === 0) return nouns;
  const after = new Map(nouns);
  for (const noun of changed) after.set(noun.id, { ...noun, version: noun.version + 1 });
  return after;
}
