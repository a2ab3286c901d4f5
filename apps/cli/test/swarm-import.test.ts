import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runPortolan } from '../src/cli.js';
import { type Screen, screen } from './screen.js';

const capture = fileURLToPath(new URL('../../../packages/swarm/test/fixtures/capture', import.meta.url));
let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'portolan-import-'));
  cpSync(capture, directory, { recursive: true });
});
afterEach(() => rmSync(directory, { recursive: true }));

async function run(...argv: readonly string[]): Promise<Screen & { readonly code: number }> {
  const shown = screen({ directory });
  return { ...shown, code: await runPortolan(['swarm', ...argv], shown) };
}

describe('portolan swarm import', () => {
  it('prints a manifest that apply takes', async () => {
    const { out, err, code } = await run('import', '.');
    expect([code, err()]).toEqual([0, '']);
    const manifest = parse(out()) as { readonly nodes: object[]; readonly endpoints: { readonly name: string }[] };
    expect(manifest.nodes).toHaveLength(3);
    expect(manifest.endpoints.map(({ name }) => name)).toContain('api.1.uuviex6j14of630u506a2iikc');
    expect(out()).toContain('vip: 10.0.0.5');
    const asJson = await run('import', '.', '--json');
    expect(JSON.parse(asJson.out())).toEqual(manifest);
  });

  it('writes it to a file, and notes beside', async () => {
    const networks = readFileSync(join(directory, 'node1.networks.json'), 'utf8');
    writeFileSync(join(directory, 'node1.networks.json'), networks.replace('"EnableIPv6": false', '"EnableIPv6": true'));
    rmSync(join(directory, 'node3.networks.json'));
    const { out, err, code } = await run('import', '.', '--file', 'cluster.yaml');
    expect([code, out()]).toEqual([0, '']);
    expect(err()).toContain('note: the network "bjdt_overlay" has IPv6: Portolan carries IPv4 only\n');
    expect(err()).toContain('note: nothing was collected of the node "node3"');
    expect(parse(readFileSync(join(directory, 'cluster.yaml'), 'utf8'))).toHaveProperty('services');
  });

  it('refuses a collection that is not whole, with each file and what to do', async () => {
    writeFileSync(join(directory, 'services.json'), readFileSync(join(directory, 'services.json'), 'utf8').slice(0, 900));
    rmSync(join(directory, 'tasks.json'));
    const { out, err, code } = await run('import', '.');
    expect([code, out()]).toEqual([1, '']);
    expect(err()).toMatch(/services\.json: is cut off: the JSON ends at line \d+, column \d+ .*\n {2}fix: Collect it again/);
    expect(err()).toMatch(/tasks\.json: is missing .*\n {2}fix: Run portolan swarm collect on a manager/);
  });

  it('says what is missing on the command line', async () => {
    expect((await run()).code).toBe(2);
    const nowhere = await run('import', 'nowhere');
    expect([nowhere.code, nowhere.err()]).toEqual([2, expect.stringContaining('cannot read the directory nowhere')]);
    expect((await run('import', '.', '--file', 'no/such/cluster.yaml')).err()).toContain('cannot write no/such/cluster.yaml');
  });
});
