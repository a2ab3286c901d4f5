import type { FlannelBackend, Snapshot } from '@portolan/model';
import type { KernelObject, NodeState, ObjectBody } from '@portolan/node-state';
import { describe, expect, it } from 'vitest';
import { fileOf, mission, routesOf } from './flannel-samples.js';
import { bjdt, idOf, leaseOf, snapshotOf } from './snapshots.js';
import { bodies, bodyOf, keys, stateOf, sysctls } from './states.js';

describe('the mission', () => {
  const pod = `endpoint:${idOf('pa')}`;
  it('of a container on node A: its link, its address in the subnet of the node, and the ways to the network and out', () => {
    const state = stateOf(mission({ type: 'vxlan' }), 'a');
    expect(bodyOf(state, 'veth/host/ptl_0af40160')).toEqual({
      kind: 'veth',
      name: 'ptl_0af40160',
      master: 'cni0',
      mtu: 1450,
      peer: { space: pod, name: 'pod0', mac: '02:42:0a:f4:01:60' },
    });
    expect(bodies(state, 'address', 'host')).toContainEqual({ link: 'cni0', address: '10.244.1.1', prefixLength: 24 });
    expect(bodies(state, 'address', pod)).toEqual([{ link: 'pod0', address: '10.244.1.96', prefixLength: 24 }]);
    expect(bodies(state, 'route', pod)).toEqual([
      { destination: '10.244.0.0/16', via: '10.244.1.1', link: 'pod0' },
      { destination: 'default', via: '10.244.1.1', link: 'pod0', metric: 4097 },
    ]);
    expect(state.objects.find(({ key }) => key.startsWith('veth/'))?.origin).toEqual({ computedBy: 'flannel', endpoint: 'pa' });
    expect(Object.keys(state.endpoints)).toEqual([idOf('pa')]);
    expect(keys(state).filter((key) => key.includes(idOf('pb')))).toEqual([]);
  });

  it.each([
    [
      { type: 'vxlan' },
      1450,
      ['unicast 10.244.2.0/24 via 10.244.2.0 dev flannel.1 scope global onlink', 'unicast 10.244.3.0/24 via 10.244.3.0 dev flannel.1 scope global onlink'],
    ],
    [{ type: 'udp' }, 1472, ['unicast 10.244.0.0/16 dev flannel0 scope global']],
    [{ type: 'host-gw' }, 1500, ['unicast 10.244.2.0/24 via 172.16.130.164 dev eth0 scope global']],
    [
      { type: 'vxlan', directRouting: true },
      1450,
      ['unicast 10.244.2.0/24 via 172.16.130.164 dev eth0 scope global', 'unicast 10.244.3.0/24 via 10.244.3.0 dev flannel.1 scope global onlink'],
    ],
  ] satisfies [FlannelBackend, number, string[]][])('by %o', (backend, mtu, routes) => {
    const state = stateOf(mission(backend), 'a');
    expect(routesOf(state)).toEqual(routes);
    expect(bodyOf(state, 'bridge/host/cni0')).toMatchObject({ mtu });
    expect(bodyOf(state, 'veth/host/ptl_0af40160')).toMatchObject({ mtu });
    expect(keys(state, 'udp-relay-peer/')).toHaveLength(backend.type === 'udp' ? 2 : 0);
  });

  it('by direct routing a peer of the own subnet has no neighbour and no forwarding entry', () => {
    const state = stateOf(mission({ type: 'vxlan', directRouting: true }), 'a');
    expect(keys(state, 'neighbour/')).toEqual(['neighbour/host/flannel.1/10.244.3.0']);
    expect(keys(state, 'fdb/')).toEqual(['fdb/host/flannel.1/02:00:00:00:00:03']);
  });

  it('each object for a peer says whose lease asks for it', () => {
    const state = stateOf(mission({ type: 'vxlan' }), 'a');
    const ofB = state.objects.filter(({ origin }) => origin.lease === '10.244.2.0-24').map(({ key }) => key);
    expect(ofB).toEqual(['neighbour/host/flannel.1/10.244.2.0', 'fdb/host/flannel.1/02:00:00:00:00:02', 'route/host/10.244.2.0/24']);
  });

  it('with every option of vxlan, of the lease and of the interface', () => {
    const backend: FlannelBackend = { type: 'vxlan', vni: 7, port: 4999, gbp: true, learning: true, mtu: 1400 };
    const state = stateOf(mission(backend, {}, { vni: 7 }), 'b');
    expect(bodies(state, 'flannel-vtep', 'host')).toEqual([
      {
        name: 'flannel.7',
        vni: 7,
        port: 4999,
        mtu: 1350,
        mac: '02:00:00:00:00:02',
        local: '172.16.130.164',
        underlay: 'eth0',
        learning: true,
        gbp: true,
      },
    ]);
    expect(keys(state, 'fdb/')).toEqual(['fdb/host/flannel.7/02:00:00:00:00:01', 'fdb/host/flannel.7/02:00:00:00:00:03']);
    expect(sysctls(state, 'host')).toContain('net.ipv6.conf.flannel/7.accept_ra = 0');
  });

  it('relays by the port of the cluster, from the address of the node', () => {
    const state = stateOf(mission({ type: 'udp', port: 9000 }), 'a');
    expect(bodies(state, 'udp-relay', 'host')).toEqual([{ name: 'flannel0', mtu: 1472, local: '172.16.130.140', port: 9000, address: '10.244.1.0' }]);
    expect(bodies(state, 'udp-relay-peer', 'host')).toEqual([
      { relay: 'flannel0', subnet: '10.244.2.0/24', host: '172.16.130.164' },
      { relay: 'flannel0', subnet: '10.244.3.0/24', host: '172.16.131.5' },
    ]);
  });
});

