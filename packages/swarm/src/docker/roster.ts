import { type Ipv4, parseCidr, parseIpv4, type Subnet, VXLAN_OVERHEAD } from '@portolan/model';
import type { DockerOrigin } from '../expected.js';
import type { Swarm, SwarmAddress, SwarmContainer, SwarmNetwork, SwarmNode, SwarmPort, SwarmService, SwarmTask } from '../facts.js';
import type { Presence } from './piece.js';

/** A task, or a container that is none, on its node. */
export interface Resident {
  readonly node: SwarmNode;
  readonly task: SwarmTask | null;
  readonly container: SwarmContainer | null;
  readonly service: SwarmService | null;
  readonly sandbox: string | null;
  readonly addresses: readonly SwarmAddress[];
  /** It runs on a node that is ready: what is for it is there, on all nodes. */
  readonly certain: boolean;
  /** Of its real servers. */
  readonly serving: Presence;
  readonly origin: DockerOrigin;
}

/** A resident with its address on one network. */
export interface Member {
  readonly resident: Resident;
  readonly address: SwarmAddress;
}

/** A subnet with what carries it in the overlay's namespace. */
export interface Segment {
  readonly subnet: string;
  readonly range: Subnet;
  readonly gateway: Ipv4;
  readonly vni: number;
  readonly bridge: string;
  readonly vtep: string;
  /** Somebody is in it for certain. */
  readonly certain: boolean;
}

/** A service with its VIP on one network and the tasks behind it. */
export interface Offer {
  readonly service: SwarmService;
  readonly vip: Ipv4;
  readonly mark: number;
  readonly members: readonly Member[];
  /** A task of it runs, so that it is programmed. */
  readonly certain: boolean;
  /** Of mode ingress; none on other networks. */
  readonly ports: readonly SwarmPort[];
}

export interface Balancer {
  readonly node: SwarmNode;
  readonly address: Ipv4;
  readonly mac: string;
  /** Its network has to be on its node: it is ingress, or somebody there needs it. */
  readonly certain: boolean;
}

/** Who takes part in one network: the same for every node. */
export interface NetworkRoster {
  readonly network: SwarmNetwork;
  /** Of the links of the overlay, in bytes. */
  readonly mtu: number;
  /** Those that somebody is in, in the order of the network. */
  readonly segments: readonly Segment[];
  /** By id of the node. */
  readonly members: ReadonlyMap<string, readonly Member[]>;
  /** By id of the node, where they were collected. */
  readonly balancers: ReadonlyMap<string, Balancer>;
  /** Services with a VIP and at least one task that may be there. */
  readonly offers: readonly Offer[];
}

export interface SwarmIndex {
  readonly nodes: ReadonlyMap<string, SwarmNode>;
  /** Of all networks, by id. */
  readonly rosters: ReadonlyMap<string, NetworkRoster>;
  /** By id of the node. */
  readonly residents: ReadonlyMap<string, readonly Resident[]>;
  /** Nodes of which nothing was collected. */
  readonly silent: readonly SwarmNode[];
}

/** Docker's first mark. Its nodes count in the order of arrival; here a service has the same mark on one network everywhere. */
const FIRST_MARK = 256;
/** Bytes that ESP adds to an encrypted packet, as Docker counts them. */
const ENCRYPTION_OVERHEAD = 26;

