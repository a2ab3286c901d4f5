import type { Endpoint, FlannelLease, Id, Network, Node, NounKind, Retired, Service, Snapshot } from '@portolan/model';
import type { Drafts, EndpointDraft, NetworkDraft } from './drafts.js';
import { isComplete } from './networks.js';
import { sameNoun } from './same.js';
import { isCompleteService } from './services.js';
import type { Work } from './work.js';

/** The work as a snapshot: what says the same as before is the same object, what does not has a version more. */
export function sealChanges(work: Work): Snapshot {
  const { base } = work;
  const nodes = sealMap('node', base.nodes, work.nodes, (node): Node => node);
  const networks = sealMap('network', base.networks, work.networks, completeNetwork);
  const services = sealMap('service', base.services, work.services, (draft): Service => {
    if (!isCompleteService(work, draft)) throw new Error(`service ${draft.name} was left incomplete by allocation`);
    return draft;
  });
  const endpoints = sealMap('endpoint', base.endpoints, work.endpoints, completeEndpoint);
  const retired = sealRetired(work);
  const cluster = work.settings === base.cluster.settings ? base.cluster : { ...base.cluster, settings: work.settings };
  const { flannel } = work;
  const same = nodes === base.nodes && networks === base.networks && services === base.services && endpoints === base.endpoints;
  if (same && cluster === base.cluster && retired === base.retired && flannel === base.flannel) return base;
  // Without a flannel network nobody reads its registry.
  const flannelLeases = flannel === null && base.flannelLeases.size > 0 ? new Map<string, FlannelLease>() : base.flannelLeases;
  return { cluster, nodes, networks, services, endpoints, retired, flannel, flannelLeases };
}

function sealMap<K extends NounKind, T extends Drafts[K] & { readonly version: number }>(
  kind: K,
  before: ReadonlyMap<Id, T>,
  changed: ReadonlyMap<Id, Drafts[K] | null>,
  complete: (draft: Drafts[K]) => T,
): ReadonlyMap<Id, T> {
  let after: Map<Id, T> | null = null;
  for (const [id, draft] of changed) {
    const was = before.get(id);
    if (draft === null ? was === undefined : was !== undefined && sameNoun(kind, was, draft)) continue;
    after ??= new Map(before);
    if (draft === null) after.delete(id);
    else after.set(id, withVersion(complete(draft), was === undefined ? 1 : was.version + 1));
  }
  return after ?? before;
}

function withVersion<T extends { readonly version: number }>(noun: T, version: number): T {
  return noun.version === version ? noun : { ...noun, version };
}

function completeNetwork(draft: NetworkDraft): Network {
  if (!isComplete(draft)) throw new Error(`network ${draft.name} was left incomplete by allocation`);
  return draft;
}

function completeEndpoint(draft: EndpointDraft): Endpoint {
  if (!hasAddresses(draft)) throw new Error(`endpoint ${draft.name} was left without an address by allocation`);
  return draft;
}

function hasAddresses(draft: EndpointDraft): draft is Endpoint & EndpointDraft {
  return draft.addresses.every(({ address }) => address !== null);
}

/** What was retired before and stays so, and then what this change gives up. */
function sealRetired({ base, retired, revived }: Work): readonly Retired[] {
  if (retired.size === 0 && revived.size === 0) return base.retired;
  return [...(revived.size === 0 ? base.retired : base.retired.filter((entry) => !revived.has(entry))), ...[...retired].sort(byValue)];
}

/** In an order of its own: snapshots that are equal may hold their nouns in different orders, and must stay equal. */
function byValue(a: Retired, b: Retired): number {
  const [x, y] = [a, b].map(({ pool, networkId, value }) => `${pool} ${networkId} ${value}`);
  return x === y ? 0 : (x ?? '') < (y ?? '') ? -1 : 1;
}
