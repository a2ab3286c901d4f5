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
import type { ClusterSettings, Flannel, Id, Node, ServiceNetwork, Snapshot } from '@portolan/model';
import { endpointDefaults, networkDefaults, nodeDefaults, portDefaults, serviceDefaults } from '@portolan/testkit';
import { expect } from 'vitest';

const identity = (id: Id) => ({ id, name: id });

export const node = (id: Id, address: string): Node => ({ ...nodeDefaults, ...identity(id), address });

export const network = (id: Id, own: Partial<NetworkDraft> = {}): NetworkDraft => ({
  ...networkDefaults,
  ...identity(id),
  vni: null,
  subnet: null,
  gateway: null,
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
  ...serviceDefaults,
  ...identity(id),
  networks: networks.map((networkId) => joined(networkId)),
  ...own,
});

export const port = (own: Partial<PublishedPortDraft> = {}): PublishedPortDraft => ({ ...portDefaults, published: null, target: 80, ...own });

/** `networks`: of an endpoint without a service. */
export const endpoint = (id: Id, serviceId: Id | null, nodeId: Id, networks: readonly Id[] = [], own: Partial<EndpointDraft> = {}): EndpointDraft => ({
  ...endpointDefaults,
  ...identity(id),
  serviceId,
  nodeId,
  attachment: { netns: `/run/netns/${id}` },
  addresses: networks.map((networkId) => ({ networkId, address: null })),
  ...own,
});

export const mesh = network('mesh', { ingress: true });
export const published = { ports: [port()] };

export type Draft = { readonly [K in keyof Drafts]?: readonly (Drafts[K] | string)[] } & {
  readonly settings?: Partial<ClusterSettings>;
  readonly flannel?: Flannel;
};

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
    flannel: draft.flannel === undefined ? base.flannel : draft.flannel,
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
