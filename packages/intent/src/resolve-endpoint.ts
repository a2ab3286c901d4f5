import { type Drafts, endpointGatewayRange, sameAttachment, wantsGatewayAddress } from '@portolan/ipam';
import { type EndpointSpec, type Id, type Ipv4, parseCidr, parseIpv4, subnetOrUndefined } from '@portolan/model';
import type { Edit } from './edit.js';
import { isGone } from './resolve-flannel.js';

type EndpointDraft = Drafts['endpoint'];

export function resolveEndpoint(edit: Edit, id: Id, spec: EndpointSpec, path: string, before: EndpointDraft | undefined): EndpointDraft | undefined {
  const seen = edit.problems.length;
  const serviceId = spec.service === undefined ? null : edit.resolve('service', spec.service, `${path}/service`);
  const nodeId = edit.resolve('node', spec.node, `${path}/node`);
  const joined = spec.service === undefined ? attachableNetworks(edit, spec, path) : undefined;
  if (serviceId === undefined || nodeId === undefined || edit.problems.length > seen) return undefined;
  if (before !== undefined && before.serviceId !== serviceId) refuseMove(edit, path, spec, 'service', before);
  if (before !== undefined && before.nodeId !== nodeId) refuseMove(edit, path, spec, 'node', before);
  const isPaused = edit.base.nodes.get(nodeId)?.availability === 'pause' && edit.node(nodeId)?.availability === 'pause';
  // One that comes back was there before the pause.
  if (before === undefined && isPaused && edit.former === null) {
    edit.add('node-paused', `${path}/node`, `the node "${spec.node}" is paused and takes no new endpoints`);
  }
  // Another namespace has not been seen yet, and nobody has a connection to it.
  const same = before !== undefined && sameAttachment(before.attachment, spec.attachment) ? before : undefined;
  return {
    id,
    name: spec.name,
    version: before?.version ?? 1,
    labels: spec.labels ?? {},
    serviceId,
    nodeId,
    attachment: spec.attachment,
    weight: spec.weight ?? 1,
    addresses: addressesOf(edit, spec, path, joined ?? networksOfService(edit, serviceId), before),
    aliases: spec.aliases ?? [],
    gatewayAddress: gatewayAddressOf(edit, spec, path, joined ?? networksOfService(edit, serviceId)) ?? before?.gatewayAddress ?? null,
    presence: same?.presence ?? 'unknown',
    health: same?.health ?? 'unknown',
    drain: same?.drain?.removes === true && !edit.keepsLeaving ? null : (same?.drain ?? null),
    flannel: flannelOf(edit, spec, path, nodeId, before),
  };
}

/** The address in the gateway subnet that a spec gives. Problems: it is none of those for endpoints, or no network of the endpoint wants one. */
function gatewayAddressOf(edit: Edit, { name, gateway }: EndpointSpec, path: string, networks: ReadonlySet<Id> | undefined): Ipv4 | undefined {
  if (gateway === undefined) return undefined;
  const { gatewaySubnet } = edit.settings;
  const subnet = subnetOrUndefined(gatewaySubnet);
  const [first, last] = subnet === undefined ? [] : endpointGatewayRange(gatewaySubnet);
  const value = parseIpv4(gateway.address);
  if (first !== undefined && last !== undefined && (value < first || value > last)) {
    const message = `${gateway.address} is none of the addresses for endpoints in the gateway subnet ${gatewaySubnet}, which begin with the third`;
    edit.add('address-outside-network', `${path}/gateway/address`, message);
  }
  const places = [...(networks ?? [])].map((networkId) => ({ networkId }));
  if (networks !== undefined && !wantsGatewayAddress(places, (networkId) => edit.network(networkId))) {
    const message = `the endpoint "${name}" has no gateway address: none of its networks has a way out of the cluster`;
    edit.add('unsupported-combination', `${path}/gateway`, message, 'Leave out "gateway", or put the endpoint on a network that is not internal.');
  }
  return gateway.address;
}

/** Its chosen address, or the one that it has; allocation follows when the node's subnet is known. */
function flannelOf(edit: Edit, { flannel, name }: EndpointSpec, path: string, nodeId: Id, before: EndpointDraft | undefined): EndpointDraft['flannel'] {
  if (flannel === undefined) return null;
  if (isGone(edit.flannel)) {
    const why = edit.flannel === null ? 'the cluster has no flannel network' : `the flannel network ${edit.flannel.network} is leaving`;
    edit.add('flannel-missing', `${path}/flannel`, `the endpoint "${name}" cannot join: ${why}`);
    return null;
  }
  const { address } = flannel;
  if (address === undefined) return { address: before?.flannel?.address ?? null, fixed: false };
  // One that was chosen before the node had its subnet stays, and is a finding: a manifest that changes nothing is never refused.
  if (before?.flannel?.fixed !== true || before.flannel.address !== address) refuseReservedAddress(edit, address, nodeId, `${path}/flannel/address`);
  return { address, fixed: true };
}

