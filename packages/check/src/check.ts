import { type Endpoint, type Id, type Network, type NounDifference, type Snapshot, type SnapshotDifference, subnetsOf } from '@portolan/model';
import { clusterFindings } from './cluster.js';
import type { Finding } from './finding.js';
import { flannelBlocks, flannelFindings } from './flannel.js';
import { objectRules } from './objects.js';
import { duplicateFindings } from './uniqueness.js';
import { View } from './view.js';

/**
 * Everything that is wrong with a snapshot or that a person should know, in time proportional to its size. A snapshot
 * without a `block` can be computed and applied.
 */
export function checkSnapshot(snapshot: Snapshot): readonly Finding[] {
  const view = new View(snapshot);
  const found: Finding[] = [...clusterFindings(view), ...flannelFindings(view)];
  eachInto(found, view, objectRules.network, snapshot.networks.values());
  eachInto(found, view, objectRules.node, snapshot.nodes.values());
  eachInto(found, view, objectRules.service, snapshot.services.values());
  eachInto(found, view, objectRules.endpoint, snapshot.endpoints.values());
  found.push(...duplicateFindings(snapshot));
  return found;
}

/**
 * The rules that one change can have broken, given that the snapshot before it was sound: those about each object
 * that is new or changed, those about what is in a network of another sort or with other subnets, and those about the
 * cluster when a setting, a network, the flannel network or the address of a host changed. Values held twice are not looked for:
 * allocation refuses them.
 */
export function checkChanges(after: Snapshot, difference: SnapshotDifference): readonly Finding[] {
  const view = new View(after);
  const { cluster, nodes, networks, services, endpoints, flannel } = difference;
  const wide = cluster || !isEmpty(networks) || nodes.created.length > 0 || nodes.changed.some(movedHost);
  const found: Finding[] = wide ? [...clusterFindings(view)] : [];
  if (cluster || flannel || !isEmpty(networks)) found.push(...flannelBlocks(view));

  const resized = nodes.changed.some((change) => change.before.underlayMtu !== change.after.underlayMtu);
  const timed = new Set(present(services).flatMap((service) => service.networks.map(({ networkId }) => networkId)));
  const changed = new Set(present(networks));
  const looked = (network: Network): boolean => cluster || resized || timed.has(network.id) || changed.has(network);
  eachInto(found, view, objectRules.network, [...after.networks.values()].filter(looked));

  const { ids, mesh } = otherNetworks(networks);
  const touched = (own: readonly { readonly networkId: Id }[]): boolean => own.some(({ networkId }) => ids.has(networkId));
  const members = ids.size > 0;
  eachInto(found, view, objectRules.node, cluster || mesh ? after.nodes.values() : present(nodes));
  eachInto(found, view, objectRules.service, members ? presentOr(services, after.services, (service) => mesh || touched(service.networks)) : present(services));
  const endpointTouched = ({ addresses, flannel: pod }: Endpoint): boolean => cluster || (flannel && pod !== null) || touched(addresses);
  eachInto(found, view, objectRules.endpoint, cluster || flannel || members ? presentOr(endpoints, after.endpoints, endpointTouched) : present(endpoints));
  return found;
}

/** The objects that are new or changed, and those that a change of something else touches. */
function presentOr<T>(difference: NounDifference<T>, all: ReadonlyMap<Id, T>, touched: (noun: T) => boolean): Iterable<T> {
  const own = new Set(present(difference));
  return [...own, ...[...all.values()].filter((noun) => !own.has(noun) && touched(noun))];
}

/** The networks that are not for their members what they were, and whether the routing mesh is among them. */
function otherNetworks({ created, changed, deleted }: NounDifference<Network>): { readonly ids: ReadonlySet<Id>; readonly mesh: boolean } {
  const other = changed.filter(({ before, after }) => !servesAlike(before, after));
  const mesh = [...created, ...deleted, ...other.flatMap(({ before, after }) => [before, after])].some((network) => network.ingress);
  const all = [...deleted, ...other.map(({ after }) => after), ...created.filter((network) => network.ingress)];
  return { ids: new Set(all.map(({ id }) => id)), mesh };
}

function servesAlike(before: Network, after: Network): boolean {
  const texts = (network: Network): string =>
    subnetsOf(network)
      .map(({ subnet }) => subnet)
      .join();
  return before.ingress === after.ingress && before.internal === after.internal && before.attachable === after.attachable && texts(before) === texts(after);
}

function eachInto<T>(found: Finding[], view: View, rule: (view: View, noun: T) => Iterable<Finding>, nouns: Iterable<T>): void {
  for (const noun of nouns) found.push(...rule(view, noun));
}

function movedHost({ before, after }: { readonly before: { readonly address: string }; readonly after: { readonly address: string } }): boolean {
  return before.address !== after.address;
}

function present<T>(difference: NounDifference<T>): readonly T[] {
  return [...difference.created, ...difference.changed.map(({ after }) => after)];
}

function isEmpty(difference: NounDifference<unknown>): boolean {
  return difference.created.length + difference.changed.length + difference.deleted.length === 0;
}