/** What `dockerState` needs of a swarm for all of its nodes; to be made once. */
export function swarmIndex(swarm: Swarm): SwarmIndex {
  const nodes = new Map(swarm.nodes.map((node) => [node.id, node]));
  const services = new Map(swarm.services.map((service) => [service.id, service]));
  const residents = new Map<string, Resident[]>();
  const members = new Map<string, Member[]>();
  const settle = (resident: Resident): void => {
    append(residents, resident.node.id, resident);
    for (const address of resident.addresses) append(members, address.networkId, { resident, address });
  };
  for (const task of swarm.tasks) {
    const node = nodes.get(task.nodeId);
    if (node !== undefined) settle(residentOfTask(task, node, services.get(task.serviceId) ?? null));
  }
  for (const node of swarm.nodes) for (const container of node.containers) settle(residentOfContainer(container, node));

  const balancers = new Map<string, { node: SwarmNode; address: Ipv4; mac: string }[]>();
  for (const node of swarm.nodes) {
    for (const { networkId, address, mac } of node.balancers ?? []) append(balancers, networkId, { node, address, mac });
  }
  const offered = new Map<string, { service: SwarmService; vip: Ipv4; mark: number }[]>();
  let mark = FIRST_MARK;
  for (const service of swarm.services) {
    if (service.mode !== 'vip') continue;
    for (const { networkId, address } of service.vips) append(offered, networkId, { service, vip: address, mark: mark++ });
  }

  const rosters = new Map<string, NetworkRoster>();
  for (const network of swarm.networks) {
    const { id, ingress } = network;
    const ofNetwork = members.get(id) ?? [];
    const byNode = new Map<string, Member[]>();
    const byService = new Map<string, Member[]>();
    for (const member of ofNetwork) {
      append(byNode, member.resident.node.id, member);
      if (member.resident.service !== null) append(byService, member.resident.service.id, member);
    }
    const isCertain = (member: Member): boolean => member.resident.certain;
    const placed = (balancers.get(id) ?? []).map(
      (balancer): Balancer => ({ ...balancer, certain: isReady(balancer.node) && (ingress || (byNode.get(balancer.node.id)?.some(isCertain) ?? false)) }),
    );
    rosters.set(id, {
      network,
      mtu: linkMtu(network),
      segments: segmentsOf(network, [...placed, ...ofNetwork.map(({ resident: { certain }, address: { address } }) => ({ address, certain }))]),
      members: byNode,
      balancers: new Map(placed.map((balancer) => [balancer.node.id, balancer])),
      offers: (offered.get(id) ?? []).flatMap(({ service, ...place }): readonly Offer[] => {
        const behind = byService.get(service.id) ?? [];
        const ports = ingress ? service.ports.filter(({ mode }) => mode === 'ingress') : [];
        return behind.length === 0 ? [] : [{ service, ...place, members: behind, certain: behind.some(isCertain), ports }];
      }),
    });
  }
  return { nodes, rosters, residents, silent: swarm.nodes.filter((node) => node.balancers === null) };
}

/** The segment that an address is in; undefined of an address outside the network. */
export function segmentOf({ segments }: Pick<NetworkRoster, 'segments'>, address: Ipv4): Segment | undefined {
  if (segments.length === 1) return segments[0];
  const value = parseIpv4(address);
  return segments.find(({ range }) => range.first <= value && value <= range.last);
}

function isReady({ state }: SwarmNode): boolean {
  return state === 'ready';
}

function residentOfTask(task: SwarmTask, node: SwarmNode, service: SwarmService | null): Resident {
  const { id, containerId, sandbox, addresses, state } = task;
  // Of a node that went silent the others drop what was there, some sooner than others.
  const certain = state === 'running' && isReady(node);
  return {
    node,
    task,
    container: null,
    service,
    sandbox,
    addresses,
    certain,
    serving: certain ? 'required' : state === 'starting' ? 'optional' : 'draining',
    origin: { ...(service === null ? {} : { serviceId: service.id }), taskId: id, nodeId: node.id, ...(containerId === null ? {} : { containerId }) },
  };
}

function residentOfContainer(container: SwarmContainer, node: SwarmNode): Resident {
  const { containerId, sandbox, addresses } = container;
  const certain = isReady(node);
  return { node, task: null, container, service: null, sandbox, addresses, certain, serving: 'optional', origin: { containerId, nodeId: node.id } };
}

function linkMtu({ mtu, encrypted }: SwarmNetwork): number {
  const plain = mtu - VXLAN_OVERHEAD;
  if (!encrypted) return plain;
  const padded = plain - ENCRYPTION_OVERHEAD;
  return padded - (padded % 4);
}

/** Docker makes a bridge and a VTEP for a subnet when somebody of it appears, on this node or on another. */
function segmentsOf({ subnets }: SwarmNetwork, present: readonly { readonly address: Ipv4; readonly certain: boolean }[]): readonly Segment[] {
  const ranges = subnets.map(({ subnet }) => parseCidr(subnet));
  const seen = new Map<number, boolean>();
  for (const { address, certain } of present) {
    const value = subnets.length === 1 ? 0 : parseIpv4(address);
    const at = subnets.length === 1 ? 0 : ranges.findIndex(({ first, last }) => first <= value && value <= last);
    if (at >= 0) seen.set(at, (seen.get(at) ?? false) || certain);
  }
  const segments: Segment[] = [];
  for (const [i, { subnet, gateway, vni }] of subnets.entries()) {
    const range = ranges[i];
    const certain = seen.get(i);
    if (range === undefined || certain === undefined) continue;
    const number = segments.length;
    segments.push({ subnet, range, gateway, vni, bridge: `br${number}`, vtep: `vxlan${number}`, certain });
  }
  return segments;
}

/** Appends to the list of a key. */
function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
