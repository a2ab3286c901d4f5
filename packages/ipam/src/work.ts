import {
  type ClusterSettings,
  type Flannel,
  type Id,
  type Ipv4,
  type Node,
  type NounKind,
  parseCidr,
  parseIpv4,
  type Retired,
  type Snapshot,
  type Subnet,
} from '@portolan/model';
import { alignedEndpoint, alignedService, endpointGatewayRange } from './align.js';
import type { Claims, Holder } from './book.js';
import type { Changes, Drafts, EndpointDraft, NetworkDraft, ServiceDraft } from './drafts.js';
import { type AllocationFault, addressUses, exhaustedMessage, type Field, MAX_FAULTS } from './faults.js';
import type { Ledger } from './ledger.js';

/** A snapshot being changed: the drafts over what stays. */
export class Work {
  readonly base: Snapshot;
  readonly settings: ClusterSettings;
  readonly ledger: Ledger;
  readonly flannel: Flannel | null;
  readonly nodes: Map<Id, Node | null>;
  readonly networks: Map<Id, NetworkDraft | null>;
  readonly services: Map<Id, ServiceDraft | null>;
  readonly endpoints: Map<Id, EndpointDraft | null>;
  /** The networks that a node takes part in, for each node of which this can have changed. */
  readonly participation = new Map<Id, ReadonlySet<Id>>();
  readonly faults: AllocationFault[] = [];
  /** What this change gives up, and what of the base somebody may have again. */
  readonly retired = new Set<Retired>();
  readonly revived = new Set<Retired>();
  readonly #subnets = new Map<Id, readonly Subnet[]>();

  constructor(base: Snapshot, changes: Changes, ledger: Ledger) {
    this.base = base;
    this.settings = changes.settings;
    this.ledger = ledger;
    this.flannel = changes.flannel;
    this.nodes = new Map(changes.nodes);
    this.networks = new Map(changes.networks);
    this.services = new Map(changes.services);
    this.endpoints = new Map(changes.endpoints);
    this.#voidLoadBalancers();
    this.#alignServices();
    this.#takeInEndpoints();
    this.#alignEndpoints();
  }

  /** The draft, else what stays; undefined when there is none or it goes. */
  node(id: Id): Node | undefined {
    const draft = this.nodes.get(id);
    return draft === undefined ? this.base.nodes.get(id) : (draft ?? undefined);
  }

  network(id: Id): NetworkDraft | undefined {
    const draft = this.networks.get(id);
    return draft === undefined ? this.base.networks.get(id) : (draft ?? undefined);
  }

  service(id: Id): ServiceDraft | undefined {
    const draft = this.services.get(id);
    return draft === undefined ? this.base.services.get(id) : (draft ?? undefined);
  }

  endpoint(id: Id): EndpointDraft | undefined {
    const draft = this.endpoints.get(id);
    return draft === undefined ? this.base.endpoints.get(id) : (draft ?? undefined);
  }

  /** All nodes, or all networks, of the result. */
  allNodes(): readonly Node[] {
    return merged(this.base.nodes, this.nodes);
  }

  allNetworks(): readonly NetworkDraft[] {
    return merged<NetworkDraft>(this.base.networks, this.networks);
  }

  /** The entries that say which networks an endpoint is in: those of its service, or its own. */
  networksOf(endpoint: EndpointDraft): readonly { readonly networkId: Id }[] {
    return endpoint.serviceId === null ? endpoint.addresses : (this.service(endpoint.serviceId)?.networks ?? []);
  }

  /** The subnets of a network, the first first, once they are known; else none. */
  subnetsOf(networkId: Id): readonly Subnet[] {
    const known = this.#subnets.get(networkId);
    if (known !== undefined) return known;
    const network = this.network(networkId);
    if (network === undefined || network.subnet === null) return [];
    const subnets = [network.subnet, ...network.extraSubnets.map((extra) => extra.subnet)].map((cidr) => parseCidr(cidr));
    this.#subnets.set(networkId, subnets);
    return subnets;
  }

