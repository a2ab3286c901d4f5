import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { CommandFailure } from '../src/failure.js';
import { readCollection } from '../src/swarm/collection.js';

const capture = fileURLToPath(new URL('../../../packages/swarm/test/fixtures/capture', import.meta.url));
const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true });
});

function directoryOf(files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), 'portolan-collection-'));
  made.push(path);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

describe('a collection', () => {
  it('is read by kind, node and namespace', () => {
    const collection = readCollection(capture, '/');
    expect(JSON.parse(collection.services ?? '')).toHaveLength(2);
    expect([...collection.networks.keys()]).toEqual(['node1', 'node2', 'node3']);
    expect([...(collection.dumps.get('node3')?.keys() ?? [])]).toEqual([
      'host',
      '1-mou30nzwns',
      '1-urw018v8vm',
      'c9cc27225b5a',
      'ingress_sbox',
      'lb_mou30nzwn',
    ]);
    expect(collection.dumps.get('node1')?.get('lb_mou30nzwn')).toContain('-A -f 256');
    expect(collection.faults).toEqual([]);
  });

  it('takes hosts with dots in their names, and leaves other files alone', () => {
    const directory = directoryOf({
      'a.example.com.networks.json': '[]',
      'a.example.com.host.txt': 'h',
      'a.example.com.ns.1-abc.txt': 'n',
      '.a.example.com.ns.lb_abc.txt.part': 'half of it',
      'notes.txt': 'mine',
    });
    const { networks, dumps, services } = readCollection(directory, '/');
    expect([...networks]).toEqual([['a.example.com', '[]']]);
    expect([...dumps].map(([node, texts]) => [node, [...texts]])).toEqual([
      [
        'a.example.com',
        [
          ['host', 'h'],
          ['1-abc', 'n'],
        ],
      ],
    ]);
    expect(services).toBeNull();
  });

  it('says so when there is none', () => {
    const directory = directoryOf({ 'notes.txt': 'mine' });
    expect(() => readCollection(directory, '/')).toThrow(/holds no collection/);
    expect(() => readCollection('nowhere', directory)).toThrow(/cannot read the directory nowhere: ENOENT/);
    expect(() => readCollection('nowhere', directory)).toThrow(CommandFailure);
  });

  it('names a file that cannot be read, and reads the rest', () => {
    const directory = directoryOf({ 'services.json': '[]' });
    mkdirSync(join(directory, 'tasks.json'));
    const { services, tasks, faults } = readCollection(directory, '/');
    expect([services, tasks]).toEqual(['[]', null]);
    expect(faults).toEqual([{ file: 'tasks.json', message: expect.stringContaining('EISDIR'), fix: expect.any(String) }]);
  });
});
