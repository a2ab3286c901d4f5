import { observedObject, type Space } from '@portolan/node-state';
import { describe, expect, it } from 'vitest';
import {
  joinVeths,
  scanFdb,
  scanIptablesSave,
  scanIpvsadm,
  scanIpvsTimeouts,
  scanLinks,
  scanNeighbours,
  scanRouteRules,
  scanRoutes,
  scanSysctls,
  type VethHalf,
} from '../src/index.js';

const overlay: Space = 'own:1-5mckih8b5j';
const balancer: Space = 'own:lb_5mckih8b5';

function link(ifname: string, more: object = {}): object {
  return { ifindex: 2, ifname, flags: ['BROADCAST', 'UP', 'LOWER_UP'], mtu: 1450, address: '02:42:0a:00:00:05', addr_info: [], ...more };
}

function vxlan(data: object = {}, more: object = {}): object {
  const info_data = { id: 4097, port: 4789, learning: true, proxy: true, l2miss: true, l3miss: true, ...data };
  return link('vxlan0', { master: 'br0', linkinfo: { info_kind: 'vxlan', info_data }, ...more });
}

const scanned = (space: Space, ...links: object[]) => scanLinks(space, JSON.stringify(links));
const lo = link('lo', { flags: ['LOOPBACK', 'UP'] });

describe('links', () => {
  it('a namespace of ours is damaged when its lo is down', () => {
    expect(scanned(overlay, lo).objects).toEqual([observedObject(overlay, { kind: 'namespace' })]);
    expect(scanned(overlay, link('lo', { flags: ['LOOPBACK'] })).objects[0]).toMatchObject({ key: `namespace/${overlay}`, hash: '' });
    expect(scanned('host', lo).objects).toEqual([]);
  });

  it('a VTEP that is down can be set right, one without proxy cannot', () => {
    const whole = scanned(overlay, vxlan()).objects[0];
    expect(whole).toEqual(observedObject(overlay, { kind: 'vxlan', name: 'vxlan0', vni: 4097, port: 4789, mtu: 1450, master: 'br0' }));
    expect(scanned(overlay, vxlan({}, { flags: [] })).objects[0]).toEqual({ ...whole, hash: '' });
    expect(scanned(overlay, vxlan({ proxy: undefined })).objects[0]).toEqual({ key: whole?.key, hash: '', space: overlay, kind: 'vxlan' });
  });

  it('a bridge with a port VLAN, or on the host without its alias, is damaged', () => {
    const bridge = (more: object, data: object = { vlan_default_pvid: 0 }) =>
      link('ptl_gwbridge', { linkinfo: { info_kind: 'bridge', info_data: data }, ...more });
    const alias = { ifalias: 'portolan bridge/host/ptl_gwbridge 0123456789abcdef' };
    expect(scanned('host', bridge(alias)).objects[0]?.hash).toMatch(/^[0-9a-f]{16}$/);
    expect(scanned('host', bridge(alias, { vlan_default_pvid: 1 })).objects[0]).toMatchObject({ hash: '' });
    expect(scanned('host', bridge({})).objects[0]).toMatchObject({ hash: '' });
    expect(scanned(overlay, bridge({}, {})).objects[0]?.hash).toMatch(/^[0-9a-f]{16}$/);
  });

  it("other programs' links and addresses on a host are not seen; in a namespace of ours they are foreign", () => {
    const docker = link('docker0', { linkinfo: { info_kind: 'bridge' }, addr_info: [{ family: 'inet', local: '172.17.0.1', prefixlen: 16 }] });
    expect(scanned('host', docker)).toEqual({ objects: [], halves: [], vteps: [], tuns: [], foreign: [] });
    expect(scanned('endpoint:x', docker)).toEqual({ objects: [], halves: [], vteps: [], tuns: [], foreign: [] });
    expect(scanned(overlay, link('dummy0', { linkinfo: { info_kind: 'dummy' } })).foreign).toEqual(['dummy dummy0']);
  });

  it('reads IPv4 addresses; the same one with two lengths is damaged', () => {
    const eth0 = link('eth0', {
      linkinfo: { info_kind: 'veth' },
      addr_info: [
        { family: 'inet', local: '10.0.0.5', prefixlen: 24 },
        { family: 'inet', local: '10.0.0.20', prefixlen: 32 },
        { family: 'inet', local: '10.0.0.20', prefixlen: 24 },
        { family: 'inet6', local: 'fe80::1', prefixlen: 64 },
        {},
      ],
    });
    expect(scanned(balancer, eth0).objects.map(({ key, hash }) => `${key} ${hash === ''}`)).toEqual([
      `address/${balancer}/eth0/10.0.0.5 false`,
      `address/${balancer}/eth0/10.0.0.20 true`,
    ]);
  });

  it('on lo an address is ours by its label', () => {
    const address = (local: string, label: string) => ({ family: 'inet', local, prefixlen: 32, label });
    const loopback = link('lo', { addr_info: [address('10.5.0.20', 'lo:ptl'), address('10.5.0.21', 'lo')] });
    const vip = (space: Space) => observedObject(space, { kind: 'address', link: 'lo', address: '10.5.0.20', prefixLength: 32 });
    expect(scanned('endpoint:x', loopback).objects).toEqual([vip('endpoint:x')]);
    expect(scanned(balancer, loopback).objects).toEqual([observedObject(balancer, { kind: 'namespace' }), vip(balancer)]);
  });

  it('a port of a bridge tells whether it is isolated', () => {
    const port = (isolated: boolean) =>
      link('ptl_c0a8f003', { ifalias: 'portolan veth/host/ptl_c0a8f003 x', linkinfo: { info_kind: 'veth', info_slave_data: { isolated } } });
    expect(scanned('host', port(true)).halves[0]?.isolated).toBe(true);
    expect(scanned('host', port(false)).halves[0]?.isolated).toBe(false);
  });

  it('says whose output it could not read', () => {
    expect(() => scanLinks('host', 'Cannot open network namespace')).toThrow(/^ip printed no JSON: Cannot open/);
    expect(() => scanFdb(overlay, '{}')).toThrow(/^bridge printed no list/);
  });
});

