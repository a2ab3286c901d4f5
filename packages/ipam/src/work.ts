import { type ClusterSettings, type Endpoint, type Id, type Ipv4, type Node, type NounKind, parseCidr, type Snapshot, type Subnet } from '@portolan/model';
import type { Holder } from './book.js';
import type { Changes, Drafts, NetworkDraft, ServiceDraft } from './drafts.js';
import { type AllocationFault, countRoles, type Field, MAX_FAULTS } from './faults.js';
import type { Ledger } from './ledger.js';

/** A snapshot being changed: the drafts over what stays. */
export class Work {
  readonly base: Snapshot;
  readonly settings: ClusterSettings;
  readonly ledger: Ledger;
  readonly nodes: Map<Id, Node | null>;
  readonly networks: Map<Id, NetworkDraft | null>;
  readonly services: Map<Id, ServiceDraft | null>;
  readonly endpoints: Map<Id, Endpoint | null>;
  /** The networks that a node takes part in, for each node of which this can have changed. */
  readonly participation = new Map<Id, ReadonlySet<Id>>();
  readonly faults: AllocationFault[] = [];
  readonly #subnets = new Map<Id, Subnet>();

  constructor(base: Snapshot, changes: Changes, ledger: Ledger) {
    this.base = base;
    this.settings = changes.settings;
    this.ledger = ledger;
    this.nodes = new Map(changes.nodes);
    this.networks = new Map(changes.networks);
    this.services = new Map(changes.services);
    this.endpoints = new Map(changes.endpoints);
    this.#voidLoadBalancers();
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

  /** All nodes, or all networks, of the result. */
  allNodes(): readonly Node[] {
    return merged(this.base.nodes, this.nodes);
  }

  allNetworks(): readonly NetworkDraft[] {
    return merged<NetworkDraft>(this.base.networks, this.networks);
  }

  /** The subnet of a network once it is known. */
  subnetOf(networkId: Id): Subnet | undefined {
    const known = this.#subnets.get(networkId);
    if (known !== undefined) return known;
    const cidr = this.network(networkId)?.subnet ?? null;
    if (cidr === null) return undefined;
    const subnet = parseCidr(cidr);
    this.#subnets.set(networkId, subnet);
    return subnet;
  }

  fault(fault: AllocationFault): void {
    this.faults.push(fault);
  }

  /** Takes the first free address of a network for the holder; null, with a fault, when there is none. */
  takeAddress(networkId: Id, holder: Holder, field: 'vip' | 'address' | 'load-balancer'): Ipv4 | null {
    const subnet = this.subnetOf(networkId);
    const addresses = this.ledger.addressesOf(networkId);
    const address = subnet === undefined ? undefined : addresses.firstFree(subnet.first + 1, subnet.last - 1);
    if (address === undefined) {
      this.exhausted(holder, field, networkId);
      return null;
    }
    addresses.claim(address, holder);
    return address;
  }

  /** Notes that a network has no address left. */
  exhausted(holder: Holder, field: Field, networkId: Id): void {
    const subnet = this.subnetOf(networkId);
    const network = this.network(networkId);
    const size = subnet === undefined ? 0 : Math.max(0, subnet.last - subnet.first - 1);
    this.fault({
      code: 'pool-exhausted',
      subject: holder,
      field,
      place: networkId,
      message: `the network "${network?.name}" (${network?.subnet}, ${size} addresses) has no free address: ${countRoles(this.ledger.addressesOf(networkId).holders())}`,
    });
  }

  get full(): boolean {
    return this.faults.length >= MAX_FAULTS;
  }

  changedIds(): Readonly<Record<'nodes' | 'networks' | 'services' | 'endpoints', Iterable<Id>>> {
    return { nodes: this.nodes.keys(), networks: this.networks.keys(), services: this.services.keys(), endpoints: this.endpoints.keys() };
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

  /** An endpoint has an address in each network of its service: when these change, so does the endpoint. */
  #takeInEndpoints(): void {
    for (const [id, service] of this.services) {
      const before = this.base.services.get(id);
      if (service === null || before === undefined || sameNetworks(before.vips, service.vips)) continue;
      for (const endpointId of this.ledger.relations.endpointsOf(id)) {
        const endpoint = this.base.endpoints.get(endpointId);
        if (endpoint !== undefined && !this.endpoints.has(endpointId)) this.endpoints.set(endpointId, endpoint);
      }
    }
  }

  #alignEndpoints(): void {
    for (const [id, endpoint] of this.endpoints) {
      if (endpoint === null) continue;
      const networks = new Set(this.service(endpoint.serviceId)?.vips.map((vip) => vip.networkId));
      if (endpoint.addresses.every((address) => networks.has(address.networkId))) continue;
      this.endpoints.set(id, { ...endpoint, addresses: endpoint.addresses.filter((address) => networks.has(address.networkId)) });
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

function sameNetworks(a: readonly { readonly networkId: Id }[], b: readonly { readonly networkId: Id }[]): boolean {
  return a.length === b.length && a.every((x) => b.some((y) => x.networkId === y.networkId));
}

/** Calls `visit` with each draft of the work that stays, by kind in the order of allocation. */
export function eachDraft(work: Work, visit: <K extends NounKind>(kind: K, draft: Drafts[K], before: Drafts[K] | undefined) => void): void {
  for (const [id, draft] of work.networks) if (draft !== null) visit('network', draft, work.base.networks.get(id));
  for (const [id, draft] of work.nodes) if (draft !== null) visit('node', draft, work.base.nodes.get(id));
  for (const [id, draft] of work.services) if (draft !== null) visit('service', draft, work.base.services.get(id));
  for (const [id, draft] of work.endpoints) if (draft !== null) visit('endpoint', draft, work.base.endpoints.get(id));
}
