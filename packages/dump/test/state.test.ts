import { kernelObject, type NodeState, nodeState, nothingToWatch, type ObjectBody, type Space } from '@portolan/node-state';
import { describe, expect, it } from 'vitest';
import { dumpsOfState, type NamespaceDump, namesOfSpaces, printNamespace, readNamespace, withKernelParts } from '../src/index.js';
import { capture, captures } from './captures.js';

function stateOf(objects: readonly (readonly [Space, ObjectBody])[], endpoints: NodeState['endpoints'] = {}): NodeState {
  return nodeState({
    cluster: 'c',
    node: 'n',
    address: '192.0.2.1',
    endpoints,
    watch: nothingToWatch,
    objects: objects.map(([space, body]) => kernelObject(space, body, { computedBy: 'overlay' })),
  });
}

const overlay: Space = 'own:1-abc';
const balancer: Space = 'own:lb_abc';
const state = stateOf(
  [
    [overlay, { kind: 'namespace' }],
    [overlay, { kind: 'bridge', name: 'br0', mtu: 1450 }],
    [overlay, { kind: 'vxlan', name: 'vxlan0', vni: 4097, port: 4789, mtu: 1450, master: 'br0' }],
    [overlay, { kind: 'veth', name: 'veth-lb', master: 'br0', mtu: 1450, peer: { space: balancer, name: 'eth0', mac: '02:42:0a:00:01:08' } }],
    [overlay, { kind: 'address', link: 'br0', address: '10.0.1.1', prefixLength: 24 }],
    [overlay, { kind: 'neighbour', link: 'vxlan0', address: '10.0.1.9', mac: '02:42:0a:00:01:09' }],
    [overlay, { kind: 'fdb', link: 'vxlan0', mac: '02:42:0a:00:01:09', vtep: '192.0.2.2' }],
    [balancer, { kind: 'address', link: 'eth0', address: '10.0.1.8', prefixLength: 24 }],
    [balancer, { kind: 'address', link: 'eth0', address: '10.0.1.2', prefixLength: 32 }],
    [balancer, { kind: 'sysctl', name: 'net.ipv4.conf.eth0.route_localnet', value: '1' }],
    [balancer, { kind: 'route', destination: 'default', via: '10.0.1.1', link: 'eth0', table: 4096 }],
    [balancer, { kind: 'virtual-server', mark: 256, scheduler: 'rr', persistence: 60 }],
    [balancer, { kind: 'real-server', mark: 256, address: '10.0.1.9', forwarding: 'direct', weight: 2 }],
  ],
  {
    a: { name: 'web.1', attachment: { netns: '/var/run/docker/netns/399ae6370db7' } },
    b: { name: 'web.2', attachment: { container: 'web-2' } },
  },
);

const rules = '*mangle\n-F\n-X\n-A INPUT -d 10.0.1.2/32 -m comment --comment "portolan mark 1/1" -j MARK --set-xmark 0x100/0xffffffff\nCOMMIT\n';
const dumps = dumpsOfState(state, (space) => (space === balancer ? rules : ''));

function dumpOf(name: string): NamespaceDump {
  const dump = dumps.get(name);
  if (dump === undefined) throw new Error(`no ${name} among ${[...dumps.keys()].join(' ')}`);
  return dump;
}

