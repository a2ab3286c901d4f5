import { type Drafts, sameNoun } from '@portolan/ipam';
import type { Id, NounKind } from '@portolan/model';
import type { Edit } from './edit.js';
import { nounsOf } from './find.js';
import { nodeAddresses } from './node-addresses.js';
import { resolveEndpoint } from './resolve-endpoint.js';
import { resolveNetwork } from './resolve-network.js';
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

const resolvers: { readonly [K in NounKind]: Resolver<K> } = {
  node(edit, id, spec, path, before) {
    // What was seen was seen of the host at the old address.
    const seen = before !== undefined && before.address === spec.address ? before : undefined;
    return {
      id,
      name: spec.name,
      version: before?.version ?? 1,
      labels: spec.labels ?? {},
      role: spec.role ?? 'worker',
      availability: spec.availability ?? 'active',
      address: spec.address,
      loadBalancers: nodeAddresses(edit, spec, path, before?.loadBalancers ?? []),
      underlayMtu: seen?.underlayMtu ?? null,
      underlayLink: seen?.underlayLink ?? null,
      onLink: seen?.onLink ?? [],
      condition: seen?.condition ?? 'unknown',
    };
  },
  network: resolveNetwork,
  service: resolveService,
  endpoint: resolveEndpoint,
};