describe('files', () => {
  const conflist = (snapshot: Snapshot) => JSON.parse(fileOf(stateOf(snapshot, 'a'), '/etc/cni/net.d/10-flannel.conflist') ?? 'null');
  const base = { network: '10.244.0.0/16', backend: { type: 'vxlan' } } as const;

  it('CNI is told what the plugin flannel would tell the plugin bridge; it gives the lower half of the subnet', () => {
    expect(conflist(mission({ type: 'vxlan' }))).toEqual({
      name: 'cbr0',
      cniVersion: '0.3.1',
      plugins: [
        {
          type: 'bridge',
          bridge: 'cni0',
          mtu: 1450,
          ipMasq: false,
          isGateway: true,
          isDefaultGateway: true,
          hairpinMode: true,
          ipam: {
            type: 'host-local',
            ranges: [[{ subnet: '10.244.1.0/24', rangeStart: '10.244.1.2', rangeEnd: '10.244.1.127' }]],
            routes: [{ dst: '10.244.0.0/16' }],
          },
        },
        { type: 'portmap', capabilities: { portMappings: true } },
      ],
    });
  });

  it('who masquerades is said to both', () => {
    const snapshot = mission({ type: 'vxlan' }, { flannel: { ...base, masquerade: false } });
    expect(conflist(snapshot).plugins[0].ipMasq).toBe(true);
    expect(fileOf(stateOf(snapshot, 'a'), '/run/flannel/subnet.env')).toContain('FLANNEL_IPMASQ=false\n');
    expect(keys(stateOf(snapshot, 'a'), 'pod-')).toEqual(['pod-forward/host/10.244.0.0/16']);
  });

  it('none for CNI where it is not wanted, or where the subnet has no room', () => {
    expect(conflist(mission({ type: 'vxlan' }, { flannel: { ...base, cni: false } }))).toBeNull();
    const leases = [leaseOf('10.244.1.0/30', '172.16.130.140', { node: 'a' })];
    expect(conflist(mission({ type: 'vxlan' }, { leases }))).toBeNull();
    expect(fileOf(stateOf(mission({ type: 'vxlan' }, { leases }), 'a'), '/run/flannel/subnet.env')).toContain('FLANNEL_SUBNET=10.244.1.1/30\n');
    const small = mission({ type: 'vxlan' }, { leases: [leaseOf('10.244.1.8/29', '172.16.130.140', { node: 'a' })] });
    expect(conflist(small).plugins[0].ipam.ranges).toEqual([[{ subnet: '10.244.1.8/29', rangeStart: '10.244.1.10', rangeEnd: '10.244.1.11' }]]);
  });
});

