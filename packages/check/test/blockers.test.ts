import { blockersOf, checkSnapshot, type ForeignMark } from '@portolan/check';
import type { Endpoint, Flannel, Id, Network, Node, Service, Snapshot } from '@portolan/model';
import { flannelDefaults, sampleSnapshot } from '@portolan/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lowestMatch } from '../src/marks.js';

const sample = sampleSnapshot();
const back = 'bjdt_bjdt-dzwl';
const front = 'bjdt_bjdt-dzwl-web';
const leaving = { revision: 1, deadline: 0, removes: true, drained: false };

interface Nouns {
  readonly nodes: Node;
  readonly networks: Network;
  readonly services: Service;
  readonly endpoints: Endpoint;
}

function edited<C extends keyof Nouns>(collection: C, name: string, change: Partial<Nouns[C]>, snapshot = sample): Snapshot {
  const nouns: ReadonlyMap<Id, Nouns[C]> = (snapshot as { readonly [K in keyof Nouns]: ReadonlyMap<Id, Nouns[K]> })[collection];
  return { ...snapshot, [collection]: new Map([...nouns].map(([id, noun]) => [id, noun.name === name ? { ...noun, ...change } : noun])) };
}

function without(collection: keyof Nouns, name: string, snapshot = sample): Snapshot {
  const nouns: ReadonlyMap<Id, Nouns[keyof Nouns]> = snapshot[collection];
  return { ...snapshot, [collection]: new Map([...nouns].filter(([, noun]) => noun.name !== name)) };
}

