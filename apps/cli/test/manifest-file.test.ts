import { describe, expect, it } from 'vitest';
import { CommandFailure } from '../src/failure.js';
import { parseSource } from '../src/manifest-file.js';

const yaml = `# a comment
nodes:
  - name: a
    address: 10.0.0.1

services:
  - name: web
    ports:
      - { target: 80,
          published: 8000 }
    labels:
      a/b~c: red
base: &base
  vip: 10.0.0.9
use: *base
empty:
`;

const places: readonly (readonly [pointer: string, line: number, text: string])[] = [
  ['', 2, 'nodes:'],
  ['/nodes', 2, 'nodes:'],
  ['/nodes/0', 3, '  - name: a'],
  ['/nodes/0/address', 4, '    address: 10.0.0.1'],
  ['/services/0/ports/0/published', 10, '          published: 8000 }'],
  ['/services/0/labels/a~1b~0c', 12, '      a/b~c: red'],
  ['/services/0/scheduler', 7, '  - name: web'],
  ['/services/7', 6, 'services:'],
  ['/use/vip', 14, '  vip: 10.0.0.9'],
  ['/empty', 16, 'empty:'],
];

describe('a manifest file', () => {
  it.each(places)('finds %s on line %i', (pointer, line, text) => {
    expect(parseSource('x.yaml', yaml).locate(pointer)).toMatchObject({ file: 'x.yaml', line, text });
  });

  it('finds lines in JSON too', () => {
    const source = parseSource('x.json', '{\n  "nodes": [\n    { "name": "a",\n      "address": "x" }\n  ]\n}\n');
    expect(source.value).toEqual({ nodes: [{ name: 'a', address: 'x' }] });
    expect(source.locate('/nodes/0/address')).toMatchObject({ line: 4, column: 18 });
  });

  it.each([
    ['nodes: [a', /^x\.yaml:\d+:\d+: /],
    ['nodes: []\nnodes: []\n', /^x\.yaml:2:1: .*unique/],
    ['nodes: []\n---\nnodes: []\n', /^x\.yaml:2: a second document/],
    ['# nothing\n', /empty/],
    ['', /empty/],
  ])('refuses %j with its place', (text, message) => {
    expect(() => parseSource('x.yaml', text)).toThrow(CommandFailure);
    expect(() => parseSource('x.yaml', text)).toThrow(message);
  });
});
