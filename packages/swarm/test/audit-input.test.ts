import { describe, expect, it } from 'vitest';
import { audit, type Files, filesOf, placeOf, told } from './audit-collection.js';

const files = filesOf('capture');
const withText = (file: string, change: (text: string) => string): Files =>
  new Map([...files].map(([name, text]) => [name, name === file ? change(text) : text]));
const names = [...files.keys()];
const dumps = names.filter((name) => name.endsWith('.txt'));

describe('a collection that is not whole', () => {
  it.each(names)('tells of %s when it is missing', (file) => {
    const findings = audit(new Map([...files].filter(([name]) => name !== file)));
    expect(findings.some(({ expected, found }) => `${expected} ${found}`.includes(file))).toBe(true);
    // One file, one thing to tell: nothing is judged by what it would say.
    expect(told(findings)).toHaveLength(1);
  });

  it.each(names)('tells of %s wherever it is cut off', (file) => {
    const text = files.get(file) ?? '';
    for (let part = 0; part < 6; part++) {
      const end = Math.floor((text.length * (part * 27 + 5)) / 171);
      const findings = audit(withText(file, () => text.slice(0, end)));
      expect(
        findings.filter(({ object, expected, found }) => object === 'collection' && `${expected} ${found}`.includes(file)),
        `cut at ${end}`,
      ).not.toHaveLength(0);
      expect(told(findings.filter(({ object }) => object !== 'collection')), `cut at ${end}`).toEqual([]);
    }
  });

  it.each(dumps)('tells of %s wherever it ends after a line', (file) => {
    const lines = (files.get(file) ?? '').split('\n');
    for (let end = 0; end < lines.length - 1; end += 19) {
      const findings = audit(withText(file, () => `${lines.slice(0, end).join('\n')}\n`));
      expect(told(findings), `cut after line ${end}`).toHaveLength(1);
      expect(findings[0]).toMatchObject({ object: 'collection', severity: 'warning', node: placeOf(file).node });
    }
  });

  it('says nothing false of a node that was not collected, nor of what leads to it', () => {
    const findings = audit(new Map([...files].filter(([name]) => !name.startsWith('node3.'))));
    expect(findings.length).toBeGreaterThan(0);
    expect(findings.every(({ object, node }) => object === 'collection' && node === 'node3')).toBe(true);
  });

  it('judges one node alone', () => {
    const alone = new Map([...files].filter(([name]) => !/^node[23]\./.test(name)));
    expect(audit(alone).every(({ object, node }) => object === 'collection' && node !== 'node1')).toBe(true);
    const broken = new Map(alone).set(
      'node1.ns.ingress_sbox.txt',
      (alone.get('node1.ns.ingress_sbox.txt') ?? '').replace('-A INPUT -d 10.0.0.5/32 -j MARK --set-xmark 0x101/0xffffffff\n', ''),
    );
    expect(audit(broken).filter(({ object }) => object !== 'collection')).toMatchObject([{ node: 'node1', namespace: 'ingress_sbox', kind: 'missing' }]);
  });

  it('survives any bytes', () => {
    let state = 7;
    const next = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state % below;
    };
    for (const file of names) {
      const bytes = Buffer.from(files.get(file) ?? '');
      for (let round = 0; round < 4; round++) {
        const broken = Buffer.from(bytes);
        for (let flip = 0; flip < 30; flip++) broken[next(broken.length)] = next(256);
        expect(Array.isArray(audit(withText(file, () => broken.toString())))).toBe(true);
      }
    }
  });

  it('is no collection at all: that is told too', () => {
    expect(audit(new Map()).length).toBeGreaterThan(0);
    expect(audit(new Map([['node1.host.txt', 'nothing']])).length).toBeGreaterThan(0);
  });
});

describe.each(['capture', 'mixed'])('of engines of other versions, as in %s', (fixture) => {
  it.each(['28.5.2', '29.1.0', '24.0.7'])('%s is told once a node, and the host filter is not judged', (version) => {
    const other = new Map(
      [...filesOf(fixture)].map(([name, text]) => [
        name,
        name === 'nodes.json' ? text.replace(/"EngineVersion": "[^"]*"/g, `"EngineVersion": "${version}"`) : text,
      ]),
    );
    const relaid = new Map(
      [...other].map(([name, text]) => [
        name,
        name.endsWith('.host.txt')
          ? text.replace('-A FORWARD -j DOCKER-INGRESS', '-A FORWARD -j DOCKER-FORWARD').replace('-A DOCKER -i docker_gwbridge -j RETURN\n', '')
          : text,
      ]),
    );
    const findings = audit(relaid);
    expect(findings.map(({ severity, object, node, found }) => ({ severity, object, node, found }))).toEqual(
      ['node1', 'node2', 'node3'].map((node) => ({ severity: 'warning', object: 'engine', node, found: version })),
    );
  });
});
