import { type Blocker, blocker, type Endpoint, type Id, type Service, type Snapshot, subnetOrUndefined, trafficTo } from '@portolan/model';
import { hostsWithin } from './cluster.js';
import { clashingMarks, type ForeignMark } from './marks.js';
import { addressValue, View } from './view.js';

/** What is known of the nodes beside the snapshot. */
export interface SeenOnNodes {
  /** By node: what rules that are not ours match. */
  readonly foreignMarks?: ReadonlyMap<Id, readonly ForeignMark[]> | undefined;
}

/**
 * What a change would break that works before it. What it must never do (values held twice, or outside their subnet, overlapping subnets) is refused
 * by the edit already and is not among these; what was broken before is not, either. Pointers are empty: the document may be anything.
 */
export function blockersOf(before: Snapshot, after: Snapshot, { foreignMarks = new Map() }: SeenOnNodes = {}): readonly Blocker[] {
  if (before === after) return [];
  const backends = [new Backends(before), new Backends(after)] as const;
  return [...placedOnGoneNodes(...backends), ...lostBackends(...backends), ...clashingMarks(before, after, foreignMarks), ...coveredHosts(before, after)];
}

/** The endpoints of a snapshot as what traffic is sent to. */
class Backends {
  readonly snapshot: Snapshot;
  /** Those that stay, by service. */
  readonly #byService = new Map<Id, Endpoint[]>();
  #byName: ReadonlyMap<string, Endpoint> | undefined;
  #services: ReadonlyMap<string, Service> | undefined;

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
    for (const endpoint of snapshot.endpoints.values()) {
      if (endpoint.serviceId === null || !isStaying(endpoint)) continue;
      const own = this.#byService.get(endpoint.serviceId);
      if (own === undefined) this.#byService.set(endpoint.serviceId, [endpoint]);
      else own.push(endpoint);
    }
  }

  of(service: Service): readonly Endpoint[] {
    return this.#byService.get(service.id) ?? [];
  }

  /** The same endpoint, made anew perhaps. */
  endpointLike({ id, name }: Endpoint): Endpoint | undefined {
    this.#byName ??= new Map([...this.snapshot.endpoints.values()].map((endpoint) => [endpoint.name, endpoint]));
    return this.snapshot.endpoints.get(id) ?? this.#byName.get(name);
  }

  serviceLike({ id, name }: Service): Service | undefined {
    this.#services ??= new Map([...this.snapshot.services.values()].map((service) => [service.name, service]));
    return this.snapshot.services.get(id) ?? this.#services.get(name);
  }

  isOnGoneNode({ nodeId }: Endpoint): boolean {
    const node = this.snapshot.nodes.get(nodeId);
    return node === undefined || node.condition === 'unreachable';
  }

  nodeName({ nodeId }: Endpoint): string {
    return this.snapshot.nodes.get(nodeId)?.name ?? nodeId;
  }

  /** Whether it takes new connections. */
  isServing(endpoint: Endpoint): boolean {
    return endpoint.weight > 0 && trafficTo(this.snapshot, endpoint) === 'all';
  }

  /** Whether it takes new connections, or will as soon as its agent has seen and probed it. */
  canServe(endpoint: Endpoint): boolean {
    const presence = endpoint.presence === 'unknown' ? 'present' : endpoint.presence;
    const health = endpoint.health === 'unknown' ? 'healthy' : endpoint.health;
    return this.isServing({ ...endpoint, presence, health });
  }
}

function isStaying({ drain }: Endpoint): boolean {
  return drain?.removes !== true;
}

function* placedOnGoneNodes(before: Backends, after: Backends): Iterable<Blocker> {
  for (const endpoint of after.snapshot.endpoints.values()) {
    if (!isStaying(endpoint) || !after.isOnGoneNode(endpoint)) continue;
    if (before.endpointLike(endpoint)?.nodeId === endpoint.nodeId) continue;
    const message = `the endpoint "${endpoint.name}" would be placed on the node "${after.nodeName(endpoint)}", which is unreachable`;
    yield blocker('backend-on-gone-node', endpoint.name, message);
  }
}

/** Services that stay, and of which nothing is left that takes connections, or only what is on nodes that are gone. */
function* lostBackends(before: Backends, after: Backends): Iterable<Blocker> {
  for (const service of after.snapshot.services.values()) {
    const was = before.serviceLike(service);
    if (was === undefined) continue;
    const left = after.of(service);
    if (left.some((endpoint) => after.canServe(endpoint))) continue;
    const stranded = left.length > 0 && left.every((endpoint) => after.isOnGoneNode(endpoint));
    if (stranded && before.of(was).some((endpoint) => !before.isOnGoneNode(endpoint))) {
      for (const endpoint of left) {
        // One that is new there is told of already.
        if (before.endpointLike(endpoint)?.nodeId !== endpoint.nodeId) continue;
        const message = `of the service "${service.name}" only "${endpoint.name}" would be left on the node "${after.nodeName(endpoint)}", which is unreachable`;
        yield blocker('backend-on-gone-node', endpoint.name, message);
      }
    } else if (isReachable(service) && before.of(was).some((endpoint) => before.isServing(endpoint))) {
      const message = `the service "${service.name}" would have no endpoint left that takes connections`;
      yield blocker('service-without-backend', service.name, message);
    }
  }
}

/** By a published port or by a VIP: clients would be refused, not told that there is nobody. */
function isReachable({ ports, networks }: Service): boolean {
  return ports.length > 0 || networks.some(({ address }) => address !== null);
}

/** Networks that come to hold the address of a host. The gateway subnet and other networks are refused by the edit. */
function* coveredHosts(before: Snapshot, after: Snapshot): Iterable<Blocker> {
  const covered = new Set(coverings(before).map(({ subnet, address }) => `${subnet} ${address}`));
  const told = new Set<string>();
  for (const { name, subnet, address, node } of coverings(after)) {
    if (covered.has(`${subnet} ${address}`) || told.has(name)) continue;
    // One of them is enough for a network: they are overridden together.
    told.add(name);
    const message = `the subnet ${subnet} would hold the address ${address} of the node "${node}"`;
    yield blocker('subnet-over-underlay', name, message);
  }
}

interface Covering {
  /** Of the network; of the flannel network `flannel/` and its subnet, for no object has a slash in its name. */
  readonly name: string;
  readonly subnet: string;
  readonly address: string;
  readonly node: string;
}

function coverings(snapshot: Snapshot): readonly Covering[] {
  const { flannel, nodes } = snapshot;
  const overlays = [...hostsWithin(new View(snapshot))].map(({ network, text, node }) => ({
    name: network.name,
    subnet: text,
    address: node.address,
    node: node.name,
  }));
  const network = flannel === null || flannel.leaving ? undefined : subnetOrUndefined(flannel.network);
  if (flannel === null || network === undefined) return overlays;
  const inside = [...nodes.values()].filter(({ address }) => addressValue(address) >= network.first && addressValue(address) <= network.last);
  return [...overlays, ...inside.map(({ name, address }) => ({ name: `flannel/${flannel.network}`, subnet: flannel.network, address, node: name }))];
}
