import { checkSnapshot } from '@portolan/check';
import { applyManifest, createNoun, deleteNoun, finishFlannel, flannelSpecOf, manifestOf, observeNode, observeRegistry, setFlannel } from '@portolan/intent';
import { podAddresses } from '@portolan/ipam';
import {
  diffSnapshots,
  type FlannelBackend,
  type FlannelLease,
  type FlannelSpec,
  type Id,
  isHostAddress,
  PortolanError,
  parseCidr,
  parseIpv4,
  pathOfBackend,
  pathOfLease,
  type Snapshot,
} from '@portolan/model';
import { emptySnapshot, seededIds } from '@portolan/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const backends: readonly FlannelBackend[] = [
  { type: 'vxlan' },
  { type: 'vxlan', port: 8480 },
  { type: 'vxlan', vni: 7, directRouting: true },
  { type: 'host-gw' },
  { type: 'udp' },
  { type: 'udp', port: 9000 },
];
const NODES = [1, 2, 3, 4];

/** What can happen to a flannel network; numbers choose. */
type Event =
  | { readonly kind: 'set'; readonly backend: number; readonly cni: boolean; readonly reserved: readonly number[] }
  | { readonly kind: 'remove' | 'finish' | 'join' }
  | { readonly kind: 'registry'; readonly leases: readonly { readonly slot: number; readonly node: number; readonly backend: number }[] }
  | { readonly kind: 'pod'; readonly which: number; readonly node: number; readonly address: number | null };

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('set' as const), backend: fc.nat(backends.length - 1), cni: fc.boolean(), reserved: fc.subarray(NODES) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('remove' as const, 'finish' as const, 'join' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('registry' as const),
      leases: fc.uniqueArray(fc.record({ slot: fc.integer({ min: 1, max: 8 }), node: fc.integer({ min: 1, max: 6 }), backend: fc.nat(backends.length - 1) }), {
        selector: ({ slot }) => slot,
        maxLength: 6,
      }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('pod' as const),
      which: fc.nat(12),
      node: fc.constantFrom(...NODES),
      address: fc.option(fc.integer({ min: 16, max: 8 * 16 + 15 }), { freq: 2 }),
    }),
  },
);

/** Subnets of /28, so that they fill up; the number of a slot is the fourth octet in units of 16. */
const specOf = (backend: number, cni: boolean, reserved: readonly number[]): FlannelSpec => ({
  network: '10.244.0.0/24',
  subnetLen: 28,
  backend: backends[backend] ?? { type: 'host-gw' },
  cni,
  reservations: reserved.map((i) => ({ node: `node${i}`, subnet: `10.244.0.${16 * i}/28` })),
});

function start(): Snapshot {
  const nodes = NODES.map((i) => ({ name: `node${i}`, address: `192.0.2.${i}` }));
  return { ...applyManifest(emptySnapshot(), { nodes }, seededIds(3), { now: 0 }) };
}

function leaseOf(snapshot: Snapshot, { slot, node, backend }: { readonly slot: number; readonly node: number; readonly backend: number }): FlannelLease {
  const { type, ...options } = backends[backend] ?? { type: 'host-gw' };
  const vni = 'vni' in options ? (options.vni ?? 1) : 1;
  return {
    key: `10.244.0.${16 * slot}-28`,
    subnet: `10.244.0.${16 * slot}/28`,
    publicAddress: `192.0.2.${node}`,
    backendType: type,
    vni: type === 'vxlan' ? vni : null,
    vtepMac: type === 'vxlan' ? `02:00:00:00:00:0${slot}` : null,
    nodeId: [...snapshot.nodes.values()].find(({ address }) => address === `192.0.2.${node}`)?.id ?? null,
    reserved: false,
    fault: null,
  };
}

function happened(snapshot: Snapshot, what: Event, newId: () => Id): Snapshot {
  switch (what.kind) {
    case 'set':
      return setFlannel(snapshot, specOf(what.backend, what.cni, what.reserved));
    case 'remove':
      return setFlannel(snapshot, null);
    case 'finish':
      return finishFlannel(snapshot, { retired: ['host-gw', 'vxlan/1'], left: true });
    case 'join': {
      const [node] = snapshot.nodes.values();
      return node === undefined ? snapshot : observeNode(snapshot, node.id, { presence: {}, health: {}, underlayLink: 'eth0' });
    }
    case 'registry':
      return observeRegistry(snapshot, new Map(what.leases.map((own) => leaseOf(snapshot, own)).map((own) => [own.key, own])));
    case 'pod': {
      const name = `pod${what.which}`;
      if ([...snapshot.endpoints.values()].some((own) => own.name === name)) return deleteNoun(snapshot, 'endpoint', name);
      const flannel = what.address === null ? {} : { address: `10.244.0.${what.address}` };
      return createNoun(snapshot, 'endpoint', { name, node: `node${what.node}`, attachment: { netns: `/run/netns/${name}` }, flannel }, newId);
    }
  }
}