/** Of a subnet of a node, as far as it is known: its first address is that of flannel's device, the second that of the bridge, the last is broadcast. */
function refuseReservedAddress(edit: Edit, address: Ipv4, nodeId: Id, at: string): void {
  for (const lease of edit.base.flannelLeases.values()) {
    if (lease.nodeId !== nodeId || lease.subnet === null || lease.fault !== null) continue;
    const { first, last } = parseCidr(lease.subnet);
    const value = parseIpv4(address);
    if (value === first + 1) edit.add('address-taken', at, `${address} is the address of the bridge of the node, in its subnet ${lease.subnet}`);
    else if (value === first || value === last)
      edit.add('address-outside-network', at, `${address} is the ${value === first ? 'first' : 'last'} address of the subnet ${lease.subnet} of the node`);
  }
}

function refuseMove(edit: Edit, path: string, spec: EndpointSpec, field: 'service' | 'node', before: EndpointDraft): void {
  // The field may be left out: of an endpoint that was of a service.
  const at = spec[field] === undefined ? path : `${path}/${field}`;
  const leaving = before.drain?.removes === true ? 'It is leaving: wait until it is gone, delete it by force' : 'Delete the endpoint and create it again';
  const fix = edit.former === null ? `${leaving}, or give the new one another name.` : 'Roll back by force, which cuts its connections, or delete it first.';
  edit.add('immutable-field', at, `the ${field} of the endpoint "${spec.name}" cannot be changed`, fix);
}

/** Undefined for a service with problems of its own: those are reported already. */
function networksOfService(edit: Edit, serviceId: Id | null): ReadonlySet<Id> | undefined {
  const service = serviceId === null ? undefined : edit.service(serviceId);
  return service === undefined ? undefined : new Set(service.networks.map((own) => own.networkId));
}

/** The networks that an endpoint without a service names. */
function attachableNetworks(edit: Edit, spec: EndpointSpec, path: string): ReadonlySet<Id> {
  const networks = new Set<Id>();
  spec.networks?.forEach((name, i) => {
    const at = `${path}/networks/${i}`;
    const id = edit.resolve('network', name, at);
    if (id === undefined) return;
    if (networks.has(id)) edit.add('duplicate-name', at, `the network "${name}" is named twice`, 'Name each network once.');
    networks.add(id);
    if (edit.network(id)?.attachable === false) edit.add('not-attachable', at, `the network "${name}" takes only endpoints of services`);
  });
  return networks;
}

/** The pinned addresses, those kept, and a hole in each other network that the endpoint names itself. Those of a service are added by allocation. */
function addressesOf(
  edit: Edit,
  spec: EndpointSpec,
  path: string,
  networks: ReadonlySet<Id> | undefined,
  before: EndpointDraft | undefined,
): EndpointDraft['addresses'] {
  const addresses = new Map<Id, string | null>();
  if (spec.service === undefined) for (const id of networks ?? []) addresses.set(id, null);
  for (const own of before?.addresses ?? []) if (networks?.has(own.networkId) === true) addresses.set(own.networkId, own.address);
  const pinned = new Set<Id>();
  spec.addresses?.forEach(({ network, address }, i) => {
    const at = `${path}/addresses/${i}/network`;
    const networkId = edit.resolve('network', network, at);
    if (networkId === undefined) return;
    if (pinned.has(networkId)) edit.add('duplicate-name', at, `the network "${network}" is named twice`, 'Give one address in each network.');
    else if (networks !== undefined && !networks.has(networkId)) refuseForeignAddress(edit, at, spec, network);
    pinned.add(networkId);
    addresses.set(networkId, address);
  });
  return [...addresses].map(([networkId, address]) => ({ networkId, address }));
}

function refuseForeignAddress(edit: Edit, at: string, { service, name }: EndpointSpec, network: string): void {
  if (service === undefined) {
    const fix = 'Add the network to "networks", or leave out the address.';
    edit.add('unknown-reference', at, `the endpoint "${name}" does not join the network "${network}"`, fix);
    return;
  }
  edit.add('unknown-reference', at, `the service "${service}" is not on the network "${network}"`, 'Add the network to the service, or leave out the address.');
}