describe('who takes part', () => {
  const none = (snapshot: Snapshot) => expect(stateOf(snapshot, 'a')).toMatchObject({ objects: [], watch: { probes: {}, nodes: {}, draining: [] } });
  const vxlan = { type: 'vxlan' } as const;
  const flannel = { network: '10.244.0.0/16', backend: vxlan };
  const found = mission(vxlan);

  it('nobody when there is no flannel network, or it leaves', () => {
    none({ ...found, flannel: null });
    none(mission(vxlan, { flannel: { ...flannel, leaving: true } }));
    expect(stateOf({ ...found, flannel: null }, 'a').watch).not.toHaveProperty('everySeconds');
  });

  it('no node without a lease of its own, nor one of which nobody knows the interface', () => {
    none({ ...found, flannelLeases: new Map([...found.flannelLeases].slice(1)) });
    const [a] = [...found.nodes.values()];
    none({ ...found, nodes: new Map([...found.nodes].map(([id, node]) => [id, node === a ? { ...node, underlayLink: null } : node])) });
  });

  const peersWith = (...leases: ReturnType<typeof leaseOf>[]) => {
    const snapshot = mission(vxlan);
    const state = stateOf(
      { ...snapshot, flannelLeases: new Map([...[...snapshot.flannelLeases].slice(0, 1), ...leases.map((l) => [l.key, l] as const)]) },
      'a',
    );
    return state.objects.flatMap(({ key, origin }) => (origin.lease === undefined ? [] : [`${origin.lease} ${key}`]));
  };
  const one = '10.244.9.0-24 neighbour/host/flannel.1/10.244.9.0';
  const mac = '02:00:00:00:00:09';
  const nine = leaseOf('10.244.9.0/24', '172.16.130.9', { vtepMac: mac });

  it('no lease with a fault, without a subnet, an address or a MAC, of a node that is gone, or of a backend that is not held', () => {
    expect(peersWith(nine)).toEqual([one, `10.244.9.0-24 fdb/host/flannel.1/${mac}`, '10.244.9.0-24 route/host/10.244.9.0/24']);
    for (const bad of [
      { fault: 'no JSON' },
      { subnet: null },
      { publicAddress: null },
      { vtepMac: null },
      { nodeId: idOf('gone') },
      { vni: 2 },
      { backendType: 'udp' },
      { backendType: 'wireguard' },
    ]) {
      expect(peersWith({ ...nine, ...bad }), JSON.stringify(bad)).toEqual([]);
    }
  });

  it('no lease that would lead away what is not of the network, none of this host or of its own subnet', () => {
    const elsewhere = ['0.0.0.0/1', '10.244.0.0/16', '10.0.0.0/8', '192.168.0.0/24'];
    for (const subnet of elsewhere) expect(peersWith(leaseOf(subnet, '172.16.130.9', { vtepMac: mac })), subnet).toEqual([]);
    expect(peersWith({ ...nine, publicAddress: '172.16.130.140' })).toEqual([]);
    expect(peersWith({ ...nine, nodeId: idOf('a') })).toEqual([]);
    expect(peersWith({ ...leaseOf('10.244.1.0/24', '172.16.130.9', { vtepMac: mac }), key: '10.244.1.0-24&fd00::-64' })).toEqual([]);
  });

  it('of two leases for one subnet, or with one first address, the first by key', () => {
    const twin = { ...leaseOf('10.244.9.0/24', '172.16.130.10', { vtepMac: '02:00:00:00:00:10' }), key: '10.244.9.0-24&fd00::-64' };
    expect(peersWith(twin, nine)).toEqual(peersWith(nine));
    expect(peersWith(leaseOf('10.244.9.0/25', '172.16.130.10', { vtepMac: '02:00:00:00:00:10' }), nine)).toEqual(peersWith(nine));
  });

  it('of two leases with one MAC the first by key; the second only where it needs none', () => {
    const twin = leaseOf('10.244.10.0/24', '172.16.130.10', { vtepMac: mac });
    expect(peersWith(nine, twin).map((text) => text.split(' ')[0])).toEqual(Array(3).fill('10.244.10.0-24'));
    const direct = mission({ type: 'vxlan', directRouting: true }, { leases: [leaseOf('10.244.1.0/24', '172.16.130.140', { node: 'a' }), nine, twin] });
    expect(routesOf(stateOf(direct, 'a'))).toEqual([
      'unicast 10.244.10.0/24 via 172.16.130.10 dev eth0 scope global',
      'unicast 10.244.9.0/24 via 172.16.130.9 dev eth0 scope global',
    ]);
  });

  it('no peer of host-gw that is reached by a gateway, or perhaps by another interface', () => {
    const away = leaseOf('10.244.9.0/24', '10.1.1.9', { backendType: 'host-gw' });
    const own = leaseOf('10.244.1.0/24', '172.16.130.140', { backendType: 'host-gw', node: 'a' });
    const snapshot = mission({ type: 'host-gw' }, { leases: [own, away] });
    const nodes = new Map([...snapshot.nodes].map(([id, node]) => [id, { ...node, onLink: ['10.1.1.0/24', '172.16.130.0/24'] }]));
    expect(routesOf(stateOf({ ...snapshot, nodes }, 'a'))).toEqual([]);
  });
});

