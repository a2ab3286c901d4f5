import { checkSnapshot } from '@portolan/check';
import {
  allocate,
  type Changes,
  type Drafts,
  type EndpointDraft,
  ledgerOf,
  type NetworkDraft,
  poolUsage,
  releaseRetired,
  type ServiceDraft,
} from '@portolan/ipam';
import type { Id, NounKind, Retired, Snapshot } from '@portolan/model';
import { subnetsOf } from '@portolan/model';
import { emptySnapshot } from '@portolan/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endpoint, joined, network, node, port, service } from './drafting.js';

const nodeIds = ['n1', 'n2'] as const;
const overlays = ['a', 'b', 'c'] as const;
const serviceIds = ['s1', 's2', 's3'] as const;

/** What an edit wants of a service: null deletes it with its endpoints. */
interface Wish {
  readonly id: (typeof serviceIds)[number];
  readonly networks: readonly (typeof overlays)[number][];
  readonly dnsrr: boolean;
  readonly publish: 'nothing' | 'ingress' | 'local' | 'host';
  /** Pins the VIP of the first network and its mark, relative to the range. */
  readonly pin: number | null;
  /** Nodes of its endpoints, by slot; a slot that is empty is deleted. */
  readonly slots: readonly ((typeof nodeIds)[number] | null)[];
}

const wish: fc.Arbitrary<Wish> = fc.record({
  id: fc.constantFrom(...serviceIds),
  networks: fc.subarray([...overlays], { minLength: 1 }),
  dnsrr: fc.boolean(),
  publish: fc.constantFrom('nothing' as const, 'ingress' as const, 'local' as const, 'host' as const),
  pin: fc.option(fc.integer({ min: 2, max: 8 }), { freq: 3 }),
  slots: fc.array(fc.option(fc.constantFrom(...nodeIds), { freq: 2 }), { maxLength: 3 }),
});
type Step = { readonly edit: readonly Wish[]; readonly remove: readonly (typeof serviceIds)[number][] } | { readonly settle: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ edit: fc.uniqueArray(wish, { maxLength: 2, selector: (own) => own.id }), remove: fc.subarray([...serviceIds], { maxLength: 1 }) }),
  },
  { weight: 1, arbitrary: fc.record({ settle: fc.nat(3) }) },
);

function cluster(): Snapshot {
  const extra = { subnet: '10.3.1.0/28', vni: null, gateway: null };
  const networks = [
    network('mesh', { ingress: true, subnet: '10.0.0.0/26' }),
    network('a', { subnet: '10.1.0.0/28' }),
    network('b', { subnet: '10.2.0.0/26', internal: true }),
    network('c', { subnet: '10.3.0.0/28', extraSubnets: [extra] }),
  ];
  const base = emptySnapshot('c', { markRange: [100, 120], dynamicPortRange: [30000, 30004] });
  return afterChanges(base, { networks, nodes: [node('n1', '192.0.2.1'), node('n2', '192.0.2.2')] }) ?? base;
}

type Lists = { readonly networks?: readonly NetworkDraft[]; readonly nodes?: readonly Drafts['node'][] };

function afterChanges(base: Snapshot, { networks = [], nodes = [] }: Lists): Snapshot | undefined {
  const changes: Changes = {
    settings: base.cluster.settings,
    networks: new Map(networks.map((own) => [own.id, own])),
    nodes: new Map(nodes.map((own) => [own.id, own])),
    services: new Map(),
    endpoints: new Map(),
    flannel: null,
  };
  return committedOf(base, changes);
}

function committedOf(base: Snapshot, changes: Changes): Snapshot | undefined {
  const result = allocate(base, changes);
  if ('faults' in result) return undefined;
  const { snapshot } = result;
  return snapshot === base ? base : { ...snapshot, cluster: { ...snapshot.cluster, revision: base.cluster.revision + 1 } };
}

function changesOf(base: Snapshot, { edit, remove }: Extract<Step, { readonly edit: unknown }>): Changes {
  const services = new Map<Id, ServiceDraft | null>();
  const endpoints = new Map<Id, EndpointDraft | null>();
  for (const id of remove) {
    if (base.services.has(id)) services.set(id, null);
    for (const own of base.endpoints.values()) if (own.serviceId === id) endpoints.set(own.id, null);
  }
  for (const own of edit) {
    if (remove.includes(own.id)) continue;
    services.set(own.id, serviceDraft(base, own));
    own.slots.forEach((nodeId, slot) => {
      const id = `${own.id}.${slot}`;
      const before = base.endpoints.get(id);
      if (nodeId === null) endpoints.set(id, null);
      else if (before === undefined) endpoints.set(id, endpoint(id, own.id, nodeId));
    });
  }
  return { settings: base.cluster.settings, nodes: new Map(), networks: new Map(), services, endpoints, flannel: null };
}

function serviceDraft(base: Snapshot, { id, networks, dnsrr, publish, pin }: Wish): ServiceDraft {
  const before = base.services.get(id);
  const mesh = !dnsrr && (publish === 'ingress' || publish === 'local');
  const ids = mesh ? [...networks, 'mesh'] : networks;
  const first = base.networks.get(ids[0] ?? '')?.subnet.replace(/\.0\/.*/, '');
  return service(id, [], {
    endpointMode: dnsrr ? 'dnsrr' : 'vip',
    networks: ids.map((networkId, i) => {
      const kept = before?.networks.find((own) => own.networkId === networkId) ?? joined(networkId);
      return i > 0 || pin === null || dnsrr ? kept : { ...kept, address: `${first}.${pin}`, mark: 100 + pin };
    }),
    ports: publish === 'nothing' || (dnsrr && publish !== 'host') ? [] : [portDraft(before?.ports[0], publish)],
  });
}