  fault(fault: AllocationFault): void {
    this.faults.push(fault);
  }

  /** Nobody may have the value until every node has applied this change. */
  retire<Key extends string | number>(claims: Claims<Key>, key: Key, holder: Retired['holder']): void {
    if (claims.retired === null) return;
    const { pool, networkId } = claims.retired.kind;
    const entry: Retired = { pool, networkId, value: String(key), revision: this.base.cluster.revision + 1, holder };
    this.retired.add(entry);
    claims.retired.add(key, entry);
  }

  /** The value may be given again. */
  revive(entry: Retired): void {
    if (!this.retired.delete(entry)) this.revived.add(entry);
    this.ledger.enterRetired(entry, 'remove');
  }

  /** Takes the first free address of a network for the holder, of endpoints in any of its subnets; null, with a fault, when there is none. */
  takeAddress(networkId: Id, holder: Holder, field: 'vip' | 'address' | 'load-balancer'): Ipv4 | null {
    const subnets = this.subnetsOf(networkId);
    const addresses = this.ledger.addressesOf(networkId);
    for (const subnet of field === 'address' ? subnets : subnets.slice(0, 1)) {
      const address = addresses.firstFree(subnet.first + 1, subnet.last - 1);
      if (address === undefined) continue;
      addresses.claim(address, holder);
      return address;
    }
    this.exhausted(holder, field, networkId, field === 'address' ? subnets : subnets.slice(0, 1));
    return null;
  }

  /** Notes that the subnets of a network have no address left. */
  exhausted(holder: Holder, field: Field, networkId: Id, subnets: readonly Subnet[], place: Id | number | undefined = networkId): void {
    const network = this.network(networkId);
    const addresses = this.ledger.addressesOf(networkId);
    const ranges = subnets.map((subnet): [number, number] => [subnet.first + 1, subnet.last - 1]);
    this.fault({
      code: 'pool-exhausted',
      subject: holder,
      field,
      place,
      message: exhaustedMessage({
        pool: `the network "${network?.name}", ${this.#textOf(networkId, subnets)}`,
        size: ranges.reduce((sum, [first, last]) => sum + Math.max(0, last - first + 1), 0),
        unit: ['address', 'addresses'],
        uses: ranges.flatMap(([first, last]) => [...addresses.heldWithin(first, last)].map(([, { kind }]) => addressUses[kind])),
        retired: ranges.reduce((sum, [first, last]) => sum + addresses.retiredWithin(first, last), 0),
      }),
    });
  }

  get full(): boolean {
    return this.faults.length >= MAX_FAULTS;
  }

  changedIds(): Readonly<Record<'nodes' | 'networks' | 'services' | 'endpoints', Iterable<Id>>> {
    return { nodes: this.nodes.keys(), networks: this.networks.keys(), services: this.services.keys(), endpoints: this.endpoints.keys() };
  }

