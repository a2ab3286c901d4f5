import { readFileSync } from 'node:fs';
import {
  type KernelObject,
  kernelObject,
  type NodeState,
  nodeState,
  nothingToWatch,
  type ObjectBody,
  observedObject,
  observedState,
} from '@portolan/node-state';
import { diffNodeState, isRule } from '@portolan/plan';
import { describe, expect, it } from 'vitest';
import { type Batch, type Layout, renderPlan, scanFdb, scanLinks, scanNeighbours, scanRivals, scanRoutes } from '../src/index.js';
import { layout } from './layout.js';

/** What real flanneld left on n1 of the capture, by backend vxlan. */
const vtep: ObjectBody = {
  kind: 'flannel-vtep',
  name: 'flannel.1',
  vni: 1,
  port: 8472,
  mtu: 1450,
  mac: '3a:c6:11:c1:b0:f0',
  local: '192.168.77.11',
  underlay: 'eth0',
  learning: false,
  gbp: false,
};
const key = 'flannel-vtep/host/flannel.1';
const relay: ObjectBody = { kind: 'udp-relay', name: 'flannel0', mtu: 1472, local: '192.168.77.11', port: 8285, address: '10.5.79.0' };
const peerMac = 'ae:6d:aa:23:37:d0';
const bodies: readonly ObjectBody[] = [
  vtep,
  relay,
  { kind: 'address', link: 'flannel.1', address: '10.5.79.0', prefixLength: 32 },
  { kind: 'address', link: 'flannel0', address: '10.5.79.0', prefixLength: 32 },
  { kind: 'sysctl', name: 'net.ipv6.conf.flannel/1.accept_ra', value: '0' },
  { kind: 'neighbour', link: 'flannel.1', address: '10.5.63.0', mac: peerMac },
  { kind: 'fdb', link: 'flannel.1', mac: peerMac, vtep: '192.168.77.12' },
  { kind: 'udp-relay-peer', relay: 'flannel0', subnet: '10.5.64.0/24', host: '192.168.77.13' },
  { kind: 'route', destination: '10.5.63.0/24', via: '10.5.63.0', link: 'flannel.1', onlink: true },
  { kind: 'route', destination: '10.5.0.0/16', link: 'flannel0', scope: 'global' },
  { kind: 'route', destination: '10.5.65.0/24', via: '192.168.77.14', link: 'eth0' },
  { kind: 'rule-entry', table: 'filter', stage: 'forward' },
  { kind: 'rule-entry', table: 'nat', stage: 'postrouting' },
  { kind: 'pod-forward', network: '10.5.0.0/16' },
  { kind: 'pod-masquerade', network: '10.5.0.0/16', subnet: '10.5.79.0/24' },
  { kind: 'file', path: '/run/flannel/subnet.env', content: 'FLANNEL_MTU=1450\n' },
];

function stateOf(...wanted: readonly ObjectBody[]): NodeState {
  const objects: KernelObject[] = wanted.map((body) => kernelObject('host', body, { computedBy: 'flannel' }));
  return nodeState({ cluster: 'lab', node: 'n1', address: '192.168.77.11', endpoints: {}, watch: nothingToWatch, objects });
}

function batches(before: readonly ObjectBody[], after: readonly ObjectBody[], on: Layout = layout): Batch[] {
  const seen = before.map((body) => {
    const object = observedObject('host', body);
    const { body: _body, ...unread } = object;
    return isRule(body.kind) ? unread : object;
  });
  return renderPlan(diffNodeState(observedState(seen, {}, []), stateOf(...after)), stateOf(...after), on);
}

/** `TOOL` (with + where it goes on) and its lines without comments. */
function texts(before: readonly ObjectBody[], after: readonly ObjectBody[], on: Layout = layout): (readonly [string, readonly string[]])[] {
  return batches(before, after, on).map(({ tool, text, goesOn }) => [
    `${tool}${goesOn === true ? '+' : ''}`,
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/ -m comment --comment "[^"]*"/, '').replace(/ [0-9a-f]{16}"$/, '"')),
  ]);
}

const masquerading = (target: string) => [
  '-A PORTOLAN-POSTROUTING -m mark --mark 0x4000/0x4000 -j RETURN',
  '-A PORTOLAN-POSTROUTING -s 10.5.79.0/24 -d 10.5.0.0/16 -j RETURN',
  '-A PORTOLAN-POSTROUTING -s 10.5.0.0/16 -d 10.5.79.0/24 -j RETURN',
  '-A PORTOLAN-POSTROUTING ! -s 10.5.0.0/16 -d 10.5.79.0/24 -j RETURN',
  `-A PORTOLAN-POSTROUTING -s 10.5.0.0/16 ! -d 224.0.0.0/4 -j ${target}`,
  `-A PORTOLAN-POSTROUTING ! -s 10.5.0.0/16 -d 10.5.0.0/16 -j ${target}`,
];