/** Nothing when the event is refused, which is judged elsewhere. */
function attempted(snapshot: Snapshot, what: Event, newId: () => Id): Snapshot | undefined {
  try {
    return happened(snapshot, what, newId);
  } catch (error) {
    if (error instanceof PortolanError && error.code !== 'internal') return undefined;
    throw error;
  }
}

function expectSoundPods(snapshot: Snapshot): void {
  const seen = new Set<string>();
  for (const { name, nodeId, flannel } of snapshot.endpoints.values()) {
    if (flannel === null || flannel.address === null) continue;
    expect(seen, name).not.toContain(flannel.address);
    seen.add(flannel.address);
    if (flannel.fixed) continue;
    const own = [...snapshot.flannelLeases.values()].filter((lease) => lease.nodeId === nodeId).map(({ subnet }) => parseCidr(subnet ?? '0.0.0.0/0'));
    const value = parseIpv4(flannel.address);
    expect(own.some((subnet) => isHostAddress(subnet, value) && value > subnet.first + 1)).toBe(true);
  }
}

describe('whatever happens to a flannel network', () => {
  it('no address is given twice or outside of its subnet, and what is read can be written', () => {
    let refused = 0;
    let done = 0;
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 25 }), (events) => {
        const newId = seededIds(5);
        let snapshot = start();
        for (const what of events) {
          const after = attempted(snapshot, what, newId);
          if (after === undefined) refused++;
          if (after === undefined || after === snapshot) continue;
          done++;
          expect(checkSnapshot(after).filter(({ severity }) => severity === 'block')).toEqual([]);
          expectSoundPods(after);
          expect(podAddresses(after)).toBe(after);
          for (const { before, after: now } of diffSnapshots(snapshot, after).endpoints.changed) expect(now.version).toBe(before.version + 1);
          if (snapshot.flannel !== null && after.flannel !== null && snapshot.flannel !== after.flannel) {
            const isByPeople = what.kind === 'set' || what.kind === 'remove';
            expect([0, isByPeople ? 1 : 0]).toContain(after.flannel.version - snapshot.flannel.version);
            if (isByPeople) expect(after.flannel.version).toBe(snapshot.flannel.version + 1);
          }
          snapshot = { ...after, cluster: { ...after.cluster, revision: snapshot.cluster.revision + 1 } };
          expect(observeRegistry(snapshot, structuredClone(snapshot.flannelLeases))).toBe(snapshot);
          expect(applyManifest(snapshot, manifestOf(snapshot), newId, { now: 0 })).toBe(snapshot);
          const { flannel } = snapshot;
          if (flannel !== null && !flannel.leaving) expect(setFlannel(snapshot, flannelSpecOf(flannel, snapshot.nodes))).toBe(snapshot);
        }
      }),
      { numRuns: 150 },
    );
    expect(done).toBeGreaterThan(refused / 2);
  });

  it('holds each path once, that of the chosen backend and all that a lease names', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            event.filter(({ kind }) => kind === 'join'),
            event.filter(({ kind }) => kind === 'set'),
          ),
          { maxLength: 15 },
        ),
        (events) => {
          const newId = seededIds(5);
          let snapshot = observeRegistry(setFlannel(start(), specOf(0, true, [])), new Map());
          for (const what of events) {
            const before = snapshot.flannel;
            // Leases are of the backend that is chosen, as nodes have them that have changed.
            const used = before === null ? 0 : backends.findIndex((own) => pathOfBackend(own) === pathOfBackend(before.backend));
            snapshot = observeRegistry(
              snapshot,
              new Map([1, 2].map((i) => leaseOf(snapshot, { slot: i, node: i, backend: used })).map((own) => [own.key, own])),
            );
            snapshot = attempted(snapshot, what, newId) ?? snapshot;
            const { flannel } = snapshot;
            if (flannel === null) continue;
            const paths = [flannel.backend, ...flannel.retiring].map(pathOfBackend);
            expect(new Set(paths).size).toBe(paths.length);
            for (const lease of snapshot.flannelLeases.values()) expect(paths).toContain(pathOfLease(lease));
          }
        },
      ),
    );
  });
});

describe('the manifest of a cluster with a flannel network', () => {
  it('makes the same network of an empty cluster', () => {
    fc.assert(
      fc.property(fc.nat(backends.length - 1), fc.boolean(), fc.subarray(NODES), (backend, cni, reserved) => {
        const snapshot = setFlannel(start(), specOf(backend, cni, reserved));
        const again = applyManifest(emptySnapshot(), manifestOf(snapshot), seededIds(8), { now: 0 });
        expect(manifestOf(again)).toEqual(manifestOf(snapshot));
      }),
    );
  });
});
