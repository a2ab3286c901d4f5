import { checkSnapshot } from '@portolan/check';
import { applyManifest, createNoun, deleteNoun, manifestOf, parseManifest, patchNoun, setFlannel, specOf } from '@portolan/intent';
import { diffSnapshots, type Manifest, type NetworkAddress, nounCollections, nounKinds, type Snapshot, subnetsOf } from '@portolan/model';
import { emptySnapshot, manifestArbitrary, seededIds } from '@portolan/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const apply = (snapshot: Snapshot, manifest: Manifest, seed = 1): Snapshot => applyManifest(snapshot, manifest, seededIds(seed), { now: 0 });
const blocks = (snapshot: Snapshot) => checkSnapshot(snapshot).filter((finding) => finding.severity === 'block');

/** Maps in another order with other objects, as they come from a database. */
function reloaded(snapshot: Snapshot): Snapshot {
  const copy = structuredClone(snapshot);
  const turned = <T>(map: ReadonlyMap<string, T>): Map<string, T> => new Map([...map].reverse());
  return {
    cluster: copy.cluster,
    nodes: new Map([...copy.nodes].reverse().map(([id, node]) => [id, { ...node, loadBalancers: node.loadBalancers.toReversed() }])),
    networks: turned(copy.networks),
    services: new Map(
      [...copy.services].reverse().map(([id, service]) => [id, { ...service, networks: service.networks.toReversed(), ports: service.ports.toReversed() }]),
    ),
    endpoints: new Map(
      [...copy.endpoints]
        .reverse()
        .map(([id, endpoint]) => [id, { ...endpoint, addresses: endpoint.addresses.toReversed(), aliases: endpoint.aliases.toReversed() }]),
    ),
    retired: copy.retired,
    flannel: copy.flannel === null ? null : { ...copy.flannel, reservations: copy.flannel.reservations.toReversed() },
    flannelLeases: turned(copy.flannelLeases),
  };
}

function addressesOf({ networks, nodes, services, endpoints }: Snapshot): readonly string[] {
  const all: NetworkAddress[] = [...networks.values()].flatMap((network) =>
    subnetsOf(network).map(({ gateway }) => ({ networkId: network.id, address: gateway })),
  );
  for (const node of nodes.values()) all.push(...node.loadBalancers);
  for (const service of services.values()) for (const { networkId, address } of service.networks) if (address !== null) all.push({ networkId, address });
  for (const endpoint of endpoints.values()) all.push(...endpoint.addresses);
  return all.map(({ networkId, address }) => `${networkId} ${address}`);
}

describe('any manifest', () => {
  it('is valid as the arbitrary makes it', () => {
    fc.assert(
      fc.property(manifestArbitrary(), (manifest) => {
        expect(parseManifest(manifest)).toBe(manifest);
      }),
    );
  });

  it('gives a snapshot without findings that block and without an address twice', () => {
    fc.assert(
      fc.property(manifestArbitrary(), (manifest) => {
        const snapshot = apply(emptySnapshot(), manifest);
        expect(blocks(snapshot)).toEqual([]);
        const addresses = addressesOf(snapshot);
        expect(new Set(addresses).size).toBe(addresses.length);
      }),
    );
  });

  it('changes nothing when it is applied again, nor does what it became, nor after a reload', () => {
    fc.assert(
      fc.property(manifestArbitrary(), (manifest) => {
        const snapshot = apply(emptySnapshot(), manifest);
        expect(apply(snapshot, manifest, 2)).toBe(snapshot);
        expect(apply(snapshot, manifestOf(snapshot), 2)).toBe(snapshot);
        const again = reloaded(snapshot);
        expect(apply(again, manifest, 2)).toBe(again);
        expect(apply(again, manifestOf(snapshot), 2)).toBe(again);
        expect(manifestOf(again)).toEqual(manifestOf(snapshot));
      }),
    );
  });

  it('gives the same whatever the order of its sections', () => {
    fc.assert(
      fc.property(
        manifestArbitrary(),
        fc.shuffledSubarray(['nodes', 'networks', 'services', 'endpoints', 'flannel'] as const, { minLength: 5 }),
        (manifest, order) => {
          const shuffled = Object.fromEntries(order.map((section) => [section, manifest[section]]));
          expect(manifestOf(apply(emptySnapshot(), shuffled))).toEqual(manifestOf(apply(emptySnapshot(), manifest)));
        },
      ),
    );
  });

  it('leads from any other to a sound snapshot that says what it says', () => {
    fc.assert(
      fc.property(fc.array(manifestArbitrary(), { minLength: 2, maxLength: 4 }), (manifests) => {
        let snapshot = emptySnapshot();
        manifests.forEach((manifest, i) => {
          const after = apply(snapshot, manifest, i);
          expect(blocks(after)).toEqual([]);
          const names = (nouns: Iterable<{ readonly name: string }>) => [...nouns].map((noun) => noun.name).sort();
          for (const section of ['nodes', 'networks', 'services', 'endpoints'] as const)
            expect(names(after[section].values())).toEqual(names(manifest[section]));
          const difference = diffSnapshots(snapshot, after);
          for (const { before, after: now } of nounKinds.flatMap((kind) => [...difference[nounCollections[kind]].changed])) {
            expect(now.version).toBe(before.version + 1);
            expect(now.id).toBe(before.id);
          }
          snapshot = after;
        });
      }),
    );
  });

  it('can be taken apart and put together again object by object, soundly at each step', () => {
    fc.assert(
      fc.property(manifestArbitrary(), (manifest) => {
        const newId = seededIds(7);
        let snapshot = emptySnapshot();
        const step = (after: Snapshot): void => {
          expect(after).not.toBe(snapshot);
          expect(blocks(after)).toEqual([]);
          snapshot = after;
        };
        for (const spec of manifest.nodes) step(createNoun(snapshot, 'node', spec, newId));
        for (const spec of manifest.networks) step(createNoun(snapshot, 'network', spec, newId));
        for (const spec of manifest.services) step(createNoun(snapshot, 'service', spec, newId));
        if (manifest.flannel !== null) step(setFlannel(snapshot, manifest.flannel));
        for (const spec of manifest.endpoints) step(createNoun(snapshot, 'endpoint', spec, newId));
        for (const service of snapshot.services.values())
          expect(patchNoun(snapshot, 'service', service.name, specOf(snapshot, 'service', service))).toBe(snapshot);
        for (const { name } of manifest.endpoints) step(deleteNoun(snapshot, 'endpoint', name));
        if (manifest.flannel !== null) step(setFlannel(snapshot, null));
        for (const { name } of manifest.services) step(deleteNoun(snapshot, 'service', name));
        for (const { name } of manifest.networks) step(deleteNoun(snapshot, 'network', name));
        for (const { name } of manifest.nodes) step(deleteNoun(snapshot, 'node', name));
        expect([snapshot.nodes.size, snapshot.networks.size, snapshot.services.size, snapshot.endpoints.size]).toEqual([0, 0, 0, 0]);
      }),
      { numRuns: 50 },
    );
  });
});