describe('veths', () => {
  const key = `veth/${overlay}/veth-lb`;
  const near: VethHalf = {
    space: overlay,
    key,
    name: 'veth-lb',
    master: 'br0',
    mtu: 1450,
    mac: 'aa:00:00:00:00:01',
    up: true,
    isolated: false,
    index: 5,
    peerIndex: 2,
  };
  const far: VethHalf = {
    space: balancer,
    key,
    name: 'eth0',
    master: undefined,
    mtu: 1450,
    mac: '02:42:0a:00:00:05',
    up: true,
    isolated: false,
    index: 2,
    peerIndex: 5,
  };
  const body = { kind: 'veth', name: 'veth-lb', master: 'br0', mtu: 1450, peer: { space: balancer, name: 'eth0', mac: '02:42:0a:00:00:05' } } as const;

  it('are joined over two namespaces', () => {
    expect(joinVeths([far, near])).toEqual([observedObject(overlay, body)]);
    expect(joinVeths([far, { ...near, isolated: true }])).toEqual([observedObject(overlay, { ...body, isolated: true })]);
  });

  it.each([
    ['is down', [near, { ...far, up: false }]],
    ['has two MTUs', [{ ...near, mtu: 1500 }, far]],
  ])('a pair that %s is damaged, and keeps its body to be set right', (_, halves) => {
    expect(joinVeths(halves)[0]).toMatchObject({ key, hash: '', body: { kind: 'veth' } });
  });

  it.each([
    ['without its other end', [near]],
    ['of two pairs', [near, { ...far, peerIndex: 9 }]],
    ['that was made but not set up', [{ ...near, key: undefined }]],
  ])('one %s is damaged, and has none', (_, halves) => {
    expect(joinVeths(halves)).toEqual([{ key, hash: '', space: overlay, kind: 'veth' }]);
  });

  it('one without its first end says where the other is', () => {
    expect(joinVeths([far])).toEqual([
      { key, hash: '', space: balancer, kind: 'veth', body: { kind: 'veth', name: 'eth0', mtu: 1450, peer: { space: overlay, name: 'veth-lb', mac: '' } } },
    ]);
  });

  it('the far end of one that was not set up makes nothing', () => {
    expect(joinVeths([{ ...far, key: undefined }])).toEqual([]);
  });
});

