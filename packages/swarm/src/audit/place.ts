import type { NamespaceDump } from '@portolan/dump';
import type { DockerOrigin, ExpectedNamespace } from '../expected.js';
import type { SwarmNode, SwarmService } from '../facts.js';
import type { NamespaceObject } from '../object.js';
import { type Book, oneIn, serviceLabel, serviceOf } from './book.js';
import type { Difference } from './difference.js';
import { conditionValue, markOfRule } from './rule.js';

/** A namespace on a node, with what is needed to say what a difference in it means. */
export interface Place {
  readonly book: Book;
  readonly node: SwarmNode;
  readonly expected: ExpectedNamespace;
  readonly observed: NamespaceDump;
  /** In /var/run/docker/netns. */
  readonly name: string;
}

/** What a difference does to users, and how bad that is. */
export interface Effect {
  readonly severity: 'error' | 'warning';
  readonly consequence: string;
}

export const harm = (consequence: string): Effect => ({ severity: 'error', consequence });
export const warn = (consequence: string): Effect => ({ severity: 'warning', consequence });

export function originOf({ key }: Difference, { expected }: Place): DockerOrigin | undefined {
  return key === null ? undefined : expected.origins.get(key);
}

export function networkName({ book, expected }: Place): string {
  return book.networks.get(expected.networkId ?? '')?.name ?? expected.networkId ?? 'docker_gwbridge';
}

/** Whom requests come from, by the load balancer that they go through: `through node2`, `from tasks on node2`. */
export function wayOf({ expected, node }: Place): string {
  return expected.role === 'ingress' ? `through ${node.name}` : `from tasks on ${node.name}`;
}

/** `api (10.0.1.2) from tasks on node2`, `web:8000 through node2` */
export function servedAs(service: SwarmService | undefined, place: Place): string {
  return `${service === undefined ? 'a service' : serviceLabel(service, place.expected.networkId, place.book)} ${wayOf(place)}`;
}

/** The service that an object of a load balancer is for, also of one that should not be there: by its address, its port, or its mark. */
export function balancedService(difference: Difference, place: Place): SwarmService | undefined {
  const { book, expected } = place;
  const known = serviceOf(originOf(difference, place), book);
  if (known !== undefined) return known;
  const object = difference.expected ?? difference.found;
  if (object === null) return undefined;
  if (object.kind === 'address') return vipOwner(object.address.address, place);
  if (object.kind === 'rule') {
    const { match } = object.rule;
    const port = conditionValue(match, '--dport');
    const vip = conditionValue(match, '-d');
    return port === undefined ? vipOwner(vip ?? '', place) : book.publisherOf(conditionValue(match, '-p') ?? 'tcp', Number(port));
  }
  const mark = object.kind === 'virtual-server' ? object.virtualServer.mark : object.kind === 'real-server' ? object.realServer.mark : undefined;
  return mark === undefined ? undefined : (serviceOfMark(mark, place) ?? serviceOf({ ...(expected.taskId === null ? {} : { taskId: expected.taskId }) }, book));
}

function vipOwner(address: string, { book, expected }: Place): SwarmService | undefined {
  const holder = book.holderOf(expected.networkId, address);
  return holder?.kind === 'vip' ? holder.service : undefined;
}

/** By the rules and real servers that use the mark in this namespace. */
export function serviceOfMark(mark: number, { book, expected, observed }: Place): SwarmService | undefined {
  for (const rule of observed.rules) {
    if (markOfRule(rule) !== mark) continue;
    const holder = book.holderOf(expected.networkId, conditionValue(rule.match, '-d') ?? '');
    if (holder?.kind === 'vip') return holder.service;
    const port = conditionValue(rule.match, '--dport');
    const publisher = port === undefined ? undefined : book.publisherOf(conditionValue(rule.match, '-p') ?? 'tcp', Number(port));
    if (publisher !== undefined) return publisher;
  }
  for (const server of observed.realServers) {
    const holder = server.mark === mark ? book.holderOf(expected.networkId, server.address) : undefined;
    if (holder?.kind === 'task') return book.services.get(holder.task.serviceId);
  }
  return undefined;
}

/** Real servers of a mark that get new connections. */
export function activeServers(mark: number, { observed }: Place): number {
  return new Set(observed.realServers.filter((server) => server.mark === mark && server.weight > 0).map(({ address }) => address)).size;
}

/** `one in three requests to api (10.0.1.2) from tasks on node1 hangs` for each service that a task is a real server of on a network. */
export function shareOfTask(serviceId: string, networkId: string | null, way: string, { book }: Place): string {
  const service = book.services.get(serviceId);
  if (service === undefined || service.mode === 'dnsrr' || !service.vips.some((vip) => vip.networkId === networkId)) return '';
  const count = book.runningOf(serviceId).filter(({ addresses }) => addresses.some((address) => address.networkId === networkId)).length;
  return `${oneIn(count)} to ${serviceLabel(service, networkId, book)} ${way} hangs`;
}

/** The object that a difference is about. */
export function objectOf({ expected, found }: Difference): NamespaceObject | null {
  return expected ?? found;
}

/** Of a link with another MTU than the rest of its way, in bytes: larger packets are lost at one end or the other. */
export function leastMtu({ expected, found }: Difference): number {
  return Math.min(...[expected, found].flatMap((object) => (object?.kind === 'link' ? [object.link.mtu] : [])));
}
