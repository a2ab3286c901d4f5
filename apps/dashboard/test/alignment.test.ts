import { describe, expect, it } from 'vitest';
import { alignedHops, pairedWays, type Slot, type WalkedHop } from '../src/pages/explain/alignment.js';

/** `PLACE kind device key`, such as `sandbox rule - mark/8000`; `-` is none. */
function hop(text: string): WalkedHop {
  const [space = '', kind = '', device = '-', key = '-'] = text.split(' ');
  return { kind, device: device === '-' ? null : device, place: { node: 'node1', space }, object: key === '-' ? null : { node: 'node1', key } };
}

function textOf(own: WalkedHop | undefined): string {
  return own === undefined ? '' : [own.place.space, own.kind, own.device ?? '-', own.object?.key ?? '-'].join(' ');
}

/** `=` before what is shared; else `wanted | seen`. */
function aligned(wanted: readonly string[], seen: readonly string[]): readonly string[] {
  const line = (slot: Slot<WalkedHop>): string => (slot.isShared ? `= ${textOf(slot.wanted)}` : `${textOf(slot.wanted)} | ${textOf(slot.seen)}`);
  return alignedHops(wanted.map(hop), seen.map(hop)).map(line);
}

const walk = [
  'host receive eth0 -',
  'host rule - forward',
  'sandbox receive eth1 -',
  'sandbox rule - mark',
  'sandbox virtual-server - server',
  'overlay transmit br0 -',
];

describe('hops of two walks', () => {
  it('stand beneath each other where they are the same', () => {
    expect(aligned(walk, walk)).toEqual(walk.map((text) => `= ${text}`));
  });

  it('part where one ends: what it does instead stands in the same namespace', () => {
    expect(aligned(walk, [...walk.slice(0, 3), 'sandbox drop - -'])).toEqual([
      ...walk.slice(0, 3).map((text) => `= ${text}`),
      'sandbox rule - mark | sandbox drop - -',
      'sandbox virtual-server - server | ',
      'overlay transmit br0 - | ',
    ]);
  });

  it('meet again behind what is missing or more in one of them', () => {
    expect(aligned(walk, [...walk.slice(0, 1), ...walk.slice(2)])[1]).toBe('host rule - forward | ');
    expect(aligned(walk, [...walk.slice(0, 1), ...walk.slice(2)]).filter((line) => line.startsWith('='))).toHaveLength(walk.length - 1);
    expect(aligned(walk, [...walk.slice(0, 5), 'sandbox rule - foreign', ...walk.slice(5)])[5]).toBe(' | sandbox rule - foreign');
  });

  it('are others with another object, device, kind, namespace or host', () => {
    const [own] = [hop('host rule eth0 forward')];
    const others: readonly WalkedHop[] = [
      { ...own, object: { node: 'node1', key: 'other' } },
      { ...own, object: null },
      { ...own, device: 'eth1' },
      { ...own, kind: 'drop' },
      { ...own, place: { node: 'node1', space: 'sandbox' } },
      { ...own, place: { node: 'node2', space: 'host' } },
    ];
    expect(alignedHops([own], [own]).map(({ isShared }) => isShared)).toEqual([true]);
    for (const other of others)
      expect(
        alignedHops([own], [other]).some(({ isShared }) => isShared),
        JSON.stringify(other),
      ).toBe(false);
  });

  it('keep those of another namespace in the order of the walk that has them', () => {
    const seen = ['a send - -', 'detour transmit - -', 'b rule - other', 'c deliver - -'];
    expect(aligned(['a send - -', 'b rule - own', 'c deliver - -'], seen)).toEqual([
      '= a send - -',
      ' | detour transmit - -',
      'b rule - own | b rule - other',
      '= c deliver - -',
    ]);
  });

  it('are all there once, in their order, whatever the walks are', () => {
    const letters = ['a send - -', 'b rule - x', 'b rule - y', 'c route eth0 -'];
    const walkOf = (seed: number): string[] => Array.from({ length: 9 }, (_, index) => letters[(seed * 7 + index * index * seed + index) % 4] ?? '');
    for (let seed = 0; seed < 40; seed += 1) {
      const [wanted, seen] = [walkOf(seed).slice(seed % 4), walkOf(seed + 3)];
      const slots = alignedHops(wanted.map(hop), seen.map(hop));
      expect(slots.flatMap((slot) => (slot.wanted === undefined ? [] : [textOf(slot.wanted)]))).toEqual(wanted);
      expect(slots.flatMap((slot) => (slot.seen === undefined ? [] : [textOf(slot.seen)]))).toEqual(seen);
      for (const { wanted: own, seen: other, isShared } of slots) expect(isShared).toBe(own !== undefined && textOf(own) === textOf(other));
    }
  });

  it('of nothing are nothing', () => {
    expect(alignedHops([], [])).toEqual([]);
    expect(aligned([], ['a send - -'])).toEqual([' | a send - -']);
  });
});

describe('ways of two walks', () => {
  const way = (backend: string | null) => ({ backend });
  const pairs = (wanted: readonly (string | null)[], seen: readonly (string | null)[]) =>
    pairedWays(wanted.map(way), seen.map(way)).map((pair) => [pair.backend, pair.wanted?.backend, pair.seen?.backend]);

  it('are paired by the endpoint', () => {
    expect(pairs(['web.2', 'web.1'], ['web.1', 'web.2'])).toEqual([
      ['web.2', 'web.2', 'web.2'],
      ['web.1', 'web.1', 'web.1'],
    ]);
  });

  it('end for all endpoints where one ends before any is chosen', () => {
    expect(pairs(['web.1', 'web.2'], [null])).toEqual([
      ['web.1', 'web.1', null],
      ['web.2', 'web.2', null],
    ]);
    expect(pairs([null], [null])).toEqual([[null, null, null]]);
  });

  it('go to another endpoint where the kernels know the one no more', () => {
    expect(pairs(['web.1', 'web.2'], ['web.2'])).toEqual([
      ['web.1', 'web.1', 'web.2'],
      ['web.2', 'web.2', 'web.2'],
    ]);
  });

  it('have one side where only one walk is asked for, and none where there is nothing', () => {
    expect(pairs(['web.1'], [])).toEqual([['web.1', 'web.1', undefined]]);
    expect(pairs([], [])).toEqual([]);
  });
});