describe('peers and routes', () => {
  it('a MAC behind two hosts is damaged; what was learnt is not ours', () => {
    const entry = (mac: string, dst?: string, state = 'permanent') => ({ mac, ifname: 'vxlan0', dst, flags: ['self'], state });
    const json = JSON.stringify([
      entry('02:42:0a:00:00:15', '172.16.130.164'),
      entry('02:42:0a:00:00:15', '172.16.130.170'),
      entry('02:42:0a:00:00:16', '172.16.130.164'),
      entry('02:42:0a:00:00:17', '172.16.130.164', ''),
      entry('33:33:00:00:00:01'),
    ]);
    expect(scanFdb(overlay, json).objects.map(({ key, hash }) => [key, hash === ''])).toEqual([
      [`fdb/${overlay}/vxlan0/02:42:0a:00:00:15`, true],
      [`fdb/${overlay}/vxlan0/02:42:0a:00:00:16`, false],
    ]);
  });

  it('neighbours on a host are nobody’s of ours', () => {
    const json = JSON.stringify([{ dst: '10.0.0.21', dev: 'vxlan0', lladdr: '02:42:0a:00:00:15', state: ['PERMANENT'] }]);
    expect(scanNeighbours(overlay, json).objects).toHaveLength(1);
    expect(scanNeighbours('host', json).objects).toEqual([]);
    expect(scanNeighbours(overlay, '').objects).toEqual([]);
  });

  it('routes are ours by protocol 80 alone', () => {
    const route = (more: object) => ({ dst: 'default', gateway: '192.168.240.1', dev: 'eth1', protocol: '80', flags: [], ...more });
    const scan = scanRoutes(
      'own:ingress_sbox',
      JSON.stringify([route({}), route({ dst: '10.0.0.0/24', protocol: 'kernel' }), route({ dst: '192.0.2.0/24', protocol: 'static' })]),
    );
    expect(scan.objects).toEqual([observedObject('own:ingress_sbox', { kind: 'route', destination: 'default', via: '192.168.240.1', link: 'eth1' })]);
    expect(scan.foreign).toEqual(['route 192.0.2.0/24 via 192.168.240.1 dev eth1 proto static']);
    expect(scanRoutes('host', JSON.stringify([route({ protocol: 'static' })]))).toEqual({ objects: [], foreign: [] });
  });

  it('routes have a table, a metric and a link of their own; two of one key are damaged', () => {
    const space = 'endpoint:x';
    const route = (more: object) => ({ type: 'unicast', dst: 'default', dev: 'ov4096', protocol: '80', scope: 'link', flags: [], ...more });
    const local = { type: 'local', dst: '10.0.0.5', dev: 'ov4096', table: 'local', protocol: 'kernel' };
    const asked = [
      route({ gateway: '10.255.0.2', table: '4096' }),
      route({ dst: '10.255.0.0/16', table: '4096' }),
      route({ gateway: '192.168.240.1', table: 'main', metric: 4096 }),
    ];
    const bodies = [
      { kind: 'route', destination: 'default', via: '10.255.0.2', link: 'ov4096', table: 4096 },
      { kind: 'route', destination: '10.255.0.0/16', link: 'ov4096', table: 4096 },
      { kind: 'route', destination: 'default', via: '192.168.240.1', link: 'ov4096', metric: 4096 },
    ] as const;
    expect(scanRoutes(space, JSON.stringify([local, ...asked])).objects).toEqual(bodies.map((body) => observedObject(space, body)));
    // Asked for by protocol, ip does not print it.
    expect(scanRoutes(space, JSON.stringify(asked.map(({ protocol, ...entry }) => entry))).objects).toHaveLength(3);
    expect(scanRoutes(space, JSON.stringify([route({}), route({ metric: 5 })])).objects.map(({ hash }) => hash)).toEqual(['']);
    expect(scanRoutes(space, JSON.stringify([route({ type: 'blackhole' })])).objects.map(({ hash }) => hash)).toEqual(['']);
  });

  it('rules of routing are ours by protocol 80; what selects by more, or twice, is damaged', () => {
    const rule = (more: object) => ({ priority: 800, src: '10.255.0.51', table: '4096', protocol: '80', ...more });
    const scan = (...rules: object[]) =>
      scanRouteRules('endpoint:x', JSON.stringify([{ priority: 0, src: 'all', table: 'local', protocol: 'kernel' }, ...rules]));
    const body = { kind: 'route-rule', from: '10.255.0.51', table: 4096 } as const;
    expect(scan(rule({}))).toEqual({ objects: [observedObject('endpoint:x', body)], foreign: [] });
    for (const rules of [[rule({}), rule({})], [rule({ priority: 900 })], [rule({ iif: 'eth0' })]]) {
      expect(scan(...rules).objects).toEqual([{ ...observedObject('endpoint:x', body), hash: '' }]);
    }
  });

  it('sysctls with an unusual value are read as they are', () => {
    expect(scanSysctls(balancer, 'net.ipv4.vs.sync_threshold = 3\t50\nnonsense\n').objects).toEqual([
      observedObject(balancer, { kind: 'sysctl', name: 'net.ipv4.vs.sync_threshold', value: '3\t50' }),
    ]);
  });
});

