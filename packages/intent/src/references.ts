import type { Id, NounKind } from '@portolan/model';
import type { Edit } from './edit.js';
import { moveIngress } from './resolve-service.js';

/** Paths of the kinds of object in the document: of a section of a manifest, or '' for a single object. */
export type SectionPath = (kind: NounKind) => string;

/** Adds a problem for each object that is deleted while something that stays refers to it. */
export function refuseDangling(edit: Edit, pathOf: SectionPath): void {
  for (const [id, network] of edit.networks) if (network === null) refuseUsed(edit, 'network', id, servicesOn(edit, id), pathOf);
  for (const [id, service] of edit.services) {
    if (service === null)
      refuseUsed(
        edit,
        'service',
        id,
        names('endpoint', edit.ledger.relations.endpointsOf(id), (other) => edit.endpoint(other)),
        pathOf,
      );
  }
  for (const [id, node] of edit.nodes) {
    if (node === null)
      refuseUsed(
        edit,
        'node',
        id,
        names('endpoint', edit.ledger.relations.endpointsOn(id), (other) => edit.endpoint(other)),
        pathOf,
      );
  }
}

function refuseUsed(edit: Edit, kind: 'node' | 'network' | 'service', id: Id, users: readonly string[], pathOf: SectionPath): void {
  if (users.length === 0) return;
  const collection = { node: edit.base.nodes, network: edit.base.networks, service: edit.base.services }[kind];
  edit.add('in-use', pathOf(kind), `the ${kind} "${collection.get(id)?.name}" is used by ${listed(users)}`);
}

/** The addresses of everything on a network depend on its subnet, and every host knows it by its VNI. */
export function refuseChangedNetworks(edit: Edit): void {
  for (const [id, network] of edit.networks) {
    const before = edit.base.networks.get(id);
    if (network === null || before === undefined) continue;
    for (const field of ['subnet', 'vni', 'ingress'] as const) {
      if (network[field] === before[field]) continue;
      const users = servicesOn(edit, id);
      if (users.length === 0) continue;
      const fix = `Write ${JSON.stringify(before[field])} again, or first take the network away from its services.`;
      edit.add(
        'immutable-field',
        `${edit.pathOf(id)}/${field}`,
        `the ${field} of the network "${network.name}" cannot change while it is used by ${listed(users)}`,
        fix,
      );
    }
  }
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
    if (service.ports.length > 0 && !edit.services.has(id)) edit.services.set(id, moveIngress(service, before, first.id));
  }
}

/** Services that have a VIP on the network and keep it. */
function servicesOn(edit: Edit, networkId: Id): readonly string[] {
  return names('service', edit.ledger.relations.servicesOn(networkId), (id) => {
    const service = edit.service(id);
    return service?.vips.some((vip) => vip.networkId === networkId) === true ? service : undefined;
  });
}

function names(kind: NounKind, ids: ReadonlySet<Id>, find: (id: Id) => { readonly name: string } | undefined): readonly string[] {
  return [...ids].map(find).flatMap((noun) => (noun === undefined ? [] : [`${kind} "${noun.name}"`]));
}

const SHOWN_USERS = 5;

function listed(users: readonly string[]): string {
  const more = users.length - SHOWN_USERS;
  return more > 0 ? `${users.slice(0, SHOWN_USERS).join(', ')} and ${more} more` : users.join(', ');
}