function named<C extends keyof Nouns>(collection: C, name: string, snapshot = sample): Nouns[C] {
  const nouns: ReadonlyMap<Id, Nouns[C]> = (snapshot as { readonly [K in keyof Nouns]: ReadonlyMap<Id, Nouns[K]> })[collection];
  const found = [...nouns.values()].find((noun) => noun.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

const unreachable = (name: string, snapshot = sample): Snapshot => edited('nodes', name, { condition: 'unreachable' }, snapshot);
const overrides = (before: Snapshot, after: Snapshot, marks?: ReadonlyMap<Id, readonly ForeignMark[]>): readonly string[] =>
  blockersOf(before, after, { foreignMarks: marks }).map(({ override }) => override);

describe('backends on nodes that are gone', () => {
  const cut = unreachable('node3');

  it('block an endpoint that is placed there, made anew or not', () => {
    const added = { ...named('endpoints', `${back}.1`), id: 'a'.repeat(25), name: `${back}.4`, nodeId: named('nodes', 'node3').id };
    const after = { ...cut, endpoints: new Map([...cut.endpoints, [added.id, added]]) };
    expect(overrides(cut, after)).toEqual([`backend-on-gone-node:${back}.4`]);
    expect(overrides(sample, { ...sample, endpoints: after.endpoints })).toEqual([]);
    const moved = edited('endpoints', `${back}.1`, { id: 'b'.repeat(25), nodeId: named('nodes', 'node3').id }, cut);
    expect(overrides(cut, moved)).toEqual([`backend-on-gone-node:${back}.1`]);
  });

  it('let one be that was there, whatever is changed of it', () => {
    expect(overrides(cut, edited('endpoints', `${back}.3`, { aliases: ['third'], id: 'c'.repeat(25) }, cut))).toEqual([]);
  });

  it('block taking all others of a service away', () => {
    const one = without('endpoints', `${back}.1`, cut);
    expect(overrides(cut, one)).toEqual([]);
    const [found, ...more] = blockersOf(one, without('endpoints', `${back}.2`, one));
    expect(more).toEqual([]);
    expect(found).toMatchObject({ code: 'plan-blocked', rule: 'backend-on-gone-node', override: `backend-on-gone-node:${back}.3`, path: '' });
    expect(found?.message).toContain('node3');
    const drained = edited('endpoints', `${back}.2`, { drain: leaving }, one);
    expect(overrides(one, drained)).toEqual([`backend-on-gone-node:${back}.3`]);
    // It is as it was before.
    expect(overrides(drained, without('endpoints', `${back}.2`, drained))).toEqual([]);
  });

  it('say nothing of a node that is silent only, or has not been seen yet', () => {
    for (const condition of ['silent', 'unknown'] as const) {
      const own = edited('nodes', 'node3', { condition });
      const after = without('endpoints', `${back}.1`, without('endpoints', `${back}.2`, own));
      expect(overrides(own, after), condition).toEqual([]);
    }
  });
});

describe('services without a backend', () => {
  const last = without('endpoints', `${front}.2`);

  it('block taking the last endpoint that takes connections', () => {
    expect(overrides(sample, last)).toEqual([]);
    for (const after of [
      without('endpoints', `${front}.1`, last),
      edited('endpoints', `${front}.1`, { drain: leaving }, last),
      edited('endpoints', `${front}.1`, { drain: { ...leaving, removes: false } }, last),
      edited('endpoints', `${front}.1`, { weight: 0 }, last),
      edited('nodes', 'node1', { availability: 'drain' }, last),
    ]) {
      expect(overrides(last, after)).toEqual([`service-without-backend:${front}`]);
    }
  });

  it('let another one take its place that nobody has seen yet, but not one that is known to be absent or ill', () => {
    const next = (more: Partial<Endpoint>): Snapshot => edited('endpoints', `${front}.1`, { id: 'd'.repeat(25), ...more }, last);
    expect(overrides(last, next({ presence: 'unknown' }))).toEqual([]);
    expect(overrides(last, next({ presence: 'absent' }))).toEqual([`service-without-backend:${front}`]);
    const probed = edited(
      'services',
      front,
      { healthCheck: { kind: 'tcp', port: 80, path: '', intervalMs: 1000, timeoutMs: 500, failures: 2, successes: 2 } },
      edited('endpoints', `${front}.1`, { health: 'healthy' }, last),
    );
    expect(overrides(probed, edited('endpoints', `${front}.1`, { health: 'unknown' }, probed))).toEqual([]);
    expect(overrides(probed, edited('endpoints', `${front}.1`, { health: 'unhealthy' }, probed))).toEqual([`service-without-backend:${front}`]);
  });

  it('say nothing of a service that goes, that had none, or that nobody can reach by an address of its own', () => {
    const none = without('endpoints', `${front}.1`, last);
    expect(overrides(last, without('services', front, none))).toEqual([]);
    expect(overrides(none, edited('services', front, { scheduler: 'lc' }, none))).toEqual([]);
    const absent = edited('endpoints', `${front}.1`, { presence: 'absent' }, last);
    expect(overrides(absent, without('endpoints', `${front}.1`, absent))).toEqual([]);
    const [network] = named('services', front).networks;
    if (network === undefined) throw new Error('no network');
    const plain = (snapshot: Snapshot): Snapshot =>
      edited('services', front, { ports: [], endpointMode: 'dnsrr', networks: [{ ...network, address: null, mark: null, localMark: null }] }, snapshot);
    expect(overrides(plain(last), plain(none))).toEqual([]);
  });
});

describe('marks that clash with those of other programs', () => {
  const on = (...marks: readonly ForeignMark[]): ReadonlyMap<Id, readonly ForeignMark[]> => new Map([[named('nodes', 'node2').id, marks]]);
  const marked = (mark: number): Snapshot =>
    edited('services', back, { networks: named('services', back).networks.map((own, i) => (i === 0 ? { ...own, mark } : own)) });
  const kubernetes = { mask: 0x4000, value: 0x4000 };

  it('block a new mark that has the bits of a rule, or its number', () => {
    const [found] = blockersOf(sample, marked(0x4149), { foreignMarks: on(kubernetes) });
    expect(found).toMatchObject({ override: `mark-clash:${back}`, rule: 'mark-clash' });
    expect(found?.message).toContain('0x4149');
    expect(found?.message).toContain('0x4000/0x4000');
    expect(found?.message).toContain('node2');
    expect(overrides(sample, marked(0x149 + 1), on({ mask: 0xffffffff, value: 0x149 + 1 }))).toEqual([`mark-clash:${back}`]);
  });

  it('let be what matches no mark of ours, what was there before, and rules for packets without a mark', () => {
    const all = on(kubernetes, { mask: 0xffffffff, value: 0x100 }, { mask: 0xf0000000, value: 0x80000000 }, { mask: 0xffff, value: 0 });
    expect(overrides(sample, marked(0x10055), all)).toEqual([]);
    expect(overrides(sample, edited('services', back, { scheduler: 'lc' }), on({ mask: 0xffffffff, value: 0x149 }))).toEqual([]);
    expect(overrides(sample, marked(0x4149), new Map([['z'.repeat(25), [kubernetes]]]))).toEqual([]);
  });

  it('block a range of marks that holds such a mark', () => {
    const ranged = (first: number, last: number): Snapshot => ({
      ...sample,
      cluster: { ...sample.cluster, settings: { ...sample.cluster.settings, markRange: [first, last] } },
    });
    expect(overrides(sample, ranged(0x3000, 0x4000), on(kubernetes))).toEqual(['mark-clash:settings/markRange']);
    expect(overrides(sample, ranged(0x3000, 0x3fff), on(kubernetes))).toEqual([]);
    expect(overrides(ranged(0x3000, 0x4000), edited('services', back, { scheduler: 'lc' }, ranged(0x3000, 0x4000)), on(kubernetes))).toEqual([]);
  });

  it('find the lowest mark that matches', () => {
    const bits = fc.nat(0x3ff);
    fc.assert(
      fc.property(fc.nat(0x7ff), bits, bits, (first, mask, some) => {
        const value = some & mask;
        let lowest = first;
        while ((lowest & mask) !== value) lowest++;
        expect(lowestMatch(first, { mask, value })).toBe(lowest);
      }),
    );
    expect(lowestMatch(0x80000001, { mask: 0x80000000, value: 0x80000000 })).toBe(0x80000001);
    expect(lowestMatch(0xf0000000, { mask: 0xffffffff, value: 1 })).toBeUndefined();
  });
});

describe('subnets over the hosts', () => {
  it('block a network that comes to hold the address of a host, and a host that comes into a network', () => {
    const wide = edited('networks', 'bjdt_overlay', { subnet: '172.16.130.0/24', gateway: '172.16.130.1' });
    expect(overrides(sample, wide)).toEqual(['subnet-over-underlay:bjdt_overlay']);
    expect(overrides(wide, edited('networks', 'bjdt_overlay', { labels: { a: 'b' } }, wide))).toEqual([]);
    expect(overrides(sample, edited('nodes', 'node1', { address: '10.0.0.77' }))).toEqual(['subnet-over-underlay:bjdt_overlay']);
    // Of the new address it is told once, of the others nothing: they were there.
    expect(overrides(wide, edited('nodes', 'node1', { address: '172.16.130.9' }, wide))).toEqual(['subnet-over-underlay:bjdt_overlay']);
  });

  it('block a flannel network that does', () => {
    const flannel: Flannel = { ...flannelDefaults, network: '172.16.0.0/16', backend: { type: 'vxlan' } };
    expect(overrides(sample, { ...sample, flannel })).toEqual(['subnet-over-underlay:flannel/172.16.0.0/16']);
    expect(overrides(sample, { ...sample, flannel: { ...flannel, leaving: true } })).toEqual([]);
    expect(overrides(sample, { ...sample, flannel: { ...flannel, network: '10.244.0.0/16' } })).toEqual([]);
  });
});

it('what the rules of a snapshot refuse is left to them', () => {
  const overlapping = edited('networks', 'bjdt_overlay', { subnet: '192.168.240.0/24', gateway: '192.168.240.1' });
  expect(checkSnapshot(overlapping).some(({ code }) => code === 'subnet-overlap')).toBe(true);
  expect(overrides(sample, overlapping)).toEqual([]);
  expect(blockersOf(sample, sample)).toEqual([]);
});
