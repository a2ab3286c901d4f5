import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { balances, listeningPorts, readManifest, withHosts } from '../src/manifest.js';
import { programs } from '../src/programs/paths.js';

const directory = mkdtempSync(join(tmpdir(), 'portolan-lab-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function written(text: string): string {
  const file = join(directory, 'manifest.yaml');
  writeFileSync(file, text);
  return file;
}

describe('the manifest of a lab', () => {
  const example = readManifest(programs.example);

  it('is the example unless another is named', () => {
    expect(example.nodes?.map(({ address }) => address)).toEqual(['172.16.130.140', '172.16.130.164', '172.16.130.170']);
    expect(listeningPorts(example, 'bjdt_bjdt-dzwl')).toEqual(['8080/tcp']);
    expect(listeningPorts(example, 'bjdt_bjdt-dzwl-web')).toEqual(['80/tcp']);
  });

  it('listens on a port even for a service that publishes none', () => {
    expect(listeningPorts({ services: [{ name: 'quiet' }, { name: 'udp', ports: [{ target: 53, protocol: 'udp' }] }] }, 'quiet')).toEqual(['8080/tcp']);
    expect(listeningPorts({ services: [{ name: 'twice', ports: [{ target: 80 }, { published: 81, target: 80 }] }] }, 'twice')).toEqual(['80/tcp']);
  });

  it('needs IPVS for VIPs and the routing mesh only', () => {
    expect(balances(example)).toBe(true);
    expect(balances({ networks: [{ name: 'ingress', ingress: true }] })).toBe(true);
    expect(balances({ services: [{ name: 'named', endpointMode: 'dnsrr' }], networks: [{ name: 'plain' }] })).toBe(false);
    expect(balances(readManifest(programs.flannelExample))).toBe(false);
  });

  it('gets further nodes from .171 on, with free names and addresses', () => {
    const first = example.nodes?.[0];
    const wide = withHosts({ ...example, nodes: [...(example.nodes ?? []), { name: 'node4', address: '172.16.130.172' }] }, 6);
    expect(wide.nodes?.slice(4)).toEqual([
      { name: 'node5', role: 'worker', address: '172.16.130.171' },
      { name: 'node6', role: 'worker', address: '172.16.130.173' },
    ]);
    expect(wide.nodes?.[0]).toBe(first);
    expect(wide.endpoints).toBe(example.endpoints);
    expect(withHosts(example, 3)).toBe(example);
  });

  it.each([2, 0, Number.NaN, 3.5])('refuses %s hosts for three nodes', (hosts) => {
    expect(() => withHosts(example, hosts)).toThrow('has 3 nodes');
  });

  it('refuses more hosts than there are addresses', () => {
    expect(withHosts(example, 86).nodes?.at(-1)?.address).toBe('172.16.130.253');
    expect(() => withHosts(example, 87)).toThrow('no more than 86');
  });

  it.each([
    ['nodes: [', '', /nodes/i],
    ['', '/nodes', /names no nodes/],
    ['nodes: []', '/nodes', /names no nodes/],
    ['nodes: [{ address: 10.0.0.1 }]', '/nodes/0/name', /name/],
    ['nodes: [{ name: a, address: 10.0.0 }]', '/nodes/0/address', /not an IPv4 address/],
  ])('says what is wrong with %j', (text, path, message) => {
    let thrown: unknown;
    try {
      readManifest(written(text));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ problems: [{ path, message: expect.stringMatching(message) }] });
  });

  it('names a file that is not there', () => {
    expect(() => readManifest(join(directory, 'none.yaml'))).toThrow('none.yaml');
  });
});
