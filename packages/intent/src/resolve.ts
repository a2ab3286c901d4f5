import { type Drafts, sameAttachment, sameNoun } from '@portolan/ipam';
import type { Endpoint, Id, NounKind } from '@portolan/model';
import type { Edit } from './edit.js';
import { nounsOf } from './find.js';
import { resolveService } from './resolve-service.js';
import type { NounSpecs } from './types.js';

/** Makes the spec the draft of the object `id`, which may exist already. Problems are added to the edit. */
export function resolveSpec<K extends NounKind>(edit: Edit, kind: K, id: Id, spec: NounSpecs[K], path: string): void {
  edit.addSource(id, { kind, path, spec });
  const before = nounsOf(edit.base, kind).get(id);
  const draft = resolvers[kind](edit, id, spec, path, before);
  if (draft === undefined || (before !== undefined && sameNoun(kind, before, draft))) return;
  setDraft[kind](edit, draft);
}

type Resolver<K extends NounKind> = (edit: Edit, id: Id, spec: NounSpecs[K], path: string, before: Drafts[K] | undefined) => Drafts[K] | undefined;

const setDraft: { readonly [K in NounKind]: (edit: Edit, draft: Drafts[K]) => void } = {
  node: (edit, draft) => edit.nodes.set(draft.id, draft),
  network: (edit, draft) => edit.networks.set(draft.id, draft),
  service: (edit, draft) => edit.services.set(draft.id, draft),
  endpoint: (edit, draft) => edit.endpoints.set(draft.id, draft),
};

/** Bytes of the outer Ethernet, IPv4, UDP and VXLAN headers. */
const VXLAN_OVERHEAD = 50;

const resolvers: { readonly [K in NounKind]: Resolver<K> } = {
  node: (_edit, id, spec, _path, before) => ({
    id,
    name: spec.name,
    version: before?.version ?? 1,
    labels: spec.labels ?? {},
    role: spec.role ?? 'worker',
    availability: spec.availability ?? 'active',
    address: spec.address,
    loadBalancers: before?.loadBalancers ?? [],
  }),

  network(edit, id, spec, path, before) {
    if (before !== undefined && spec.id !== undefined && spec.id !== id)
      edit.add('immutable-field', `${path}/id`, `the id of the network "${spec.name}" is ${id}`);
    const subnet = spec.subnet ?? before?.subnet ?? null;
    return {
      id,
      name: spec.name,
      version: before?.version ?? 1,
      labels: spec.labels ?? {},
      ingress: spec.ingress ?? false,
      vni: spec.vni ?? before?.vni ?? null,
      subnet,
      gateway: spec.gateway ?? (subnet === before?.subnet ? (before?.gateway ?? null) : null),
      mtu: spec.mtu ?? edit.settings.underlayMtu - VXLAN_OVERHEAD,
    };
  },

  service: resolveService,

  endpoint(edit, id, spec, path, before) {
    const serviceId = edit.resolve('service', spec.service, `${path}/service`);
    const nodeId = edit.resolve('node', spec.node, `${path}/node`);
    if (serviceId === undefined || nodeId === undefined) return undefined;
    if (before !== undefined && before.serviceId !== serviceId) refuseMove(edit, `${path}/service`, spec.name, 'service');
    if (before !== undefined && before.nodeId !== nodeId) refuseMove(edit, `${path}/node`, spec.name, 'node');
    if (before === undefined && edit.base.nodes.get(nodeId)?.availability === 'pause' && edit.node(nodeId)?.availability === 'pause') {
      edit.add('node-paused', `${path}/node`, `the node "${spec.node}" is paused and takes no new endpoints`);
    }
    return {
      id,
      name: spec.name,
      version: before?.version ?? 1,
      labels: spec.labels ?? {},
      serviceId,
      nodeId,
      attachment: spec.attachment,
      weight: spec.weight ?? 1,
      addresses: endpointAddresses(edit, spec, path, serviceId, before),
      // Another namespace has not been seen yet.
      presence: before !== undefined && sameAttachment(before.attachment, spec.attachment) ? before.presence : 'unknown',
    };
  },
};

function refuseMove(edit: Edit, path: string, name: string, field: string): void {
  edit.add(
    'immutable-field',
    path,
    `the ${field} of the endpoint "${name}" cannot be changed`,
    'Delete the endpoint and create it again, or give the new one another name.',
  );
}

/** The pinned addresses, and those kept in the other networks of the service. What is missing is allocated. */
function endpointAddresses(edit: Edit, spec: NounSpecs['endpoint'], path: string, serviceId: Id, before: Endpoint | undefined): Endpoint['addresses'] {
  const networks = new Set(edit.service(serviceId)?.vips.map((vip) => vip.networkId));
  const addresses = new Map<Id, string>();
  for (const own of before?.addresses ?? []) if (networks.has(own.networkId)) addresses.set(own.networkId, own.address);
  const pinned = new Set<Id>();
  spec.addresses?.forEach(({ network, address }, i) => {
    const at = `${path}/addresses/${i}/network`;
    const networkId = edit.resolve('network', network, at);
    if (networkId === undefined) return;
    if (pinned.has(networkId)) edit.add('duplicate-name', at, `the network "${network}" is named twice`, 'Give one address in each network.');
    // A service with problems of its own has no networks yet; those are reported already.
    else if (edit.service(serviceId) !== undefined && !networks.has(networkId)) {
      edit.add(
        'unknown-reference',
        at,
        `the service "${spec.service}" has no VIP on the network "${network}"`,
        'Add the network to the service, or leave out the address.',
      );
    }
    pinned.add(networkId);
    addresses.set(networkId, address);
  });
  return [...addresses].map(([networkId, address]) => ({ networkId, address }));
}