function portDraft(before: ServiceDraft['ports'][number] | undefined, publish: 'ingress' | 'local' | 'host'): ServiceDraft['ports'][number] {
  const mode = publish === 'host' ? 'host' : 'ingress';
  const published = before?.mode === mode ? before.published : null;
  return port({ mode, published, externalTrafficPolicy: publish === 'local' ? 'local' : 'cluster' });
}

type Held = ReadonlyMap<string, Pick<Retired['holder'], 'kind' | 'name' | 'serviceId'>>;

/** Every value that is retired when it is given up, and who has it. */
function heldValues({ networks, nodes, services, endpoints }: Snapshot): Held {
  const held = new Map<string, Retired['holder']>();
  const enter = (
    pool: Retired['pool'],
    networkId: Id | null,
    value: string | number | null,
    kind: NounKind,
    name: string,
    serviceId: Id | null = null,
  ): void => {
    if (value !== null) held.set(`${pool} ${networkId} ${value}`, { kind, name, serviceId });
  };
  for (const own of networks.values()) {
    for (const { vni, gateway } of subnetsOf(own)) {
      enter('vni', null, vni, 'network', own.name);
      enter('address', own.id, gateway, 'network', own.name);
    }
  }
  for (const own of nodes.values()) for (const { networkId, address } of own.loadBalancers) enter('address', networkId, address, 'node', own.name);
  for (const own of services.values()) {
    for (const { networkId, address, mark, localMark } of own.networks) {
      enter('address', networkId, address, 'service', own.name);
      enter('mark', null, mark, 'service', own.name);
      enter('mark', null, localMark, 'service', own.name);
    }
  }
  for (const own of endpoints.values())
    for (const { networkId, address } of own.addresses) enter('address', networkId, address, 'endpoint', own.name, own.serviceId);
  return held;
}

const blocks = (snapshot: Snapshot): readonly string[] =>
  checkSnapshot(snapshot).flatMap(({ severity, code, subject, message }) =>
    // Host ports of a service on internal networks only are refused by check alone.
    severity === 'block' && code !== 'unsupported-combination' ? [`${code} ${subject.name} ${message}`] : [],
  );

describe('a history of edits', () => {
  it('is sound, never gives a retired value to another, and goes the same way with a ledger that is built anew', () => {
    let edits = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        let snapshot = cluster();
        for (const own of steps) {
          if ('settle' in own) {
            const settled = releaseRetired(snapshot, snapshot.cluster.revision - own.settle);
            expect(settled.retired.every((entry) => entry.revision > snapshot.cluster.revision - own.settle)).toBe(true);
            snapshot = settled;
            continue;
          }
          edits++;
          const changes = changesOf(snapshot, own);
          const anew: Snapshot = structuredClone(snapshot);
          const after = committedOf(snapshot, changes);
          expect(committedOf(anew, { ...changes, settings: anew.cluster.settings })).toEqual(after);
          if (after === undefined) {
            refused++;
            continue;
          }
          expect(blocks(after)).toEqual([]);
          expectRetired(snapshot, after);
          expectBooks(after);
          snapshot = after;
        }
      }),
      { numRuns: 60 },
    );
    // Refusals are tried as well, and are not the rule.
    expect(refused).toBeGreaterThan(0);
    expect(edits).toBeGreaterThan(2 * refused);
  });
});

/** What was held and is not any more is retired, with this revision; nothing retired is held; the rest stays as it was. */
function expectRetired(before: Snapshot, after: Snapshot): void {
  const [was, now] = [heldValues(before), heldValues(after)];
  const retired = new Map(after.retired.map((entry) => [`${entry.pool} ${entry.networkId} ${entry.value}`, entry]));
  expect(retired.size).toBe(after.retired.length);
  for (const key of retired.keys()) expect(now.has(key)).toBe(false);
  for (const [key, holder] of was) {
    if (!now.has(key)) expect(retired.get(key)).toMatchObject({ revision: before.cluster.revision + 1, holder });
  }
  for (const entry of before.retired) {
    const key = `${entry.pool} ${entry.networkId} ${entry.value}`;
    const holder = now.get(key);
    if (holder === undefined) expect(retired.get(key)).toBe(entry);
    else if (holder.kind !== entry.holder.kind || holder.name !== entry.holder.name) expect(holder.serviceId).toBe(entry.holder.serviceId ?? 'nobody');
  }
}

/** The ledger that came along says what one that is built anew says, and the usage agrees with it. */
function expectBooks(snapshot: Snapshot): void {
  const [ours, anew] = [ledgerOf(snapshot), ledgerOf(structuredClone(snapshot))];
  for (const { pool, networkId, name, size, used, retired, free, by } of poolUsage(snapshot)) {
    expect(used + retired + free).toBe(size);
    expect(Object.values(by).reduce((sum, count) => sum + count, 0)).toBe(used);
    if (networkId === null) continue;
    const [book, fresh] = [ours.addressesOf(networkId), anew.addressesOf(networkId)];
    expect([...book.holders()].length, `${pool} ${name}`).toBe(used);
    expect([...fresh.holders()].map((holder) => holder.id).sort()).toEqual([...book.holders()].map((holder) => holder.id).sort());
    expect([...(fresh.retired?.keys() ?? [])].sort()).toEqual([...(book.retired?.keys() ?? [])].sort());
  }
  expect([...ours.marks.heldWithin(100, 120)].map(([mark]) => mark)).toEqual([...anew.marks.heldWithin(100, 120)].map(([mark]) => mark));
}
