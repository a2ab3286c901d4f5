import type { Attachment, NounKind } from '@portolan/model';
import type { Drafts } from './drafts.js';

/** True when two nouns say the same, whatever their version and whatever the order of their addresses, VIPs and ports. */
export function sameNoun<K extends NounKind>(kind: K, a: Drafts[K], b: Drafts[K]): boolean {
  return a === b || (a.id === b.id && a.name === b.name && sameLabels(a.labels, b.labels) && comparisons[kind](a, b));
}

const comparisons: { readonly [K in NounKind]: (a: Drafts[K], b: Drafts[K]) => boolean } = {
  node: (a, b) =>
    a.role === b.role && a.availability === b.availability && a.address === b.address && sameMembers(a.loadBalancers, b.loadBalancers, sameNetworkAddress),
  network: (a, b) => a.ingress === b.ingress && a.vni === b.vni && a.subnet === b.subnet && a.gateway === b.gateway && a.mtu === b.mtu,
  service: (a, b) =>
    a.scheduler === b.scheduler &&
    sameMembers(a.vips, b.vips, (x, y) => sameNetworkAddress(x, y) && x.mark === y.mark) &&
    sameMembers(a.ports, b.ports, (x, y) => x.protocol === y.protocol && x.published === y.published && x.target === y.target),
  endpoint: (a, b) =>
    a.serviceId === b.serviceId &&
    a.nodeId === b.nodeId &&
    a.weight === b.weight &&
    a.presence === b.presence &&
    sameAttachment(a.attachment, b.attachment) &&
    sameMembers(a.addresses, b.addresses, sameNetworkAddress),
};

interface MaybeNetworkAddress {
  readonly networkId: string;
  readonly address: string | null;
}

function sameNetworkAddress(a: MaybeNetworkAddress, b: MaybeNetworkAddress): boolean {
  return a.networkId === b.networkId && a.address === b.address;
}

function sameMembers<T>(a: readonly T[], b: readonly T[], same: (x: T, y: T) => boolean): boolean {
  return a.length === b.length && a.every((x, i) => (b[i] !== undefined && same(x, b[i])) || b.some((y) => same(x, y)));
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
