import { printRealServer, printRule, printVirtualServer } from '@portolan/dump';
import { macOfIpv4, parseCidr } from '@portolan/model';
import {
  dockerState,
  type ExpectedNamespace,
  type Swarm,
  type SwarmAddress,
  type SwarmContainer,
  type SwarmNetwork,
  type SwarmNode,
  type SwarmPort,
  type SwarmService,
  type SwarmTask,
} from '@portolan/swarm';

/** A swarm in short: what is left out is as Docker has it by default. Ids are names, filled up to their length. */
export interface SwarmSketch {
  readonly nodes: readonly NodeSketch[];
  readonly networks: readonly (Pick<SwarmNetwork, 'name' | 'subnets'> & Partial<SwarmNetwork>)[];
  readonly services?: readonly ServiceSketch[];
  readonly tasks?: readonly TaskSketch[];
}
/** `on`: the address of its load balancer by network. */
export interface NodeSketch extends Partial<Omit<SwarmNode, 'name' | 'containers' | 'balancers'>> {
  readonly name: string;
  readonly on: Readonly<Record<string, string>> | null;
  readonly containers?: readonly (Omit<SwarmContainer, 'addresses'> & { readonly on: Readonly<Record<string, string>> })[];
}
/** `on`: its VIP by network. */
export interface ServiceSketch extends Partial<Omit<SwarmService, 'name' | 'vips' | 'networks'>> {
  readonly name: string;
  readonly on?: Readonly<Record<string, string>>;
}
/** `on`: its address by network. */
export interface TaskSketch extends Partial<Omit<SwarmTask, 'addresses'>> {
  readonly name: string;
  readonly service: string;
  readonly node: string;
  readonly on: Readonly<Record<string, string>>;
}

export function idOf(name: string): string {
  return name.padEnd(25, '0');
}

/** Name of the namespace of a task of a sketch. */
export function sandboxOf(name: string): string {
  return name.padEnd(12, 'f');
}

export function published(number: number, target: number, more: Partial<SwarmPort> = {}): SwarmPort {
  return { protocol: 'tcp', target, published: number, mode: 'ingress', ...more };
}

export function swarmOf({ nodes, networks, services = [], tasks = [] }: SwarmSketch): Swarm {
  const prefixes = new Map(networks.map(({ name, subnets: [first] }) => [name, parseCidr(first?.subnet ?? '').prefixLength]));
  const addressesOf = (on: Readonly<Record<string, string>>): SwarmAddress[] =>
    Object.entries(on).map(([name, address]) => ({ networkId: idOf(name), address, prefixLength: prefixes.get(name) ?? 32, mac: macOfIpv4(address) }));
  return {
    nodes: nodes.map(({ on, containers = [], ...node }, i) => ({
      id: idOf(node.name),
      role: 'worker',
      availability: 'active',
      state: 'ready',
      address: `172.16.0.${i + 1}`,
      engineVersion: '20.10.24',
      balancers: on === null ? null : addressesOf(on).map(({ networkId, address, mac }) => ({ networkId, address, mac })),
      gateway: null,
      containers: containers.map(({ on: places, ...container }) => ({ ...container, addresses: addressesOf(places) })),
      ...node,
    })),
    networks: networks.map((network) => ({
      id: idOf(network.name),
      ingress: false,
      mtu: 1500,
      encrypted: false,
      dsr: false,
      internal: false,
      attachable: false,
      ...network,
    })),
    services: services.map(({ on = {}, ...service }) => ({
      id: idOf(service.name),
      mode: 'vip',
      ports: [],
      vips: Object.entries(on).map(([name, address]) => ({ networkId: idOf(name), address })),
      networks: [],
      ...service,
    })),
    tasks: tasks.map(({ on, service, node, ...task }) => ({
      id: idOf(task.name),
      serviceId: idOf(service),
      nodeId: idOf(node),
      containerId: null,
      state: 'running',
      sandbox: sandboxOf(task.name),
      hostPorts: [],
      addresses: addressesOf(on),
      ...task,
    })),
  };
}

/** One namespace of a node of a sketch, by the name of both. */
export function namespaceOf(swarm: Swarm, node: string, name: string): ExpectedNamespace {
  const found = dockerState(swarm, idOf(node)).find((namespace) => namespace.name === name);
  if (found === undefined) throw new Error(`${node} has no namespace ${name}`);
  return found;
}

/** Its rules of one chain as iptables-save prints them. */
export function rulesOf({ dump }: ExpectedNamespace, table: string, chain: string): string[] {
  return dump.rules.filter((rule) => rule.table === table && rule.chain === chain).map(printRule);
}

export function serversOf({ dump }: ExpectedNamespace): string[] {
  return [...dump.virtualServers.map(printVirtualServer), ...dump.realServers.map(printRealServer)];
}

/** Addresses by link. */
export function addressesOf({ dump }: ExpectedNamespace): Record<string, string[]> {
  return Object.fromEntries(dump.links.map(({ name, addresses }) => [name, addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`)]));
}

/** How many ports each bridge has besides its VTEP. */
export function portsOf({ dump }: ExpectedNamespace): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind, master } of dump.links) if (kind === 'veth' && master !== null) counts[master] = (counts[master] ?? 0) + 1;
  return counts;
}

/** Keys of what may be missing, by what they begin with. */
export function optionalOf({ optional }: ExpectedNamespace, kind: string): string[] {
  return [...optional].filter((key) => key.startsWith(`${kind}/`)).map((key) => key.slice(kind.length + 1));
}
