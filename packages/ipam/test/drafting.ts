import { checkSnapshot } from '@portolan/check';
import {
  type Allocation,
  allocate as allocation,
  type Changes,
  type Drafts,
  type EndpointDraft,
  type NetworkDraft,
  type PublishedPortDraft,
  type ServiceDraft,
} from '@portolan/ipam';
import type { ClusterSettings, Id, Node, ServiceNetwork, Snapshot } from '@portolan/model';
import { expect } from 'vitest';

const stored = (id: Id) => ({ id, name: id, version: 1, labels: {} });

export const node = (id: Id, address: string): Node => ({
  ...stored(id),
  role: 'worker',
  availability: 'active',
  address,
  loadBalancers: [],
  underlayMtu: null,
  condition: 'unknown',
});

export const network = (id: Id, own: Partial<NetworkDraft> = {}): NetworkDraft => ({
  ...stored(id),
  ingress: false,
  vni: null,
  subnet: null,
  gateway: null,
  extraSubnets: [],
  mtu: null,
  internal: false,
  attachable: false,
  dsr: false,
  ipvsTimeouts: null,
  ...own,
});

export const joined = (networkId: Id, own: Partial<ServiceNetwork> = {}): ServiceNetwork => ({
  networkId,
  address: null,
  mark: null,
  localMark: null,
  aliases: [],
  ...own,
});

export const service = (id: Id, networks: readonly Id[], own: Partial<ServiceDraft> = {}): ServiceDraft => ({
  ...stored(id),
  endpointMode: 'vip',
  scheduler: 'rr',
  persistence: 0,
  networks: networks.map((networkId) => joined(networkId)),
  ports: [],
  healthCheck: null,
  drainSeconds: null,
  ...own,
});

export const port = (own: Partial<PublishedPortDraft> = {}): PublishedPortDraft => ({
  protocol: 'tcp',
  published: null,
  target: 80,
  mode: 'ingress',
  externalTrafficPolicy: 'cluster',
  addresses: [],
  interfaces: [],
  ...own,
});

/** `networks`: of an endpoint without a service. */
export const endpoint = (id: Id, serviceId: Id | null, nodeId: Id, networks: readonly Id[] = [], own: Partial<EndpointDraft> = {}): EndpointDraft => ({
  ...stored(id),
  serviceId,
  nodeId,
  attachment: { netns: `/run/netns/${id}` },
  weight: 1,
  addresses: networks.map((networkId) => ({ networkId, address: null })),
  aliases: [],
  gatewayAddress: null,
  presence: 'unknown',
  health: 'unknown',
  drain: null,
  ...own,
});

export const mesh = network('mesh', { ingress: true });
export const published = { ports: [port()] };

export type Draft = { readonly [K in keyof Drafts]?: readonly (Drafts[K] | string)[] } & { readonly settings?: Partial<ClusterSettings> };

/** A string deletes the object of that id. */
function changesTo(base: Snapshot, draft: Draft): Changes {
  const byId = <T extends { readonly id: Id }>(drafts: readonly (T | string)[] = []): Map<Id, T | null> =>
    new Map(drafts.map((d): [Id, T | null] => (typeof d === 'string' ? [d, null] : [d.id, d])));
  return {
    settings: draft.settings === undefined ? base.cluster.settings : { ...base.cluster.settings, ...draft.settings },
    nodes: byId(draft.node),
    networks: byId(draft.network),
    services: byId(draft.service),
    endpoints: byId(draft.endpoint),
  };
}

function snapshotOf(result: Allocation): Snapshot {
  if ('faults' in result) throw new Error(JSON.stringify(result.faults));
  expect(checkSnapshot(result.snapshot).filter((finding) => finding.severity === 'block')).toEqual([]);
  return result.snapshot;
}

/** The result, which `check` finds sound. */
export function allocate(base: Snapshot, draft: Draft): Snapshot {
  return snapshotOf(allocation(base, changesTo(base, draft)));
}

/** What is committed after it: the revision is one more when something changed. */
export function committed(base: Snapshot, draft: Draft): Snapshot {
  const after = allocate(base, draft);
  return after === base ? base : { ...after, cluster: { ...after.cluster, revision: base.cluster.revision + 1 } };
}

export interface Fault {
  readonly code: string;
  readonly field: string;
  readonly message: string;
  readonly id: Id;
}

/** The first fault of a change that must be refused. */
export function faultOf(base: Snapshot, draft: Draft): Fault {
  const result = allocation(base, changesTo(base, draft));
  if (!('faults' in result)) throw new Error('allocated, though it must not be');
  const [{ code, field, message, subject }] = result.faults;
  return { code, field, message, id: subject.id };
}
