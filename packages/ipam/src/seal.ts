import type { Endpoint, Id, Network, Node, NounKind, Service, Snapshot } from '@portolan/model';
import type { Drafts, ServiceDraft } from './drafts.js';
import { isComplete } from './networks.js';
import { sameNoun } from './same.js';
import type { Work } from './work.js';

/** The work as a snapshot: what says the same as before is the same object, what does not has a version more. */
export function sealChanges(work: Work): Snapshot {
  const { base } = work;
  const nodes = sealMap('node', base.nodes, work.nodes, (node): Node => node);
  const networks = sealMap('network', base.networks, work.networks, completeNetwork);
  const services = sealMap('service', base.services, work.services, completeService);
  const endpoints = sealMap('endpoint', base.endpoints, work.endpoints, (endpoint): Endpoint => endpoint);
  const cluster = work.settings === base.cluster.settings ? base.cluster : { ...base.cluster, settings: work.settings };
  const same = nodes === base.nodes && networks === base.networks && services === base.services && endpoints === base.endpoints && cluster === base.cluster;
  return same ? base : { cluster, nodes, networks, services, endpoints };
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

function completeNetwork(draft: Drafts['network']): Network {
  if (!isComplete(draft)) throw new Error(`network ${draft.name} was left incomplete by allocation`);
  return draft;
}

function completeService(draft: ServiceDraft): Service {
  const vips = draft.vips.map(({ networkId, address, mark }) => {
    if (address === null || mark === null) throw new Error(`service ${draft.name} was left without a VIP by allocation`);
    return { networkId, address, mark };
  });
  const ports = draft.ports.map(({ protocol, published, target }) => {
    if (published === null) throw new Error(`service ${draft.name} was left without a published port by allocation`);
    return { protocol, published, target };
  });
  return { ...draft, vips, ports };
}
