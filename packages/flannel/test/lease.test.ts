import { readFileSync } from 'node:fs';
import { type FlannelLease, type FlannelPath, type Mac, pathOfLease } from '@portolan/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeLease, leaseKey, readLease, vtepMacOf } from '../src/index.js';

const captured: Readonly<Record<string, readonly { readonly key: string; readonly value: string }[]>> = JSON.parse(
  readFileSync(new URL('fixtures/captured.json', import.meta.url), 'utf8'),
);
const PREFIX = '/coreos.com/network/subnets/';
const read = (key: string, value: string, leaseId: string | null = '7'): FlannelLease => readLease({ key, value, modRevision: '3', leaseId });

describe('entries of a running flanneld', () => {
  const given: readonly (readonly [backend: string, subnet: string, publicAddress: string, path: FlannelPath, vtepMac: Mac | null])[] = [
    ['vxlan', '10.5.79.0/24', '192.168.77.11', 'vxlan/1', '3a:c6:11:c1:b0:f0'],
    ['vxlan', '10.5.63.0/24', '192.168.77.12', 'vxlan/1', 'ae:6d:aa:23:37:d0'],
    ['host-gw', '10.5.9.0/24', '192.168.77.11', 'host-gw', null],
    ['host-gw', '10.5.85.0/24', '192.168.77.12', 'host-gw', null],
    ['host-gw', '10.5.78.0/24', '192.168.88.13', 'host-gw', null],
    ['udp', '10.5.62.0/24', '192.168.77.11', 'udp', null],
    ['udp', '10.5.68.0/24', '192.168.77.12', 'udp', null],
    ['udp', '10.5.53.0/24', '192.168.88.13', 'udp', null],
  ];

  it.each(given)('%s, %s of %s: the same inputs give the same bytes, and the bytes the inputs', (backend, subnet, publicAddress, path, vtepMac) => {
    const entry = captured[backend]?.find(({ key }) => key === PREFIX + leaseKey(subnet));
    expect(encodeLease({ publicAddress, path, vtepMac })).toBe(entry?.value);
    const lease = read(leaseKey(subnet), entry?.value ?? '');
    expect(lease).toMatchObject({ subnet, publicAddress, vtepMac, nodeId: null, reserved: false, fault: null });
    expect(pathOfLease(lease)).toBe(path);
  });

  it('are all of the captured ones', () => {
    expect(given.length).toBe(
      Object.values(captured)
        .flat()
        .filter(({ key }) => key.startsWith(PREFIX)).length,
    );
  });
});

describe('entries of other versions and backends', () => {
  const mac = '3a:c6:11:c1:b0:f0';
  it.each([
    [
      'dual stack',
      '{"PublicIP":"192.168.77.11","PublicIPv6":"fd00:77::11","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"96:f0:23:7d:9a:15"},"BackendV6Data":{"VNI":1,"VtepMAC":"5e:1f:4a:b0:1b:00"}}',
      { backendType: 'vxlan', vni: 1, vtepMac: '96:f0:23:7d:9a:15' },
    ],
    ['extension', '{"PublicIP":"192.168.77.11","PublicIPv6":null,"BackendType":"extension","BackendData":"out"}', { backendType: 'extension' }],
    ['ipsec', '{"PublicIP":"192.168.77.11","PublicIPv6":null,"BackendType":"ipsec"}', { backendType: 'ipsec' }],
    ['ipip', '{"PublicIP":"192.168.77.11","PublicIPv6":null,"BackendType":"ipip"}', { backendType: 'ipip' }],
    [
      'wireguard',
      '{"PublicIP":"192.168.77.11","PublicIPv6":null,"BackendType":"wireguard","BackendData":{"PublicKey":"k","Port":51820}}',
      { backendType: 'wireguard' },
    ],
    [
      'vxlan before v0.14',
      `{"PublicIP":"192.168.77.11","BackendType":"vxlan","BackendData":{"VtepMAC":"${mac}"}}`,
      { backendType: 'vxlan', vni: 1, vtepMac: mac },
    ],
    ['host-gw before v0.15', '{"PublicIP":"192.168.77.11","BackendType":"host-gw"}', { backendType: 'host-gw' }],
    ['udp before v0.15', '{"PublicIP":"192.168.77.11"}', { backendType: 'udp' }],
    [
      'any order and case',
      `{"backenddata":{"vtepmac":"3A-C6-11-C1-B0-F0","vni":9},"BACKENDTYPE":"vxlan","publicip":"192.168.77.11"}`,
      { backendType: 'vxlan', vni: 9, vtepMac: mac },
    ],
    ['a type of no letters', '{"PublicIP":"192.168.77.11","BackendType":""}', { backendType: 'udp' }],
    ['more fields and nulls', '{"PublicIP":"192.168.77.11","BackendType":null,"BackendData":null,"Extra":[1]}', { backendType: 'udp' }],
  ])('are read: %s', (_, value, expected) => {
    expect(read('10.5.59.0-24', value)).toEqual({
      key: '10.5.59.0-24',
      subnet: '10.5.59.0/24',
      publicAddress: '192.168.77.11',
      vni: null,
      vtepMac: null,
      nodeId: null,
      reserved: false,
      fault: null,
      ...expected,
    });
  });

  it('with IPv6 have their IPv4 subnet; one without IPv4 takes nothing from us', () => {
    expect(read('10.5.59.0-24&fd00:5:0:3a::-64', '{"PublicIP":"192.168.77.11"}')).toMatchObject({ subnet: '10.5.59.0/24', fault: null });
    const only = '{"PublicIP":"0.0.0.0","PublicIPv6":"fd00:77::12","BackendType":"vxlan","BackendV6Data":{"VNI":1,"VtepMAC":"6a:bb:89:b0:28:da"}}';
    expect(read('0.0.0.0-0&fd00:5:0:37::-64', only)).toMatchObject({ subnet: null, publicAddress: null, fault: 'it carries IPv6 only' });
  });

  it('without a lease of etcd are reservations', () => {
    expect(read('10.5.59.0-24', '{"PublicIP":"192.168.77.11"}', null).reserved).toBe(true);
  });
});