describe('the text of a node of flannel', () => {
  it('makes devices and addresses, neighbours, forwarding entries, peers of the relay, and then the routes', () => {
    const fileLine = 'set file/host//run/flannel/subnet.env {"content":"FLANNEL_MTU=1450\\n","kind":"file","path":"/run/flannel/subnet.env"}';
    const relayLine = 'set udp-relay/host/flannel0 {"address":"10.5.79.0","kind":"udp-relay","local":"192.168.77.11","mtu":1472,"name":"flannel0","port":8285}';
    const relayPeer =
      'set udp-relay-peer/host/flannel0/10.5.64.0/24 {"host":"192.168.77.13","kind":"udp-relay-peer","relay":"flannel0","subnet":"10.5.64.0/24"}';
    expect(texts([], bodies)).toEqual([
      ['relay', [relayLine]],
      [
        'ip',
        [
          'link add flannel.1 txqueuelen 0 mtu 1450 address 3a:c6:11:c1:b0:f0 type vxlan id 1 dev eth0 local 192.168.77.11 nolearning dstport 8472',
          'link set dev flannel.1 alias "portolan flannel-vtep/host/flannel.1"',
          'link set dev flannel.1 up',
          'link set dev flannel0 mtu 1472 up',
          'address replace 10.5.79.0/32 dev flannel.1',
          'address replace 10.5.79.0/32 dev flannel0',
          'neighbour replace 10.5.63.0 lladdr ae:6d:aa:23:37:d0 dev flannel.1 nud permanent',
        ],
      ],
      ['bridge', ['fdb replace ae:6d:aa:23:37:d0 dev flannel.1 dst 192.168.77.12 self permanent']],
      ['sysctl', ['net.ipv6.conf.flannel/1.accept_ra = 0']],
      ['relay', [relayPeer]],
      [
        'ip+',
        [
          'route replace 10.5.0.0/16 dev flannel0 scope global proto 80',
          'route replace 10.5.63.0/24 via 10.5.63.0 dev flannel.1 onlink proto 80',
          'route replace 10.5.65.0/24 via 192.168.77.14 dev eth0 proto 80',
        ],
      ],
      [
        'iptables-restore',
        [
          '*nat',
          ':PORTOLAN-POSTROUTING - [0:0]',
          '-I POSTROUTING -j PORTOLAN-POSTROUTING',
          ...masquerading('MASQUERADE --random-fully'),
          'COMMIT',
          '*filter',
          ':PORTOLAN-FORWARD - [0:0]',
          '-I FORWARD -j PORTOLAN-FORWARD',
          '-A PORTOLAN-FORWARD -s 10.5.0.0/16 -j ACCEPT',
          '-A PORTOLAN-FORWARD -d 10.5.0.0/16 -j ACCEPT',
          'COMMIT',
        ],
      ],
      ['file+', [fileLine]],
    ]);
  });

  it('names learning and GBP, and goes without random ports where there are none', () => {
    const learning = { ...vtep, learning: true, gbp: true, name: 'flannel.2', vni: 2 };
    expect(texts([], [learning])[0]?.[1][0]).toBe(
      'link add flannel.2 txqueuelen 0 mtu 1450 address 3a:c6:11:c1:b0:f0 type vxlan id 2 dev eth0 local 192.168.77.11 learning dstport 8472 gbp',
    );
    const [[, rules = []] = ['', []]] = texts([], [bodies[14] ?? vtep], { ...layout, randomFully: false });
    expect(rules.filter((line) => line.startsWith('-A'))).toEqual(masquerading('MASQUERADE'));
  });

  it('takes a peer off: its routes, what the relay knows, its forwarding entry, its neighbour', () => {
    const [own, peers] = [bodies.slice(0, 5), bodies.slice(5, 11)];
    expect(texts([...own, ...peers], own)).toEqual([
      ['ip+', ['10.5.0.0/16', '10.5.63.0/24', '10.5.65.0/24'].map((destination) => `route delete ${destination} table main proto 80`)],
      ['relay', ['delete udp-relay-peer/host/flannel0/10.5.64.0/24']],
      ['bridge', ['fdb delete ae:6d:aa:23:37:d0 dev flannel.1 self']],
      ['ip', ['neighbour delete 10.5.63.0 dev flannel.1']],
    ]);
  });

  it('takes all off: what rests on a device goes with it', () => {
    expect(texts(bodies, []).map(([tool, lines]) => `${tool}: ${lines.filter((line) => !/^[-*:C]/.test(line)).join('; ')}`)).toEqual([
      'iptables-restore: ',
      'file+: delete file/host//run/flannel/subnet.env',
      'ip+: route delete 10.5.65.0/24 table main proto 80',
      'ip: link delete dev flannel.1',
      'relay: delete udp-relay/host/flannel0',
    ]);
  });

  it('lets a peer change its MAC, and its way, by one line each', () => {
    const peer = (mac: string): ObjectBody[] => [
      { kind: 'neighbour', link: 'flannel.1', address: '10.5.63.0', mac },
      { kind: 'fdb', link: 'flannel.1', mac, vtep: '192.168.77.12' },
    ];
    expect(texts([vtep, ...peer(peerMac)], [vtep, ...peer('02:00:00:00:00:02')])).toEqual([
      ['ip', ['neighbour replace 10.5.63.0 lladdr 02:00:00:00:00:02 dev flannel.1 nud permanent']],
      ['bridge', ['fdb replace 02:00:00:00:00:02 dev flannel.1 dst 192.168.77.12 self permanent']],
      ['bridge', [`fdb delete ${peerMac} dev flannel.1 self`]],
    ]);
    const route = (more: object): ObjectBody => ({ kind: 'route', destination: '10.5.63.0/24', via: '10.5.63.0', link: 'flannel.1', ...more });
    expect(texts([vtep, route({ onlink: true })], [vtep, route({ via: '192.168.77.12', link: 'eth0' })])).toEqual([
      ['ip+', ['route replace 10.5.63.0/24 via 192.168.77.12 dev eth0 proto 80']],
    ]);
  });
});

