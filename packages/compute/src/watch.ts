import type { HealthCheck, Id, Ipv4, Network, Node, Snapshot } from '@portolan/model';
import type { HealthProbe, Watch } from '@portolan/node-state';
import { loadBalancerSpace } from './names.js';
import { type ClusterRoster, clusterRoster, type Resident } from './roster.js';
import { oncePer } from './shared.js';
import { vipProbes } from './vips.js';

/** How many nodes look whether a silent one still answers. */
const WATCHERS = 3;

/** What a node looks at besides its kernel. `residents` are its own endpoints. */
export function nodeWatch(roster: ClusterRoster, node: Node, residents: readonly Resident[], dialsVips: boolean): Watch {
  const probes: Record<Id, HealthProbe> = {};
  for (const { endpoint, service } of residents) {
    if (service === null || service.healthCheck === null) continue;
    const at = probedAt(roster, { endpoint, service });
    if (at !== undefined) probes[endpoint.id] = probeOf(service.healthCheck, at);
  }
  const draining = residents.filter(({ endpoint: { drain } }) => drain !== null && !drain.drained).map(({ endpoint }) => endpoint.id);
  const vips = dialsVips ? vipProbes(roster, node) : undefined;
  return {
    probes,
    nodes: watchedBy(roster).get(node.id) ?? {},
    draining,
    ...(roster.settings.driftPolicy === 'report' ? { driftPolicy: 'report' } : {}),
    ...(vips === undefined ? {} : { vips }),
  };
}

/** Field by field, so that equal probes are equal as bytes whatever store the check was read from. */
function probeOf({ kind, port, path, intervalMs, timeoutMs, failures, successes }: HealthCheck, { network, address }: ProbedAt): HealthProbe {
  return { kind, port, path, intervalMs, timeoutMs, failures, successes, space: loadBalancerSpace(network), address };
}

interface ProbedAt {
  readonly network: Network;
  readonly address: Ipv4;
}

/**
 * Where an endpoint is probed: on the first network of its service that is not the ingress network, as its clients
 * inside reach it, or on the ingress network when there is no other.
 */
export function probedAt({ networkOf }: ClusterRoster, { endpoint, service }: Pick<Resident, 'endpoint' | 'service'>): ProbedAt | undefined {
  const own = (service?.networks ?? []).flatMap(({ networkId }) => {
    const network = networkOf.get(networkId);
    const address = endpoint.addresses.find((held) => held.networkId === networkId)?.address;
    return network === undefined || address === undefined ? [] : [{ network, address }];
  });
  return own.find(({ network }) => !network.ingress) ?? own[0];
}

/**
 * The silent and unreachable nodes that each node watches: those that follow a silent node in the ring of ids watch it,
 * so each change of one node moves few of the others. Nodes that are up come before those of which nothing is known.
 */
const watchedBy = oncePer(({ nodes }: ClusterRoster): ReadonlyMap<Id, Readonly<Record<Id, Ipv4>>> => {
  const byId = nodes.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const rings = [byId.filter(({ condition }) => condition === 'up'), byId.filter(({ condition }) => condition === 'unknown')];
  const watched = new Map<Id, Record<Id, Ipv4>>();
  for (const { id, address, condition } of byId) {
    if (condition !== 'silent' && condition !== 'unreachable') continue;
    for (const watcher of rings.flatMap((ring) => following(ring, id)).slice(0, WATCHERS)) {
      const nodesOf = watched.get(watcher.id) ?? {};
      nodesOf[id] = address;
      watched.set(watcher.id, nodesOf);
    }
  }
  return watched;
});

/** The nodes that look whether a silent or unreachable one still answers. */
export function watchersOf(snapshot: Snapshot, nodeId: Id): readonly Id[] {
  return [...watchedBy(clusterRoster(snapshot))].filter(([, watched]) => watched[nodeId] !== undefined).map(([id]) => id);
}

/** The first nodes behind `id` in a ring that is sorted by id. */
function following(ring: readonly Node[], id: Id): readonly Node[] {
  let low = 0;
  for (let high = ring.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((ring[middle]?.id ?? '') < id) low = middle + 1;
    else high = middle;
  }
  return [...ring.slice(low, low + WATCHERS), ...ring.slice(0, Math.min(low, WATCHERS))].slice(0, WATCHERS);
}
