import type { Ipv4 } from '@portolan/model';
import type { DockerOrigin } from '../expected.js';
import type { Swarm, SwarmNetwork, SwarmNode, SwarmPort, SwarmService, SwarmTask } from '../facts.js';
import { grouped } from './group.js';

/** Who has an address on a network. */
export type Holder =
  | { readonly kind: 'task'; readonly task: SwarmTask }
  | { readonly kind: 'balancer'; readonly node: SwarmNode }
  | { readonly kind: 'container'; readonly containerId: string; readonly node: SwarmNode }
  | { readonly kind: 'vip'; readonly service: SwarmService };

/** Looks up who and what in a swarm is meant; made once for an audit. */
export interface Book {
  readonly nodes: ReadonlyMap<string, SwarmNode>;
  readonly networks: ReadonlyMap<string, SwarmNetwork>;
  readonly services: ReadonlyMap<string, SwarmService>;
  readonly tasks: ReadonlyMap<string, SwarmTask>;
  readonly ingress: SwarmNetwork | undefined;
  readonly holderOf: (networkId: string | null, address: Ipv4) => Holder | undefined;
  /** Tasks that run, of a service. */
  readonly runningOf: (serviceId: string) => readonly SwarmTask[];
  readonly tasksOn: (nodeId: string) => readonly SwarmTask[];
  readonly publisherOf: (protocol: string, published: number) => SwarmService | undefined;
}

export function bookOf(swarm: Swarm): Book {
  const nodes = byId(swarm.nodes);
  const holders = new Map<string, Holder>();
  for (const node of swarm.nodes) {
    for (const { networkId, address } of node.balancers ?? []) holders.set(`${networkId} ${address}`, { kind: 'balancer', node });
    for (const { containerId, addresses } of node.containers) {
      for (const { networkId, address } of addresses) holders.set(`${networkId} ${address}`, { kind: 'container', containerId, node });
    }
  }
  for (const service of swarm.services) for (const { networkId, address } of service.vips) holders.set(`${networkId} ${address}`, { kind: 'vip', service });
  for (const task of swarm.tasks) for (const { networkId, address } of task.addresses) holders.set(`${networkId} ${address}`, { kind: 'task', task });
  const running = grouped(
    swarm.tasks.filter(({ state }) => state === 'running'),
    ({ serviceId }) => serviceId,
  );
  const onNode = grouped(swarm.tasks, ({ nodeId }) => nodeId);
  const publishers = new Map<string, SwarmService>();
  for (const service of swarm.services) {
    for (const { mode, protocol, published } of service.ports) if (mode === 'ingress') publishers.set(`${protocol} ${published}`, service);
  }
  return {
    nodes,
    networks: byId(swarm.networks),
    services: byId(swarm.services),
    tasks: byId(swarm.tasks),
    ingress: swarm.networks.find(({ ingress }) => ingress),
    holderOf: (networkId, address) => holders.get(`${networkId} ${address}`),
    runningOf: (serviceId) => running.get(serviceId) ?? [],
    tasksOn: (nodeId) => onNode.get(nodeId) ?? [],
    publisherOf: (protocol, published) => publishers.get(`${protocol} ${published}`),
  };
}

function byId<T extends { readonly id: string }>(items: readonly T[]): ReadonlyMap<string, T> {
  return new Map(items.map((item) => [item.id, item]));
}

/** `api.3`; of a global service, which has one task on each node, `edge on node2`. */
export function taskName({ name, nodeId }: SwarmTask, { nodes }: Book): string {
  const [service = name, slot = ''] = name.split('.');
  return /^[0-9]+$/.test(slot) ? `${service}.${slot}` : `${service} on ${nodes.get(nodeId)?.name ?? nodeId}`;
}

export function holderName(holder: Holder, book: Book): string {
  switch (holder.kind) {
    case 'task':
      return `task ${taskName(holder.task, book)} on ${book.nodes.get(holder.task.nodeId)?.name ?? holder.task.nodeId}`;
    case 'balancer':
      return `load balancer of ${holder.node.name}`;
    case 'container':
      return `container ${holder.containerId.slice(0, 12)} on ${holder.node.name}`;
    case 'vip':
      return `VIP of ${holder.service.name}`;
  }
}

/** The service that an object is for: by itself, or by its task. */
export function serviceOf(origin: DockerOrigin | undefined, { services, tasks }: Book): SwarmService | undefined {
  const { serviceId, taskId } = origin ?? {};
  return services.get(serviceId ?? tasks.get(taskId ?? '')?.serviceId ?? '');
}

/** `web:8000`, `dns:6000/udp` */
export function portName({ name }: SwarmService, { protocol, published }: Pick<SwarmPort, 'protocol' | 'published'>): string {
  return `${name}:${published}${protocol === 'tcp' ? '' : `/${protocol}`}`;
}

/** A service as the users of a network call it: by its published ports on ingress, with its VIP elsewhere. */
export function serviceLabel(service: SwarmService, networkId: string | null, { ingress }: Book): string {
  const ports = service.ports.filter(({ mode }) => mode === 'ingress');
  if (networkId === ingress?.id && ports.length > 0) return listed(ports.map((port) => portName(service, port)));
  const vip = service.vips.find((it) => it.networkId === networkId)?.address;
  return vip === undefined ? service.name : `${service.name} (${vip})`;
}

/** `a`, `a and b`, `a, b and c` */
export function listed(words: readonly string[], join = 'and'): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} ${join} ${words.at(-1)}`;
}

const numbers = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

/** `two in three requests` */
export function someIn(count: number, total: number): string {
  if (count >= total) return 'every request';
  return count === 1 ? oneIn(total) : `${numbers[count] ?? count} in ${numbers[total] ?? total} requests`;
}

/** `one in three requests`; of one that is `every request`. */
export function oneIn(count: number): string {
  return count <= 1 ? 'every request' : `one in ${numbers[count] ?? count} requests`;
}
