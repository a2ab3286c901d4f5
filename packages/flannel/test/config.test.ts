import { readFileSync } from 'node:fs';
import type { FlannelBackend } from '@portolan/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configFault, encodeConfig, flannelLayout, isOwnSubnet, specOfConfig } from '../src/index.js';
import { plainFlannel } from './fixtures/network.js';

const captured: Readonly<Record<'vxlan' | 'host-gw' | 'udp', readonly { readonly key: string; readonly value: string }[]>> = JSON.parse(
  readFileSync(new URL('fixtures/captured.json', import.meta.url), 'utf8'),
);
const backends: readonly FlannelBackend[] = [{ type: 'vxlan' }, { type: 'host-gw' }, { type: 'udp' }];

describe('the configuration', () => {
  it.each(backends)('for $type is what a running flanneld was given, byte for byte', (backend) => {
    const value = captured[backend.type].find(({ key }) => key.endsWith('/config'))?.value ?? '';
    expect(encodeConfig({ ...plainFlannel, backend })).toBe(value);
    expect(configFault(value, { ...plainFlannel, backend })).toBeNull();
    expect(specOfConfig(value, '/coreos.com/network')).toEqual({ prefix: '/coreos.com/network', network: '10.5.0.0/16', backend });
  });

  it('has what a person gave, in the order of flannel, and nothing else', () => {
    const flannel = {
      ...plainFlannel,
      subnetLen: 26,
      subnetMin: '10.5.10.0',
      subnetMax: '10.5.99.192',
      registry: { EnableIPv6: true, IPv6Network: 'fd00:5::/48', Note: 'a & b' },
      backend: { type: 'vxlan', directRouting: true, port: 4789, vni: 7 },
    } as const;
    const value =
      '{"Network":"10.5.0.0/16","SubnetLen":26,"SubnetMin":"10.5.10.0","SubnetMax":"10.5.99.192","EnableIPv6":true,"IPv6Network":"fd00:5::/48","Note":"a \\u0026 b",' +
      '"Backend":{"Type":"vxlan","VNI":7,"Port":4789,"DirectRouting":true}}';
    expect(encodeConfig(flannel)).toBe(value);
    const { network, subnetLen, subnetMin, subnetMax, registry, backend } = flannel;
    expect(specOfConfig(value, '/x')).toEqual({ prefix: '/x', network, subnetLen, subnetMin, subnetMax, registry, backend });
  });

  it('leaves out of the further fields those that the network itself is written in', () => {
    expect(encodeConfig({ ...plainFlannel, registry: { network: '10.9.0.0/16', BACKEND: {}, EnableNFTables: true } })).toBe(
      '{"Network":"10.5.0.0/16","EnableNFTables":true,"Backend":{"Type":"vxlan"}}',
    );
  });

  it.each([
    ['case and order', '{"backend":{"type":"VXLAN"},"network":"10.5.0.0/16"}'],
    ['blanks', ' { "Network" : "10.5.0.0/16", "Backend": {"Type": "vxlan"} }\n'],
    [
      'defaults written out',
      '{"Network":"10.5.0.0/16","SubnetLen":24,"SubnetMin":"10.5.1.0","SubnetMax":"10.5.255.0","EnableIPv4":true,"Backend":{"Type":"vxlan","VNI":1,"Port":8472}}',
    ],
    ['zeros for none', '{"Network":"10.5.0.0/16","SubnetLen":0,"SubnetMin":"0.0.0.0","Backend":{"Type":"vxlan","Port":0,"MTU":0}}'],
    ['host bits', '{"Network":"10.5.7.9/16","Backend":{"Type":"vxlan"}}'],
    ['fields that flanneld reads past', '{"Network":"10.5.0.0/16","Owner":"x","Backend":{"Type":"vxlan","Colour":1}}'],
    ['nulls', '{"Network":"10.5.0.0/16","SubnetLen":null,"EnableIPv6":null,"Backend":{"Type":"vxlan","VNI":null}}'],
    ['options of IPv6 while that is off', '{"Network":"10.5.0.0/16","EnableIPv6":false,"IPv6Network":"fd00::/48","Backend":{"Type":"vxlan"}}'],
    ['the last of two names that differ in case', '{"network":"10.9.0.0/16","Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}'],
  ])('means the same with other %s', (_, value) => {
    expect(configFault(value, plainFlannel)).toBeNull();
  });

  it.each([
    ['network', '{"Network":"10.6.0.0/16","Backend":{"Type":"vxlan"}}'],
    ['length', '{"Network":"10.5.0.0/16","SubnetLen":25,"Backend":{"Type":"vxlan"}}'],
    ['first subnet', '{"Network":"10.5.0.0/16","SubnetMin":"10.5.2.0","Backend":{"Type":"vxlan"}}'],
    ['backend', '{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}'],
    ['backend, for none is udp', '{"Network":"10.5.0.0/16"}'],
    ['backend that we do not have', '{"Network":"10.5.0.0/16","Backend":{"Type":"wireguard"}}'],
    ['VNI', '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":2}}'],
    ['flag', '{"Network":"10.5.0.0/16","EnableNFTables":true,"Backend":{"Type":"vxlan"}}'],
    ['IPv6', '{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/48","Backend":{"Type":"vxlan"}}'],
  ])('is different with another %s', (_, value) => {
    expect(configFault(value, plainFlannel)).toBe('different');
  });

  it('is different while a further field of ours is missing', () => {
    const flannel = { ...plainFlannel, registry: { Owner: { team: 'net' } } };
    expect(configFault(encodeConfig(plainFlannel), flannel)).toBe('different');
    expect(configFault('{"owner":{"team":"net"},"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}', flannel)).toBeNull();
  });

  // Each of these is refused by a running flanneld.
  it.each([
    ['', 'nonsense'],
    ['', '[]'],
    ['/Network', '{}'],
    ['/Network', '{"Network":"10.5.0.0/29","Backend":{"Type":"vxlan"}}'],
    ['/Network', '{"Network":"fd00::/48","Backend":{"Type":"vxlan"}}'],
    ['/SubnetLen', '{"Network":"10.5.0.0/16","SubnetLen":31,"Backend":{"Type":"vxlan"}}'],
    ['/SubnetLen', '{"Network":"10.5.0.0/16","SubnetLen":17,"Backend":{"Type":"vxlan"}}'],
    ['/SubnetLen', '{"Network":"10.5.0.0/16","SubnetLen":"24","Backend":{"Type":"vxlan"}}'],
    ['/SubnetMin', '{"Network":"10.5.0.0/16","SubnetMin":"10.5.1.7","Backend":{"Type":"vxlan"}}'],
    ['/SubnetMin', '{"Network":"10.5.0.0/16","SubnetMin":"","Backend":{"Type":"vxlan"}}'],
    ['/SubnetMax', '{"Network":"10.5.0.0/16","SubnetMax":"10.6.0.0","Backend":{"Type":"vxlan"}}'],
    ['/EnableIPv6', '{"Network":"10.5.0.0/16","EnableIPv6":"yes","Backend":{"Type":"vxlan"}}'],
    ['/Backend/Type', '{"Network":"10.5.0.0/16","Backend":null}'],
    ['/Backend/Type', '{"Network":"10.5.0.0/16","Backend":{"VNI":1}}'],
    ['/Backend/VNI', '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":"1"}}'],
    ['/Backend/Learning', '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","Learning":1}}'],
  ])('is unreadable, at "%s": %s', (path, value) => {
    expect(configFault(value, plainFlannel)).toBe('unreadable');
    expect(() => specOfConfig(value, '/x')).toThrow(expect.objectContaining({ problems: [expect.objectContaining({ code: 'invalid-document', path })] }));
  });

  it.each([
    ['/Backend/Type', '{"Network":"10.5.0.0/16","Backend":{"Type":"wireguard"}}'],
    ['/EnableIPv4', '{"Network":"10.5.0.0/16","EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/48","Backend":{"Type":"vxlan"}}'],
  ])('that flanneld could carry and we cannot is refused, at %s', (path, value) => {
    expect(() => specOfConfig(value, '/x')).toThrow(expect.objectContaining({ problems: [expect.objectContaining({ code: 'invalid-document', path })] }));
  });
});

