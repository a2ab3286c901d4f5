import type { Drafts } from '@portolan/ipam';
import { type Cidr, type Drain, type Id, type Ipv4, isHostAddress, type Network, type NounKind, parseCidr, parseIpv4 } from '@portolan/model';
import type { Edit } from './edit.js';
import { isGone } from './resolve-flannel.js';
import { isMeshed, moveIngress } from './resolve-service.js';

type NetworkDraft = Drafts['network'];

/** Paths of the kinds of object in the document: of a section of a manifest, or '' for a single object. */
export type SectionPath = (kind: NounKind) => string;

/** Adds a problem for each object that is deleted while something that stays refers to it. */
export function refuseDangling(edit: Edit, pathOf: SectionPath): void {
  const { relations } = edit.ledger;
  for (const [id, network] of edit.networks) if (network === null) refuseUsed(edit, 'network', id, usersOf(edit, id), pathOf);
  for (const [id, service] of edit.services) if (service === null) refuseUsed(edit, 'service', id, endpointNames(edit, relations.endpointsOf(id)), pathOf);
  for (const [id, node] of edit.nodes) if (node === null) refuseUsed(edit, 'node', id, endpointNames(edit, relations.endpointsOn(id)), pathOf);
}

function refuseUsed(edit: Edit, kind: 'node' | 'network' | 'service', id: Id, users: readonly string[], pathOf: SectionPath): void {
  if (users.length === 0) return;
  const collection = { node: edit.base.nodes, network: edit.base.networks, service: edit.base.services }[kind];
  edit.add('in-use', pathOf(kind), `the ${kind} "${collection.get(id)?.name}" is used by ${listed(users)}`);
}

/** Adds a problem when the flannel network goes while endpoints that stay are in it. */
export function refuseUsedFlannel(edit: Edit): void {
  const { base, flannel } = edit;
  if (isGone(base.flannel) || !isGone(flannel)) return;
  const users = names('endpoint', base.endpoints.keys(), (id) => {
    const endpoint = edit.endpoint(id);
    return endpoint === undefined || endpoint.flannel === null ? undefined : endpoint;
  });
  if (users.length > 0) edit.add('in-use', edit.flannelSource?.path ?? '', `the flannel network ${base.flannel.network} is used by ${listed(users)}`);
}

/** The addresses of everything on a network depend on its subnets, and every host knows them by their VNIs. */
export function refuseChangedNetworks(edit: Edit): void {
  for (const [id, network] of edit.networks) {
    const before = edit.base.networks.get(id);
    if (network === null || before === undefined) continue;
    for (const field of ['subnet', 'vni', 'ingress'] as const) {
      if (network[field] === before[field]) continue;
      const fix = `Write ${JSON.stringify(before[field])} again, or first take the network away from its services and endpoints.`;
      refuseChanged(edit, network, field, field, usersOf(edit, id), fix);
    }
    if (before.attachable && !network.attachable) {
      const fix = 'Write true again, or first delete the endpoints without a service.';
      refuseChanged(edit, network, 'attachable', 'field "attachable"', loneUsersOf(edit, id), fix);
    }
    refuseChangedSubnets(edit, network, before);
  }
}

/** More subnets may come at any time; those that are there stay as long as something has an address in them. */
function refuseChangedSubnets(edit: Edit, network: NetworkDraft, before: Network): void {
  for (const { subnet, vni } of before.extraSubnets) {
    const now = network.extraSubnets.find((own) => own.subnet === subnet);
    if (now === undefined) {
      const fix = `Write ${subnet} again, or first delete what has an address in it.`;
      refuseChanged(edit, network, 'extraSubnets', `subnet ${subnet}`, holdersWithin(edit, network.id, subnet), fix);
    } else if (now.vni !== vni) {
      const fix = `Write ${vni} again, or first take the network away from its services and endpoints.`;
      refuseChanged(edit, network, `extraSubnets/${network.extraSubnets.indexOf(now)}/vni`, `VNI of the subnet ${subnet}`, usersOf(edit, network.id), fix);
    }
  }
}

function refuseChanged(edit: Edit, network: NetworkDraft, field: string, what: string, users: readonly string[], fix: string): void {
  if (users.length === 0) return;
  const message = `the ${what} of the network "${network.name}" cannot change while it is used by ${listed(users)}`;
  edit.add('immutable-field', edit.pointerIn(network.id, `/${field}`), message, fix);
}

