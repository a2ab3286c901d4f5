import { type NounSpecs, type Nouns, specOf } from '@portolan/intent';
import type { PoolUsage } from '@portolan/ipam';
import {
  type Endpoint,
  effectiveMtu,
  type Id,
  type Ipv4,
  type Network,
  type Node,
  type NounKind,
  portolanError,
  type Snapshot,
  type Traffic,
  trafficTo,
} from '@portolan/model';
import type { Context } from './context.js';
import { acknowledgementOf, connectionsOf, type ProgressByNode, progressByNode } from './drains.js';
import { networkUsages } from './pools.js';

/** What an object shows beyond its spec, its identity and its version. Sent back, it is ignored. */
export interface Shown {
  readonly node: Pick<Node, 'condition' | 'underlayMtu' | 'underlayLink' | 'onLink'>;
  readonly network: { readonly effectiveMtu: number; readonly usage: PoolUsage };
  readonly service: Readonly<Record<never, never>>;
  readonly endpoint: EndpointStatus;
}

export const readOnlyFields: Readonly<Record<NounKind, readonly string[]>> = {
  node: ['status', 'condition', 'underlayMtu', 'underlayLink', 'onLink'],
  network: ['effectiveMtu', 'usage'],
  service: [],
  endpoint: ['presence', 'health', 'traffic', 'gatewayAddress', 'flannelAddress', 'drain'],
};

export interface EndpointStatus {
  readonly presence: Endpoint['presence'];
  readonly health: Endpoint['health'];
  /** What it is sent: everything, packets of connections that it has, or nothing. */
  readonly traffic: Traffic;
  readonly gatewayAddress: Ipv4 | null;
  /** null: it has none, or its node has no subnet yet. */
  readonly flannelAddress: Ipv4 | null;
  readonly drain: DrainStatus | null;
}

export interface DrainStatus {
  /** What nodes have to have applied. */
  readonly revision: number;
  /** ISO 8601. */
  readonly deadline: string;
  readonly removes: boolean;
  readonly drained: boolean;
  readonly acknowledgedBy: readonly string[];
  readonly pending: readonly string[];
  /** null: not counted yet. */
  readonly connections: number | null;
}

/** An object as every door shows it: its identity and version, its spec with every value filled in, and what is known of it. */
export type Representation<K extends NounKind> = NounSpecs[K] & { readonly id: Id; readonly version: number } & Shown[K];

export async function representationsOf<K extends NounKind>(
  ctx: Context,
  snapshot: Snapshot,
  kind: K,
  nouns: readonly Nouns[K][],
): Promise<readonly Representation<K>[]> {
  const shown = await shownOf(ctx, snapshot, kind, nouns);
  return nouns.map((noun, at) => ({ ...specOf(snapshot, kind, noun), id: noun.id, version: noun.version, ...shown[at] }) as Representation<K>);
}

async function shownOf(ctx: Context, snapshot: Snapshot, kind: NounKind, nouns: readonly Nouns[NounKind][]): Promise<readonly Shown[NounKind][]> {
  switch (kind) {
    case 'node':
      return (nouns as readonly Node[]).map(({ condition, underlayMtu, underlayLink, onLink }) => ({ condition, underlayMtu, underlayLink, onLink }));
    case 'network': {
      const usages = await networkUsages(ctx, snapshot);
      return (nouns as readonly Network[]).map((network) => ({ effectiveMtu: effectiveMtu(snapshot, network), usage: usageOf(usages, network) }));
    }
    case 'service':
      return nouns.map(() => ({}));
    case 'endpoint': {
      const endpoints = nouns as readonly Endpoint[];
      const drains = endpoints.some(({ drain }) => drain !== null);
      const progress = progressByNode(drains ? await ctx.store.progress(snapshot.cluster.id) : []);
      return endpoints.map((endpoint) => endpointStatus(snapshot, endpoint, progress));
    }
  }
}

export function usageOf(usages: ReadonlyMap<Id, PoolUsage>, { id, name }: Network): PoolUsage {
  const usage = usages.get(id);
  if (usage === undefined) throw portolanError('internal', '', `the addresses of network ${name} are not counted`);
  return usage;
}

export function endpointStatus(snapshot: Snapshot, endpoint: Endpoint, progress: ProgressByNode): EndpointStatus {
  const { presence, health, gatewayAddress, flannel } = endpoint;
  const drain = drainStatus(snapshot, endpoint, progress);
  return { presence, health, traffic: trafficTo(snapshot, endpoint), gatewayAddress, flannelAddress: flannel?.address ?? null, drain };
}

function drainStatus(snapshot: Snapshot, endpoint: Endpoint, progress: ProgressByNode): DrainStatus | null {
  if (endpoint.drain === null) return null;
  const { revision, deadline, removes, drained } = endpoint.drain;
  const { acknowledgedBy, pending, silent } = acknowledgementOf(snapshot, endpoint, revision, progress);
  return {
    revision,
    deadline: new Date(deadline).toISOString(),
    removes,
    drained,
    acknowledgedBy,
    pending: [...pending, ...silent].sort(),
    connections: connectionsOf(snapshot, endpoint, progress),
  };
}