  #textOf(networkId: Id, subnets: readonly Subnet[]): string {
    const network = this.network(networkId);
    const all = [network?.subnet, ...(network?.extraSubnets.map((extra) => extra.subnet) ?? [])];
    const known = this.subnetsOf(networkId);
    return all.filter((_, i) => known[i] !== undefined && subnets.includes(known[i])).join(', ');
  }

  /** Own addresses of nodes in a network that goes or that gets another subnet are void. */
  #voidLoadBalancers(): void {
    const moved = new Set<Id>();
    for (const [id, network] of this.networks) {
      const before = this.base.networks.get(id);
      if (before !== undefined && before.subnet !== network?.subnet) moved.add(id);
    }
    if (moved.size === 0) return;
    for (const node of this.allNodes()) {
      const kept = node.loadBalancers.filter((own) => !moved.has(own.networkId));
      if (kept.length < node.loadBalancers.length) this.nodes.set(node.id, { ...node, loadBalancers: kept });
    }
  }

  #alignServices(): void {
    for (const [id, service] of this.services) {
      if (service === null) continue;
      const aligned = alignedService(service, (networkId) => this.network(networkId)?.ingress === true);
      if (aligned !== service) this.services.set(id, aligned);
    }
  }

  /** Endpoints whose addresses follow from something that changes, though nobody edits them. */
  #takeInEndpoints(): void {
    const ids = new Set<Id>();
    const enter = (some: Iterable<Id>): void => {
      for (const id of some) if (!this.endpoints.has(id)) ids.add(id);
    };
    const { relations } = this.ledger;
    for (const [id, service] of this.services) {
      const before = this.base.services.get(id);
      if (service !== null && before !== undefined && !sameNetworks(before.networks, service.networks)) enter(relations.endpointsOf(id));
    }
    for (const [id, network] of this.networks) {
      const before = this.base.networks.get(id);
      if (network === null || before === undefined) continue;
      // Another way out, or a subnet less: the endpoints' addresses must be looked at again.
      const same = network.internal === before.internal && network.ingress === before.ingress && hasAll(network, before);
      if (same) continue;
      for (const serviceId of relations.servicesOn(id)) enter(relations.endpointsOf(serviceId));
      enter(relations.loneEndpointsIn(id));
    }
    if (this.settings.gatewaySubnet !== this.base.cluster.settings.gatewaySubnet) enter(this.base.endpoints.keys());
    // The ledger's own order tells of its history; the result must not.
    const endpoints = [...ids].flatMap((id) => this.base.endpoints.get(id) ?? []).sort(byName);
    for (const endpoint of endpoints) this.endpoints.set(endpoint.id, endpoint);
  }

  #alignEndpoints(): void {
    const { gatewaySubnet } = this.settings;
    const range = gatewaySubnet === this.base.cluster.settings.gatewaySubnet ? null : endpointGatewayRange(gatewaySubnet);
    for (const [id, endpoint] of this.endpoints) {
      if (endpoint === null) continue;
      const before = this.base.endpoints.get(id);
      const moved = (address: Ipv4): boolean =>
        (before !== undefined && before.nodeId !== endpoint.nodeId) || (range !== null && (parseIpv4(address) < range[0] || parseIpv4(address) > range[1]));
      const aligned = alignedEndpoint(endpoint, this.networksOf(endpoint), (networkId) => this.network(networkId), moved);
      if (aligned !== endpoint) this.endpoints.set(id, aligned);
    }
  }
}

function merged<T extends { readonly id: Id }>(base: ReadonlyMap<Id, T>, changed: ReadonlyMap<Id, T | null>): readonly T[] {
  const result: T[] = [];
  for (const [id, noun] of base) {
    const draft = changed.get(id);
    if (draft === undefined) result.push(noun);
    else if (draft !== null) result.push(draft);
  }
  for (const [id, draft] of changed) if (draft !== null && !base.has(id)) result.push(draft);
  return result;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function sameNetworks(a: readonly { readonly networkId: Id }[], b: readonly { readonly networkId: Id }[]): boolean {
  return a.length === b.length && a.every((x) => b.some((y) => x.networkId === y.networkId));
}

/** Whether a network has all the subnets that it had. */
function hasAll(network: NetworkDraft, before: NetworkDraft): boolean {
  const subnets = [network.subnet, ...network.extraSubnets.map((extra) => extra.subnet)];
  return [before.subnet, ...before.extraSubnets.map((extra) => extra.subnet)].every((subnet) => subnets.includes(subnet));
}

/** Calls `visit` with each draft of the work that stays, by kind in the order of allocation. */
export function eachDraft(work: Work, visit: <K extends NounKind>(kind: K, draft: Drafts[K], before: Drafts[K] | undefined) => void): void {
  for (const [id, draft] of work.networks) if (draft !== null) visit('network', draft, work.base.networks.get(id));
  for (const [id, draft] of work.nodes) if (draft !== null) visit('node', draft, work.base.nodes.get(id));
  for (const [id, draft] of work.services) if (draft !== null) visit('service', draft, work.base.services.get(id));
  for (const [id, draft] of work.endpoints) if (draft !== null) visit('endpoint', draft, work.base.endpoints.get(id));
}
