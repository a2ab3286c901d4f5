import { checkSnapshot } from '@portolan/check';
import { applyManifest, manifestOf } from '@portolan/intent';
import { diffSnapshots, type Id, nounCollections, nounKinds, type Retired, type Snapshot, subnetsOf, trafficOf } from '@portolan/model';
import { seededIds } from '@portolan/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { live, lives, NOW } from './lives.js';

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