describe('the dump of a node state', () => {
  it('has the namespaces by the names of a collection, those of endpoints by their paths', () => {
    expect([...dumps.keys()]).toEqual(['host', '1-abc', 'lb_abc', '399ae6370db7', 'web.2']);
  });

  it('gives two endpoints two names', () => {
    const twins = stateOf([[balancer, { kind: 'namespace' }]], {
      a: { name: 'x', attachment: { netns: '/run/a/same' } },
      b: { name: 'y', attachment: { netns: '/run/b/same' } },
      c: { name: 'y', attachment: { pid: 7 } },
      d: { name: 'lb_abc', attachment: { pid: 8 } },
    });
    expect([...namesOfSpaces(twins).values()]).toEqual(['host', 'lb_abc', 'same', 'y', 'c', 'd']);
  });

  it('has both ends of a pair, what is between, and lo', () => {
    expect(dumpOf('1-abc').links.map(({ name, kind, master }) => `${name} ${kind} ${master}`)).toEqual([
      'lo loopback null',
      'br0 bridge null',
      'vxlan0 vxlan br0',
      'veth-lb veth br0',
    ]);
    expect(dumpOf('lb_abc').links[1]).toMatchObject({ name: 'eth0', up: true, mac: '02:42:0a:00:01:08', mtu: 1450 });
    expect(dumpOf('1-abc').forwarding).toEqual([{ mac: '02:42:0a:00:01:09', link: 'vxlan0', vtep: '192.0.2.2', master: null, permanent: true }]);
  });

  it('has servers, rules and settings, and those that are off', () => {
    const dump = dumpOf('lb_abc');
    expect(dump.rules).toEqual([{ table: 'mangle', chain: 'INPUT', match: '-d 10.0.1.2/32', target: 'MARK', options: '--set-xmark 0x100/0xffffffff' }]);
    expect(dump.chains.map(({ chain, policy }) => `${chain} ${policy}`)).toEqual(
      ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'].map((c) => `${c} ACCEPT`),
    );
    expect(dump.virtualServers).toEqual([{ mark: 256, scheduler: 'rr', persistence: 60 }]);
    expect(dump.realServers).toEqual([{ mark: 256, address: '10.0.1.9', port: 0, forwarding: 'direct', weight: 2 }]);
    expect(dump.sysctls).toEqual({
      'net.ipv4.conf.all.route_localnet': '0',
      'net.ipv4.conf.default.route_localnet': '0',
      'net.ipv4.conf.eth0.route_localnet': '1',
      'net.ipv4.conf.lo.route_localnet': '0',
    });
  });

  it('has the routes that the kernel makes, in its order', () => {
    expect(dumpOf('lb_abc').routes.map(({ type, destination, table }) => `${table} ${type} ${destination}`)).toEqual([
      '4096 unicast default',
      'main unicast 10.0.1.0/24',
      'local local 10.0.1.2',
      'local local 10.0.1.8',
      'local broadcast 10.0.1.255',
      'local local 127.0.0.0/8',
      'local local 127.0.0.1',
      'local broadcast 127.255.255.255',
    ]);
  });

  it('is printed as a whole file', () => {
    for (const dump of dumps.values()) expect(readNamespace(printNamespace(dump))).toEqual({ dump, faults: [], absent: [] });
  });

  it.each([
    ['-A NOWHERE -j ACCEPT', /NOWHERE/],
    ['-R INPUT 1 -j ACCEPT', /-R INPUT/],
  ])('is not made of a text with %s', (line, message) => {
    expect(() => dumpsOfState(state, () => `*nat\n${line}\nCOMMIT\n`)).toThrow(message);
  });

  it('carries rules out one after the other: first in front, chains emptied and deleted', () => {
    const text = '*filter\n:B - [0:0]\n:A - [0:0]\n:GONE - [0:0]\n-A FORWARD -j B\n-I FORWARD -j A\n-A B -j DROP\n-A A -j ACCEPT\n-F A\n-X GONE\nCOMMIT\n';
    const host = dumpsOfState(state, () => text).get('host');
    expect(host?.chains.map(({ chain }) => chain)).toEqual(['INPUT', 'FORWARD', 'OUTPUT', 'A', 'B']);
    expect(host?.rules.map(({ chain, target }) => `${chain} ${target}`)).toEqual(['FORWARD A', 'FORWARD B', 'B DROP']);
  });
});

describe('what the kernel adds', () => {
  const inNamespaces = [...captures.keys()].filter((name) => name.includes('.ns.'));

  it.each(inNamespaces)('is in %s of a real swarm already', (name) => {
    const { dump } = readNamespace(capture(name));
    const links = dump.links.filter((link) => link.name !== 'lo');
    const made = withKernelParts({ ...dump, links, routes: dump.routes.filter(({ protocol }) => protocol !== 'kernel') });
    expect(made.routes).toEqual(dump.routes);
    expect(made.links).toEqual(dump.links);
    expect(made.sysctls).toEqual(dump.sysctls);
    expect(made.rules).toEqual(dump.rules);
    expect(made.chains).toEqual(dump.chains);
  });
});
