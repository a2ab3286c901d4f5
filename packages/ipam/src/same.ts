import type { Attachment, HealthCheck, IpvsTimeouts, NounKind } from '@portolan/model';
import type { Drafts } from './drafts.js';

/** True when two nouns say the same, whatever their version and whatever the order of their addresses, networks, aliases and ports. */
export function sameNoun<K extends NounKind>(kind: K, a: Drafts[K], b: Drafts[K]): boolean {
  return a === b || (a.id === b.id && a.name === b.name && sameLabels(a.labels, b.labels) && comparisons[kind](a, b));
}

const comparisons: { readonly [K in NounKind]: (a: Drafts[K], b: Drafts[K]) => boolean } = {
  node: (a, b) =>
    a.role === b.role &&
    a.availability === b.availability &&
    a.address === b.address &&
    a.underlayMtu === b.underlayMtu &&
    a.underlayLink === b.underlayLink &&
    sameList(a.onLink, b.onLink, same) &&
    a.condition === b.condition &&
    sameMembers(a.loadBalancers, b.loadBalancers, sameNetworkAddress),
  network: (a, b) =>
    a.ingress === b.ingress &&
    a.vni === b.vni &&
    a.subnet === b.subnet &&
    a.gateway === b.gateway &&
    a.mtu === b.mtu &&
    a.internal === b.internal &&
    a.attachable === b.attachable &&
    a.dsr === b.dsr &&
    sameTimeouts(a.ipvsTimeouts, b.ipvsTimeouts) &&
    // Their order names the bridges.
    sameList(a.extraSubnets, b.extraSubnets, (x, y) => x.vni === y.vni && x.subnet === y.subnet && x.gateway === y.gateway),
  service: (a, b) =>
    a.endpointMode === b.endpointMode &&
    a.scheduler === b.scheduler &&
    a.persistence === b.persistence &&
    a.drainSeconds === b.drainSeconds &&
    sameHealthCheck(a.healthCheck, b.healthCheck) &&
    sameMembers(
      a.networks,
      b.networks,
      (x, y) => sameNetworkAddress(x, y) && x.mark === y.mark && x.localMark === y.localMark && sameMembers(x.aliases, y.aliases, same),
    ) &&
    sameMembers(a.ports, b.ports, samePort),
  endpoint: (a, b) =>
    a.serviceId === b.serviceId &&
    a.nodeId === b.nodeId &&
    a.weight === b.weight &&
    a.gatewayAddress === b.gatewayAddress &&
    a.presence === b.presence &&
    a.health === b.health &&
    sameDrain(a.drain, b.drain) &&
    sameFlannel(a.flannel, b.flannel) &&
    sameAttachment(a.attachment, b.attachment) &&
    sameMembers(a.aliases, b.aliases, same) &&
    sameMembers(a.addresses, b.addresses, sameNetworkAddress),
};

interface MaybeNetworkAddress {
  readonly networkId: string;
  readonly address: string | null;
}

function sameNetworkAddress(a: MaybeNetworkAddress, b: MaybeNetworkAddress): boolean {
  return a.networkId === b.networkId && a.address === b.address;
}

type PortDraft = Drafts['service']['ports'][number];

function samePort(a: PortDraft, b: PortDraft): boolean {
  return (
    a.protocol === b.protocol &&
    a.published === b.published &&
    a.target === b.target &&
    a.mode === b.mode &&
    a.externalTrafficPolicy === b.externalTrafficPolicy &&
    sameMembers(a.addresses, b.addresses, same) &&
    sameMembers(a.interfaces, b.interfaces, same)
  );
}

function sameTimeouts(a: IpvsTimeouts | null, b: IpvsTimeouts | null): boolean {
  return a === b || (a !== null && b !== null && a.tcp === b.tcp && a.tcpFin === b.tcpFin && a.udp === b.udp);
}

function sameHealthCheck(a: HealthCheck | null, b: HealthCheck | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.kind === b.kind &&
    a.port === b.port &&
    a.path === b.path &&
    a.intervalMs === b.intervalMs &&
    a.timeoutMs === b.timeoutMs &&
    a.failures === b.failures &&
    a.successes === b.successes
  );
}

function sameDrain(a: Drafts['endpoint']['drain'], b: Drafts['endpoint']['drain']): boolean {
  if (a === null || b === null) return a === b;
  return a.revision === b.revision && a.deadline === b.deadline && a.removes === b.removes && a.drained === b.drained;
}

function sameFlannel(a: Drafts['endpoint']['flannel'], b: Drafts['endpoint']['flannel']): boolean {
  if (a === null || b === null) return a === b;
  return a.address === b.address && a.fixed === b.fixed;
}

function same<T>(a: T, b: T): boolean {
  return a === b;
}

function sameList<T>(a: readonly T[], b: readonly T[], equal: (x: T, y: T) => boolean): boolean {
  return a.length === b.length && a.every((x, i) => b[i] !== undefined && equal(x, b[i]));
}

function sameMembers<T>(a: readonly T[], b: readonly T[], equal: (x: T, y: T) => boolean): boolean {
  if (sameList(a, b, equal)) return true;
  return a.length === b.length && a.every((x) => b.some((y) => equal(x, y))) && b.every((y) => a.some((x) => equal(x, y)));
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}

export function sameAttachment(a: Attachment, b: Attachment): boolean {
  if ('netns' in a) return 'netns' in b && a.netns === b.netns;
  if ('pid' in a) return 'pid' in b && a.pid === b.pid;
  return 'container' in b && a.container === b.container;
}