describe('an entry that cannot be read', () => {
  it.each([
    ['nonsense', null, 'the key names no subnet'],
    ['10.5.59.0-32', null, 'the key names no subnet'],
    ['10.5.59.300-24', null, 'the key names no subnet'],
    ['0.0.0.0-0', null, 'the key names no subnet'],
    ['10.5.59.7-24', '10.5.59.0/24', 'the key has host bits set; 10.5.59.0-24 is meant'],
    ['old/10.5.59.0-24', '10.5.59.0/24', 'the key is not written as flannel writes it: 10.5.59.0-24'],
    ['10.5.59.0-024', '10.5.59.0/24', 'the key is not written as flannel writes it: 10.5.59.0-24'],
  ])('for its key %s keeps what subnet it names', (key, subnet, fault) => {
    expect(read(key, '{"PublicIP":"192.168.77.11"}')).toMatchObject({ subnet, fault, publicAddress: '192.168.77.11' });
  });

  it.each([
    ['garbage', 'the value is no JSON object', null],
    ['[]', 'the value is no JSON object', null],
    ['{}', 'it names no public IPv4 address', null],
    ['{"PublicIP":"fd00::1"}', 'PublicIP is no IPv4 address', null],
    ['{"PublicIP":7}', 'PublicIP is no IPv4 address', null],
    ['{"PublicIP":"192.168.77.11","BackendType":1}', 'BackendType is no text', null],
    ['{"PublicIP":"192.168.77.11","BackendType":"vxlan"}', 'VtepMAC is no MAC address', '192.168.77.11'],
    ['{"PublicIP":"192.168.77.11","BackendType":"vxlan","BackendData":"x"}', 'BackendData is no object', '192.168.77.11'],
    [
      '{"PublicIP":"192.168.77.11","BackendType":"vxlan","BackendData":{"VNI":0,"VtepMAC":"3a:c6:11:c1:b0:f0"}}',
      'VNI is no number from 1 to 16777215',
      '192.168.77.11',
    ],
  ])('for its value %s says so', (value, fault, publicAddress) => {
    expect(read('10.5.59.0-24', value)).toMatchObject({ subnet: '10.5.59.0/24', fault, publicAddress });
  });

  it('is never thrown, and never has what a database refuses', () => {
    const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.constantFrom('10.5.1.0-24', '10.5.1.0-24&fd00::-64'));
    fc.assert(
      fc.property(texts, texts, (key, value) => {
        const lease = read(key, value);
        expect(JSON.stringify(lease)).not.toMatch(/\\u00[01]/);
        if (lease.subnet === null) expect(lease.fault).not.toBeNull();
      }),
    );
  });
});

describe('what we write', () => {
  it('is read as what it was', () => {
    const octet = fc.integer({ min: 1, max: 254 });
    const paths = fc.oneof(
      fc.constantFrom<FlannelPath>('udp', 'host-gw'),
      fc.integer({ min: 1, max: 0xffffff }).map((vni): FlannelPath => `vxlan/${vni}`),
    );
    fc.assert(
      fc.property(octet, octet, paths, (a, b, path) => {
        const vtepMac = path.startsWith('vxlan') ? vtepMacOf(String(a), b) : null;
        const lease = read(leaseKey(`10.5.${a}.0/24`), encodeLease({ publicAddress: `10.0.${a}.${b}`, path, vtepMac }));
        expect(lease).toMatchObject({ subnet: `10.5.${a}.0/24`, publicAddress: `10.0.${a}.${b}`, vtepMac, fault: null });
        expect(pathOfLease(lease)).toBe(path);
      }),
    );
  });

  it('has no VTEP without a MAC', () => {
    expect(() => encodeLease({ publicAddress: '10.0.0.1', path: 'vxlan/1', vtepMac: null })).toThrow('no MAC');
  });

  it('has MACs that are unicast, locally administered, the same each time, and other ones for other nodes and VNIs', () => {
    const macs = ['n1', 'n2', 'n3'].flatMap((node) => [1, 2].map((vni) => vtepMacOf(node, vni)));
    for (const mac of macs) expect(mac).toMatch(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
    expect(new Set(macs).size).toBe(6);
    expect(vtepMacOf('n1', 1)).toBe(macs[0]);
  });
});