function captured(name: string): string {
  return readFileSync(new URL(`fixtures/flannel/${name}`, import.meta.url), 'utf8');
}

/** The links of the capture, with our alias on the VTEP, and changes to it. */
function links(changes: object = {}, settings: object = {}): string {
  const entries = JSON.parse(captured('vxlan/ip-d-link.json')) as { ifname: string; linkinfo?: { info_data?: object } }[];
  return JSON.stringify(
    entries.map((entry) =>
      entry.ifname === 'flannel.1'
        ? {
            ...entry,
            ifalias: `portolan ${key} 0123456789abcdef`,
            ...changes,
            linkinfo: { ...entry.linkinfo, info_data: { ...entry.linkinfo?.info_data, ...settings } },
          }
        : entry,
    ),
  );
}

describe('what is read back of a VTEP', () => {
  it('of flanneld, but for the alias, is what we would make', () => {
    const { objects, vteps } = scanLinks('host', links());
    expect(objects).toEqual([observedObject('host', vtep)]);
    expect(vteps).toEqual(['flannel.1']);
  });

  it.each([
    ['mtu', { mtu: 1300 }, {}],
    ['MAC', { address: '02:00:00:00:00:01' }, {}],
    ['VNI', {}, { id: 2 }],
    ['port', {}, { port: 4789 }],
    ['local address', {}, { local: '192.168.77.99' }],
    ['missing local address', {}, { local: undefined }],
    ['lower device', {}, { link: 'eth1' }],
    ['learning', {}, { learning: true }],
    ['GBP', {}, { gbp: true }],
    ['state', { flags: ['BROADCAST', 'MULTICAST'] }, {}],
    ['bridge', { master: 'br0' }, {}],
    ['alias of another', { ifalias: 'portolan flannel-vtep/host/flannel.2 0123456789abcdef' }, {}],
    ['answers to ARP', {}, { proxy: true }],
    ['default peer', {}, { remote: '192.168.77.12' }],
    ['metadata', {}, { external: true }],
  ])('tells another %s', (_, changes, settings) => {
    const { objects } = scanLinks('host', links(changes, settings));
    expect(objects).toHaveLength(1);
    expect(objects[0]).toMatchObject({ key, kind: 'flannel-vtep' });
    expect(objects[0]?.hash).not.toBe(observedObject('host', vtep).hash);
  });

  it('without our alias is nobody of ours, unless one of that name and kind is wanted', () => {
    const bare = links({ ifalias: undefined });
    expect(scanLinks('host', bare)).toMatchObject({ objects: [], vteps: [] });
    expect(scanLinks('host', bare, new Set(['flannel-vtep/host/flannel.2', 'bridge/host/flannel.1']))).toMatchObject({ objects: [], vteps: [] });
    expect(scanLinks('host', bare, new Set([key]))).toMatchObject({ objects: [{ key, hash: '', body: vtep }], vteps: ['flannel.1'] });
  });

  it('neighbours and forwarding entries are ours on our own VTEPs only, and such that say more than ours are damaged', () => {
    const neighbours = JSON.stringify(['flannel.1', 'flannel.2', 'eth0'].map((dev) => ({ dst: '10.5.63.0', dev, lladdr: peerMac, state: ['PERMANENT'] })));
    expect(scanNeighbours('host', neighbours, ['flannel.1']).objects).toEqual([
      observedObject('host', { kind: 'neighbour', link: 'flannel.1', address: '10.5.63.0', mac: peerMac }),
    ]);
    expect(scanNeighbours('host', neighbours).objects).toEqual([]);
    const entry = { mac: peerMac, dst: '192.168.77.12', flags: ['self'], state: 'permanent' };
    const fdb = observedObject('host', { kind: 'fdb', link: 'flannel.1', mac: peerMac, vtep: '192.168.77.12' });
    expect(scanFdb('host', JSON.stringify([entry, { mac: '33:33:00:00:00:01', flags: ['self'], state: 'permanent' }]), 'flannel.1').objects).toEqual([fdb]);
    for (const more of [{ port: 4789 }, { vni: 7 }, { via: 'eth1' }])
      expect(scanFdb('host', JSON.stringify([{ ...entry, ...more }]), 'flannel.1').objects).toEqual([{ ...fdb, hash: '' }]);
    expect(scanFdb('host', JSON.stringify([{ ...entry, ifname: 'flannel.2' }])).objects).toEqual([]);
  });
});

