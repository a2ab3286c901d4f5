import { applyManifest, cancelDrain, drainEndpoint, finishDrains, observeNode, patchNoun, removeEndpoint, setConditions } from '@portolan/intent';
import { releaseRetired } from '@portolan/ipam';
import type { Id, Manifest, Node, Snapshot } from '@portolan/model';
import { emptySnapshot, manifestArbitrary, seededIds } from '@portolan/testkit';
import fc from 'fast-check';

/** What can happen to a cluster; numbers choose among the objects that there are. */
export type Event =
  | { readonly kind: 'apply'; readonly manifest: Manifest; readonly force: boolean }
  | { readonly kind: 'observe'; readonly node: number; readonly absent: number; readonly unhealthy: number }
  | { readonly kind: 'condition'; readonly node: number; readonly condition: Node['condition'] }
  | { readonly kind: 'drain' | 'remove' | 'cancel' | 'move' | 'switch'; readonly which: number; readonly flag: boolean }
  | { readonly kind: 'finish' | 'settle' };

const number = fc.nat(30);
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('apply' as const), manifest: manifestArbitrary(), force: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('observe' as const), node: number, absent: number, unhealthy: number }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('condition' as const),
      node: number,
      condition: fc.constantFrom('up' as const, 'silent' as const, 'unreachable' as const),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('drain' as const, 'remove' as const, 'cancel' as const, 'move' as const, 'switch' as const),
      which: number,
      flag: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('finish' as const, 'settle' as const) }) },
);

function chosen<T>(nouns: ReadonlyMap<Id, T>, which: number): T | undefined {
  return [...nouns.values()][which % Math.max(1, nouns.size)];
}

export const NOW = 1_790_000_000_000;

function happened(snapshot: Snapshot, what: Event, newId: () => Id): Snapshot {
  switch (what.kind) {
    case 'apply':
      return applyManifest(snapshot, what.manifest, newId, { now: NOW, force: what.force });
    case 'observe': {
      const node = chosen(snapshot.nodes, what.node);
      if (node === undefined) return snapshot;
      const own = [...snapshot.endpoints.values()].filter(({ nodeId }) => nodeId === node.id);
      const presence = Object.fromEntries(own.map(({ id }, i) => [id, i === what.absent % 7 ? ('absent' as const) : ('present' as const)]));
      const health = Object.fromEntries(own.map(({ id }, i) => [id, i === what.unhealthy % 7 ? ('unhealthy' as const) : ('healthy' as const)]));
      return observeNode(snapshot, node.id, { presence, health, underlayMtu: 1500 });
    }
    case 'condition': {
      const node = chosen(snapshot.nodes, what.node);
      return node === undefined ? snapshot : setConditions(snapshot, new Map([[node.id, what.condition]]));
    }
    case 'switch': {
      const service = chosen(snapshot.services, what.which);
      const patch = what.flag
        ? { endpointMode: 'dnsrr', persistence: null, ports: null }
        : { endpointMode: 'vip', healthCheck: { kind: 'tcp', port: 80, path: null } };
      return service === undefined ? snapshot : patchNoun(snapshot, 'service', service.name, patch);
    }
    case 'finish':
      return finishDrains(snapshot, [...snapshot.endpoints.keys()]);
    case 'settle':
      return releaseRetired(snapshot, snapshot.cluster.revision - 1);
    default: {
      const name = chosen(snapshot.endpoints, what.which)?.name;
      if (name === undefined) return snapshot;
      if (what.kind === 'drain') return drainEndpoint(snapshot, name, { now: NOW, removes: what.flag });
      if (what.kind === 'remove') return removeEndpoint(snapshot, name, { now: NOW, force: what.flag });
      if (what.kind === 'cancel') return cancelDrain(snapshot, name);
      return patchNoun(snapshot, 'endpoint', name, { attachment: { netns: null, container: null, pid: 4000 + what.which } });
    }
  }
}

/** Runs `each` on every step of a life that begins empty. No step is ever refused. */
export function live(events: readonly Event[], each: (before: Snapshot, after: Snapshot, what: Event) => void): void {
  const newId = seededIds(3);
  let snapshot = emptySnapshot();
  for (const what of events) {
    const after = happened(snapshot, what, newId);
    // As a commit does it.
    const committed = after === snapshot ? after : { ...after, cluster: { ...after.cluster, revision: snapshot.cluster.revision + 1 } };
    each(snapshot, committed, what);
    snapshot = committed;
  }
}

export const lives = fc.array(event, { minLength: 5, maxLength: 25 });