describe('containers', () => {
  const flannel = { network: '10.244.0.0/16', backend: { type: 'vxlan' } } as const;
  const own = leaseOf('10.244.1.0/24', '172.16.130.140', { node: 'node1' });
  const withPods = (pods: Record<string, string | null>): NodeState => {
    const endpoints = bjdt.endpoints.map((e) => (e.name in pods ? { ...e, flannel: { address: pods[e.name] ?? null, fixed: true } } : e));
    const nodes = bjdt.nodes.map((node) => ({ ...node, underlayLink: 'eth0' }));
    return stateOf(snapshotOf({ ...bjdt, nodes, endpoints, flannel, leases: [own] }), 'node1');
  };

  it('on an overlay, too, keep the default route by the gateway bridge; what both bridges need is there once', () => {
    const state = withPods({ 'web-1': '10.244.1.200' });
    const space = `endpoint:${idOf('web-1')}`;
    expect(bodies(state, 'route', space).filter(({ table }) => table === undefined)).toEqual([
      { destination: '10.244.0.0/16', via: '10.244.1.1', link: 'pod0' },
      { destination: 'default', via: '192.168.240.1', link: 'ptl_gw', metric: 4096 },
    ]);
    expect(keys(state, 'rule-entry/host/')).toHaveLength(4);
    expect(sysctls(state, 'host').filter((line) => line.startsWith('net.ipv4.ip_forward'))).toHaveLength(1);
  });

  it.each(['10.244.2.7', '10.244.1.0', '10.244.1.1', '10.244.1.255', null])('with the address %s have nothing of it', (address) => {
    expect(keys(withPods({ 'web-1': address })).filter((key) => key.includes('pod0') || key.startsWith('veth/host/ptl_0a'))).toEqual([]);
  });
});

describe('what is made once', () => {
  const find = (state: NodeState, key: string): KernelObject<ObjectBody> | undefined => state.objects.find((object) => object.key === key);
  const snapshot = mission({ type: 'vxlan' });

  it('is the very same on every node, and in the next snapshot whatever else changed', () => {
    const ofPeer = ['neighbour/host/flannel.1/10.244.3.0', 'fdb/host/flannel.1/02:00:00:00:00:03', 'route/host/10.244.3.0/24'];
    const changed = leaseOf('10.244.2.0/24', '172.16.130.164', { node: 'b', vtepMac: '02:00:00:00:00:22' });
    const next: Snapshot = {
      ...snapshot,
      cluster: { ...snapshot.cluster, revision: 2 },
      flannelLeases: new Map([...snapshot.flannelLeases, [changed.key, changed]]),
    };
    for (const key of ofPeer) {
      expect(find(stateOf(snapshot, 'a'), key)).toBeDefined();
      expect(find(stateOf(snapshot, 'b'), key)).toBe(find(stateOf(snapshot, 'a'), key));
      expect(find(stateOf(next, 'a'), key)).toBe(find(stateOf(snapshot, 'a'), key));
    }
    expect(keys(stateOf(next, 'a'), 'fdb/')).toEqual(['fdb/host/flannel.1/02:00:00:00:00:03', 'fdb/host/flannel.1/02:00:00:00:00:22']);
    expect(stateOf(next, 'a')).toEqual(stateOf(structuredClone(next), 'a'));
  });

  it('a change of one lease among 5,000 is one of 5,000 for each node; the order of the registry does not matter', () => {
    const leases = Array.from({ length: 5000 }, (_, i) => {
      const subnet = `10.${245 + (i >> 12)}.${(i >> 4) & 255}.${(i & 15) * 16}/28`;
      const hex = i.toString(16).padStart(4, '0');
      return leaseOf(subnet, `172.20.${i >> 8}.${i & 255}`, { vtepMac: `02:00:00:00:${hex.slice(0, 2)}:${hex.slice(2)}` });
    });
    const own = leaseOf('10.244.1.0/28', '172.16.130.140', { node: 'a', vtepMac: '06:00:00:00:00:01' });
    const large = (made: typeof leases) =>
      mission({ type: 'vxlan' }, { flannel: { network: '10.240.0.0/12', backend: { type: 'vxlan' } }, leases: [own, ...made] });
    const first = large(leases);
    const moved = {
      ...first,
      flannelLeases: new Map([...first.flannelLeases].map(([key, l], i) => [key, i === 42 ? { ...l, publicAddress: '172.30.0.1' } : l])),
    };
    const [before, after] = [stateOf(first, 'a'), stateOf(moved, 'a')];
    expect(keys(before, 'route/host/')).toHaveLength(5000);
    const was = new Set(before.objects.filter(({ origin }) => origin.lease !== undefined));
    expect(after.objects.filter((object) => object.origin.lease !== undefined && !was.has(object))).toHaveLength(3);
    const hashes = new Map(before.objects.map(({ key, hash }) => [key, hash]));
    expect(after.objects.filter(({ key, hash }) => hashes.get(key) !== hash)).toMatchObject([{ body: { kind: 'fdb', vtep: '172.30.0.1' } }]);
    expect(stateOf(large(leases.toReversed()), 'a').hash).toBe(before.hash);
  });
});