/** Everything that keeps an address in a subnet of the network. */
function holdersWithin(edit: Edit, networkId: Id, cidr: Cidr): readonly string[] {
  const subnet = parseCidr(cidr);
  const holds = (own: { readonly networkId: Id; readonly address: Ipv4 | null }): boolean =>
    own.networkId === networkId && own.address !== null && isHostAddress(subnet, parseIpv4(own.address));
  const { relations } = edit.ledger;
  const services = [...relations.servicesOn(networkId)];
  const endpoints = [...services.flatMap((id) => [...relations.endpointsOf(id)]), ...relations.loneEndpointsIn(networkId)];
  return [
    ...names('service', services, (id) => {
      const service = edit.service(id);
      return service?.networks.some(holds) === true ? service : undefined;
    }),
    ...names('endpoint', endpoints, (id) => {
      const endpoint = edit.endpoint(id);
      return endpoint?.addresses.some(holds) === true ? endpoint : undefined;
    }),
  ];
}

/** Ports of mode `host` lead to addresses of the endpoints that only networks with a way out give them. */
export function refuseUnreachablePorts(edit: Edit): void {
  const closed = [...edit.networks.values()].filter((network) => network?.internal === true && edit.base.networks.get(network.id)?.internal === false);
  const followers = closed.flatMap((network) => (network === null ? [] : [...edit.ledger.relations.servicesOn(network.id)]));
  for (const id of new Set([...edit.services.keys(), ...followers])) {
    const service = edit.service(id);
    const port = service?.ports.findIndex((own) => own.mode === 'host') ?? -1;
    if (service === undefined || port < 0 || service.networks.some((own) => leadsOut(edit.network(own.networkId)))) continue;
    const [cause] = closed.filter((network) => service.networks.some((own) => own.networkId === network?.id));
    const path = cause === undefined || cause === null ? edit.pointerIn(id, `/ports/${port}/mode`) : edit.pointerIn(cause.id, '/internal');
    const message = `the service "${service.name}" publishes a port in mode "host", but has no network that is neither internal nor the ingress network`;
    edit.add('unsupported-combination', path, message, 'Add a network that is not internal, or publish the port in mode "ingress".');
  }
}

function leadsOut(network: NetworkDraft | undefined): boolean {
  return network !== undefined && !network.internal && !network.ingress;
}

/** A cluster has one routing mesh. Services that publish ports follow when another network becomes the ingress network. */
export function settleIngress(edit: Edit): void {
  const [first, ...others] = edit.ingressNetworks();
  for (const other of others) {
    // The one that was there stays first, so the problem is the new one's.
    edit.add('ingress-exists', `${edit.pathOf(other.id)}/ingress`, `"${first?.name}" is the ingress network`);
  }
  const before = [...edit.base.networks.values()].find((network) => network.ingress)?.id;
  if (first === undefined || first.id === before) return;
  for (const [id, service] of edit.base.services) {
    if (service.ports.some(isMeshed) && !edit.services.has(id)) edit.services.set(id, moveIngress(service, before, first.id));
  }
}

/** Services and endpoints that are on the network and stay there. */
function usersOf(edit: Edit, networkId: Id): readonly string[] {
  const services = names('service', edit.ledger.relations.servicesOn(networkId), (id) => {
    const service = edit.service(id);
    return service?.networks.some((own) => own.networkId === networkId) === true ? service : undefined;
  });
  return [...services, ...loneUsersOf(edit, networkId)];
}

/** Endpoints without a service that are on the network and stay there. */
function loneUsersOf(edit: Edit, networkId: Id): readonly string[] {
  return names('endpoint', edit.ledger.relations.loneEndpointsIn(networkId), (id) => {
    const endpoint = edit.endpoint(id);
    return endpoint?.addresses.some((own) => own.networkId === networkId) === true ? endpoint : undefined;
  });
}

function endpointNames(edit: Edit, ids: Iterable<Id>): readonly string[] {
  return names('endpoint', ids, (id) => edit.endpoint(id));
}

/** Only with those that leave it is enough to wait. */
function names(kind: NounKind, ids: Iterable<Id>, find: (id: Id) => { readonly name: string; readonly drain?: Drain | null } | undefined): readonly string[] {
  return [...ids].map(find).flatMap((noun) => (noun === undefined ? [] : [`${kind} "${noun.name}"${noun.drain?.removes === true ? ' (leaving)' : ''}`]));
}

const SHOWN_USERS = 5;

function listed(users: readonly string[]): string {
  const more = users.length - SHOWN_USERS;
  return more > 0 ? `${users.slice(0, SHOWN_USERS).join(', ')} and ${more} more` : users.join(', ');
}
