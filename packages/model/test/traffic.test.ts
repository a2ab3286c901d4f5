import {
  defaultClusterSettings,
  type Endpoint,
  effectiveMtu,
  type Network,
  type Node,
  type Snapshot,
  subnetsOf,
  trafficOf,
  underlayMtu,
} from '@portolan/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sample } from './sample.js';

const tcp = { kind: 'tcp', port: 80, path: '', intervalMs: 1000, timeoutMs: 500, failures: 2, successes: 2 } as const;
const drain = { revision: 3, deadline: 1_800_000_000_000, removes: true, drained: false };
const there = { presence: 'present', health: 'unknown', drain: null } as const;
const up = { availability: 'active', condition: 'up' } as const;

/** The sample with what its nodes report, in their order. */
function reporting(mtus: readonly (number | null)[], setting: number): Snapshot {
  const nodes = [...sample.nodes].map(([id, node], i): [string, Node] => [id, { ...node, underlayMtu: mtus[i] ?? null }]);
  return { ...sample, cluster: { ...sample.cluster, settings: { ...defaultClusterSettings, underlayMtu: setting } }, nodes: new Map(nodes) };
}

describe('MTU', () => {
  it.each<[mtus: readonly (number | null)[], setting: number, mtu: number]>([
    [[null, null, null], 1500, 1500],
    [[1500, 1450, null], 1500, 1450],
    [[9000, 9000, 9000], 1500, 1500],
    [[9000, 1400, 1300], 9216, 1300],
  ])('between hosts that report %j with the setting %i is %i', (mtus, setting, mtu) => {
    expect(underlayMtu(reporting(mtus, setting))).toBe(mtu);
    expect(effectiveMtu(reporting(mtus, setting), { mtu: null })).toBe(mtu - 50);
  });

  it('that is pinned is what it is, whatever fits', () => {
    expect(effectiveMtu(reporting([576, null, null], 1500), { mtu: 1450 })).toBe(1450);
  });
});

describe('subnetsOf', () => {
  it('begins with the one that addresses come from first', () => {
    const [network] = sample.networks.values();
    if (network === undefined) throw new Error('the sample has no network');
    const extra = [{ vni: 5000, subnet: '10.9.0.0/24', gateway: '10.9.0.1' }];
    const wide: Network = { ...network, extraSubnets: extra };
    expect(subnetsOf(wide)).toEqual([{ vni: network.vni, subnet: network.subnet, gateway: network.gateway }, ...extra]);
    expect(subnetsOf(network)).toHaveLength(1);
  });
});

type Life = Pick<Endpoint, 'presence' | 'health' | 'drain'>;

describe('traffic', () => {
  it.each<[what: string, life: Partial<Life>, health: typeof tcp | null, node: Partial<Pick<Node, 'availability' | 'condition'>>, traffic: string]>([
    ['whose namespace is there', {}, null, {}, 'all'],
    ['that was not seen yet', { presence: 'unknown' }, null, {}, 'nothing'],
    ['whose namespace is gone', { presence: 'absent' }, null, {}, 'nothing'],
    ['that is gone while it drains', { presence: 'absent', drain }, null, {}, 'nothing'],
    ['that drains', { drain }, null, {}, 'established'],
    ['that is drained', { drain: { ...drain, drained: true } }, null, {}, 'established'],
    ['on a node that is drained', {}, null, { availability: 'drain' }, 'established'],
    ['on a node that is paused', {}, null, { availability: 'pause' }, 'all'],
    ['on a node that was not seen yet', {}, null, { condition: 'unknown' }, 'all'],
    ['on a node whose agent is silent', {}, null, { condition: 'silent' }, 'all'],
    ['on a node that is unreachable', {}, null, { condition: 'unreachable' }, 'nothing'],
    ['that drains on a node that is unreachable', { drain }, null, { condition: 'unreachable' }, 'nothing'],
    ['that is healthy', { health: 'healthy' }, tcp, {}, 'all'],
    ['that was not probed yet', { health: 'unknown' }, tcp, {}, 'nothing'],
    ['that is unhealthy', { health: 'unhealthy' }, tcp, {}, 'nothing'],
    ['that is unhealthy by a check that is no more', { health: 'unhealthy' }, null, {}, 'all'],
    ['that drains in health', { health: 'healthy', drain }, tcp, {}, 'established'],
    ['that drains and is unhealthy', { health: 'unhealthy', drain }, tcp, {}, 'nothing'],
  ])('an endpoint %s', (_what, life, healthCheck, node, traffic) => {
    expect(trafficOf({ ...there, ...life }, { healthCheck }, { ...up, ...node })).toBe(traffic);
  });

  it('of an endpoint without a service does not ask for health', () => {
    expect(trafficOf({ ...there, health: 'unhealthy' }, null, up)).toBe('all');
  });

  it('is never more for one that drains, or whose node does, than it was before', () => {
    const rank = { nothing: 0, established: 1, all: 2 };
    const life = fc.record({ presence: fc.constantFrom('unknown', 'present', 'absent'), health: fc.constantFrom('unknown', 'healthy', 'unhealthy') });
    const node = fc.record({ availability: fc.constantFrom('active', 'pause', 'drain'), condition: fc.constantFrom('unknown', 'up', 'silent', 'unreachable') });
    fc.assert(
      fc.property(life, node, fc.option(fc.constant(tcp)), (own, where, healthCheck) => {
        const before = rank[trafficOf({ ...own, drain: null }, { healthCheck }, where)];
        const draining = rank[trafficOf({ ...own, drain }, { healthCheck }, where)];
        expect(draining).toBe(Math.min(before, 1));
        expect(rank[trafficOf({ ...own, drain: null }, { healthCheck }, { ...where, availability: 'drain' })]).toBe(Math.min(before, 1));
      }),
    );
  });
});