describe('IPVS', () => {
  it('is read with affinity, direct return and the fallback of sh', () => {
    // As ipvsadm 1.31 prints it.
    const text = `-A -f 500 -s rr -p 300
-a -f 500 -r 10.0.0.5:0 -g -w 1
-a -f 500 -r 10.0.0.7:0 -m -w 0
-A -f 501 -s sh -p 60 -b sh-fallback
-A -f 502 -s mh
`;
    expect(scanIpvsadm(balancer, text)).toEqual({
      objects: [
        observedObject(balancer, { kind: 'virtual-server', mark: 500, scheduler: 'rr', persistence: 300 }),
        observedObject(balancer, { kind: 'real-server', mark: 500, address: '10.0.0.5', forwarding: 'direct', weight: 1 }),
        observedObject(balancer, { kind: 'real-server', mark: 500, address: '10.0.0.7', forwarding: 'masquerade', weight: 0 }),
        observedObject(balancer, { kind: 'virtual-server', mark: 501, scheduler: 'sh', persistence: 60 }),
        observedObject(balancer, { kind: 'virtual-server', mark: 502, scheduler: 'mh' }),
      ],
      foreign: [],
    });
  });

  it('what has more to it than ours have is damaged; what is not found by mark is foreign', () => {
    const text = `-A -f 500 -s rr -p 300 -M 255.255.255.0
-A -f 501 -s mh -b mh-fallback,mh-port
-A -f 502 -s sh
-a -f 500 -r 10.0.0.6:0 -m -w 1 -x 5 -y 2
-a -f 500 -r 10.0.0.7:0 -i -w 3 --tun-type ipip
-a -f 500 -r 10.0.0.8:80 -m -w 3
-A -t 10.0.0.1:80 -s rr
`;
    const { objects, foreign } = scanIpvsadm(balancer, text);
    expect(objects.map(({ hash }) => hash)).toEqual(['', '', '', '', '', '']);
    expect(new Set(objects.map(({ key }) => key)).size).toBe(6);
    expect(foreign).toEqual(['-A -t 10.0.0.1:80 -s rr']);
    expect(scanIpvsadm('host', text)).toEqual({ objects: [], foreign: [] });
  });

  it('timeouts are ours in a namespace of our own', () => {
    const seconds = { tcp: 900, tcpFin: 120, udp: 300 };
    expect(scanIpvsTimeouts(balancer, seconds).objects).toEqual([observedObject(balancer, { kind: 'ipvs-timeouts', ...seconds })]);
    expect(scanIpvsTimeouts('host', seconds)).toEqual({ objects: [], foreign: [] });
  });
});

describe('rules', () => {
  const rule = (hash: string, index: number, count: number) =>
    `-A PORTOLAN-FORWARD -o ptl_gwbridge -m comment --comment "portolan gateway-policy/ptl_gwbridge ${hash} ${index}/${count}" -j DROP`;
  const hash = '0123456789abcdef';
  const scan = (...lines: string[]) => scanIptablesSave('host', `*filter\n${lines.join('\n')}\nCOMMIT\n`).objects;

  it('make an object when all of them are there, with the hash of their comments', () => {
    expect(scan(rule(hash, 1, 2), rule(hash, 2, 2))).toEqual([{ key: 'gateway-policy/host/ptl_gwbridge', hash, space: 'host', kind: 'gateway-policy' }]);
  });

  it.each([
    ['one is missing', [rule(hash, 2, 2)]],
    ['one is there twice', [rule(hash, 1, 2), rule(hash, 2, 2), rule(hash, 2, 2)]],
    ['one takes the place of another', [rule(hash, 1, 2), rule(hash, 1, 2)]],
    ['two hashes are mixed', [rule(hash, 1, 2), rule('fedcba9876543210', 2, 2)]],
  ])('are damaged when %s', (_, lines) => {
    expect(scan(...lines)).toEqual([{ key: 'gateway-policy/host/ptl_gwbridge', hash: '', space: 'host', kind: 'gateway-policy' }]);
  });

  it('with a comment of somebody else are not ours', () => {
    expect(
      scan('-A FORWARD -m comment --comment "portolan is nice" -j ACCEPT', '-A FORWARD -m comment --comment "portolan nonsense/x 0123456789abcdef 1/1"'),
    ).toEqual([]);
  });
});