describe('what is read back of routes', () => {
  const entry = { type: 'unicast', dst: '10.5.63.0/24', gateway: '10.5.63.0', dev: 'flannel.1', table: 'main', scope: 'global', flags: ['onlink'] };
  const route: ObjectBody = { kind: 'route', destination: '10.5.63.0/24', via: '10.5.63.0', link: 'flannel.1', onlink: true };

  it('has the flag onlink and the scope of one to a TUN device; what has more to it is damaged', () => {
    const found = (...entries: object[]) => scanRoutes('host', JSON.stringify(entries)).objects;
    expect(found(entry)).toEqual([observedObject('host', route)]);
    expect(found({ ...entry, flags: [] })).toEqual([
      observedObject('host', { kind: 'route', destination: '10.5.63.0/24', via: '10.5.63.0', link: 'flannel.1' }),
    ]);
    expect(found({ dst: '10.5.0.0/16', dev: 'flannel0', scope: 'global', flags: [] })).toEqual([
      observedObject('host', { kind: 'route', destination: '10.5.0.0/16', link: 'flannel0', scope: 'global' }),
    ]);
    expect(found({ ...entry, prefsrc: '192.0.2.1' })).toEqual([{ ...observedObject('host', route), hash: '' }]);
  });

  const destinations = new Set(['10.5.63.0/24', '10.5.64.0/24']);
  const rival = { type: 'unicast', dst: '10.5.63.0/24', gateway: '192.168.77.9', dev: 'eth0', protocol: 'static', scope: 'global', flags: [] };
  const rivals = (ours: readonly object[], ...entries: object[]) => scanRivals(JSON.stringify(entries), scanRoutes('host', JSON.stringify(ours)), destinations);

  it('one of another program in the place of ours is told, and ours beside it is damaged', () => {
    expect(rivals([], rival)).toEqual({ objects: [], foreign: ['route 10.5.63.0/24 via 192.168.77.9 dev eth0 proto static'] });
    expect(rivals([entry], rival, { ...entry, protocol: '80' })).toEqual({
      objects: [{ ...observedObject('host', route), hash: '' }],
      foreign: ['route 10.5.63.0/24 via 192.168.77.9 dev eth0 proto static'],
    });
  });

  it('one with a lower metric is told; one with a higher, of another type of service or to elsewhere does no harm', () => {
    const ours = { ...entry, metric: 20 };
    const whole = scanRoutes('host', JSON.stringify([ours])).objects;
    expect(rivals([ours], { ...rival, metric: 10 })).toEqual({
      objects: whole,
      foreign: ['route 10.5.63.0/24 via 192.168.77.9 dev eth0 proto static metric 10'],
    });
    const harmless = [
      { ...rival, metric: 30 },
      { ...rival, tos: '0x10' },
      { ...rival, dst: '10.6.0.0/24' },
      { ...ours, protocol: '80' },
    ];
    expect(rivals([ours], ...harmless)).toEqual({ objects: whole, foreign: [] });
  });
});