describe('the layout of a network', () => {
  const layoutOf = (network: string, cut: Partial<typeof plainFlannel> = {}) => flannelLayout({ ...plainFlannel, network, ...cut }, '/flannel');

  it.each([
    ['10.5.0.0/16', 24, '10.5.1.0/24', '10.5.255.0/24'],
    ['10.5.0.0/22', 24, '10.5.1.0/24', '10.5.3.0/24'],
    ['10.5.2.0/23', 25, '10.5.2.128/25', '10.5.3.128/25'],
    ['10.5.0.16/28', 30, '10.5.0.20/30', '10.5.0.28/30'],
  ])('of %s is /%i from %s to %s', (network, subnetLen, first, last) => {
    const layout = layoutOf(network);
    expect(layout.subnetLen).toBe(subnetLen);
    expect([first, last].map((subnet) => isOwnSubnet(layout, subnet))).toEqual([true, true]);
    const size = 2 ** (32 - subnetLen);
    expect([layout.first - layout.network.first, layout.network.last + 1 - layout.last]).toEqual([size, size]);
  });

  it.each([
    ['/flannel/network', 'invalid-subnet', { network: '10.5.0.0/29' }],
    ['/flannel/network', 'host-bits-set', { network: '10.5.0.1/16' }],
    ['/flannel/subnetLen', 'unsupported-combination', { subnetLen: 17 }],
    ['/flannel/subnetLen', 'unsupported-combination', { subnetLen: 31 }],
    ['/flannel/subnetMin', 'host-bits-set', { subnetMin: '10.5.1.1' }],
    ['/flannel/subnetMin', 'invalid-address', { subnetMin: 'x' }],
    ['/flannel/subnetMax', 'address-outside-network', { subnetMax: '10.6.0.0' }],
    ['/flannel/subnetMax', 'unsupported-combination', { subnetMin: '10.5.9.0', subnetMax: '10.5.8.0' }],
  ])('names %s: %s', (path, code, cut) => {
    expect(() => layoutOf('10.5.0.0/16', cut)).toThrow(expect.objectContaining({ problems: [expect.objectContaining({ code, path })] }));
  });

  it('has subnets of its own length, aligned, within its bounds, and no others', () => {
    const layout = layoutOf('10.5.0.0/16', { subnetMin: '10.5.10.0', subnetMax: '10.5.20.0' });
    const own = ['10.5.10.0/24', '10.5.20.0/24', '10.5.9.0/24', '10.5.21.0/24', '10.5.10.0/25', '10.5.10.1/24', '10.6.11.0/24', 'x', '10.5.11.0/24/24'];
    expect(own.map((subnet) => isOwnSubnet(layout, subnet))).toEqual([true, true, ...own.slice(2).map(() => false)]);
  });

  it('of any network that is accepted leaves room for a subnet', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 28 }), fc.integer({ min: 8, max: 30 }), (length, subnetLen) => {
        fc.pre(subnetLen >= length + 2);
        const { first, last, network } = layoutOf(`10.0.0.0/${length}`, { subnetLen });
        expect(first).toBeGreaterThan(network.first);
        expect(last).toBeGreaterThan(first);
        expect(last).toBeLessThan(network.last);
      }),
    );
  });
});
