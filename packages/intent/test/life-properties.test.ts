import { checkSnapshot } from '@portolan/check';
import { applyManifest, cancelDrain, drainEndpoint, finishDrains, manifestOf, observeNode, patchNoun, removeEndpoint, setConditions } from '@portolan/intent';
import { releaseRetired } from '@portolan/ipam';
import {
  diffSnapshots,
  type Id,
  type Manifest,
  type Node,
  nounCollections,
  nounKinds,
  type Retired,
  type Snapshot,
  subnetsOf,
  trafficOf,
} from '@portolan/model';
import { emptySnapshot, manifestArbitrary, seededIds } from '@portolan/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** What can happen to a cluster; numbers choose among the objects that there are. */
type Event =
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

const NOW = 1_790_000_000_000;

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

/** The values of which none may be given while a node may hold it for somebody else, with whoever has it. */
function heldValues(snapshot: Snapshot): ReadonlyMap<string, Retired['holder']> {
  const held = new Map<string, Retired['holder']>();
  const at = (networkId: Id, address: string): string => `address ${networkId} ${address}`;
  for (const network of snapshot.networks.values()) {
    for (const { gateway, vni } of subnetsOf(network)) {
      held.set(`vni null ${vni}`, { kind: 'network', name: network.name, serviceId: null });
      held.set(at(network.id, gateway), { kind: 'network', name: network.name, serviceId: null });
    }
  }
  for (const { name, loadBalancers } of snapshot.nodes.values()) {
    for (const { networkId, address } of loadBalancers) held.set(at(networkId, address), { kind: 'node', name, serviceId: null });
  }
  for (const { id, name, networks } of snapshot.services.values()) {
    for (const { networkId, address, mark, localMark } of networks) {
      if (address !== null) held.set(at(networkId, address), { kind: 'service', name, serviceId: id });
      for (const own of [mark, localMark]) if (own !== null) held.set(`mark null ${own}`, { kind: 'service', name, serviceId: id });
    }
  }
  for (const { name, serviceId, addresses } of snapshot.endpoints.values()) {
    for (const { networkId, address } of addresses) held.set(at(networkId, address), { kind: 'endpoint', name, serviceId });
  }
  return held;
}

function retiredValues({ retired }: Snapshot): ReadonlyMap<string, Retired['holder']> {
  return new Map(retired.map(({ pool, networkId, value, holder }) => [`${pool} ${networkId} ${value}`, holder]));
}

const isSame = (a: Retired['holder'], b: Retired['holder']): boolean => a.kind === b.kind && a.name === b.name;

/** Runs `each` on every step of a life that begins empty. No step is ever refused. */
function live(events: readonly Event[], each: (before: Snapshot, after: Snapshot, what: Event) => void): void {
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

const lives = fc.array(event, { minLength: 5, maxLength: 25 });

describe('any life of a cluster', () => {
  it('keeps it sound', () => {
    fc.assert(
      fc.property(lives, (events) => {
        live(events, (_before, after) => {
          expect(checkSnapshot(after).filter((finding) => finding.severity === 'block')).toEqual([]);
        });
      }),
      { numRuns: 150 },
    );
  });

  it('gives nobody what a node may still hold for another', () => {
    let retired = 0;
    fc.assert(
      fc.property(lives, (events) => {
        live(events, (before, after) => {
          const [was, had, held, given] = [retiredValues(before), heldValues(before), heldValues(after), retiredValues(after)];
          retired += was.size;
          for (const value of given.keys()) expect(held.has(value), `${value} is held and retired`).toBe(false);
          for (const [value, holder] of held) {
            const old = was.get(value) ?? had.get(value);
            // The same object, made anew perhaps, or one of the same service.
            if (old === undefined || isSame(old, holder) || (old.serviceId !== null && old.serviceId === holder.serviceId)) continue;
            throw new Error(`${value} went from ${old.kind} ${old.name} to ${holder.kind} ${holder.name}`);
          }
        });
      }),
      { numRuns: 150 },
    );
    expect(retired).toBeGreaterThan(1000);
  });

  it('retires what is given up, of networks that stay, with the revision that gives it up', () => {
    fc.assert(
      fc.property(lives, (events) => {
        live(events, (before, after) => {
          const [held, given] = [heldValues(after), retiredValues(after)];
          for (const value of heldValues(before).keys()) {
            const [, networkId = ''] = value.split(' ');
            if (held.has(value) || (networkId !== 'null' && !after.networks.has(networkId))) continue;
            expect(given.has(value), `${value} was given up`).toBe(true);
          }
          for (const entry of after.retired) if (!before.retired.includes(entry)) expect(entry.revision).toBe(after.cluster.revision);
        });
      }),
      { numRuns: 100 },
    );
  });

  it('raises the version of what changes by one, and lets nothing go that is sent traffic unless told to', () => {
    fc.assert(
      fc.property(lives, (events) => {
        live(events, (before, after, what) => {
          const difference = diffSnapshots(before, after);
          for (const { before: was, after: now } of nounKinds.flatMap((kind) => [...difference[nounCollections[kind]].changed])) {
            expect(now.version).toBe(was.version + 1);
          }
          if (what.kind !== 'apply' && what.kind !== 'remove') return;
          if ('force' in what ? what.force : what.flag) return;
          for (const endpoint of difference.endpoints.deleted) {
            const node = after.nodes.get(endpoint.nodeId);
            const service = endpoint.serviceId === null ? null : after.services.get(endpoint.serviceId);
            const left = endpoint.addresses.some((own) => after.networks.get(own.networkId)?.attachable !== true);
            const podLeft = endpoint.flannel !== null && (after.flannel === null || after.flannel.leaving);
            if (node === undefined || service === undefined || (service === null && left) || podLeft || endpoint.drain?.drained === true) continue;
            const was = before.nodes.get(endpoint.nodeId);
            const served = endpoint.serviceId === null ? null : (before.services.get(endpoint.serviceId) ?? null);
            expect(was === undefined ? 'nothing' : trafficOf(endpoint, served, was)).toBe('nothing');
          }
        });
      }),
      { numRuns: 100 },
    );
  });

  it('is stable: what is exported at any time changes nothing when it is applied', () => {
    fc.assert(
      fc.property(lives, (events) => {
        live(events, (_before, after) => {
          expect(applyManifest(after, manifestOf(after), seededIds(9), { now: NOW + 1 })).toBe(after);
        });
      }),
      { numRuns: 60 },
    );
  });
});
