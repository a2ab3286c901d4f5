import { describe, expect, it } from 'vitest';
import { type ClusterSketch, snapshotOf } from './snapshots.js';
import { bodies, bodyOf, edited, keys, stateOf, sysctls } from './states.js';

/** One network of three subnets, an endpoint in each, on two nodes. */
const wide: ClusterSketch = {
  nodes: [
    { name: 'node1', address: '172.16.0.1', on: { wide: '10.1.0.2' } },
    { name: 'node2', address: '172.16.0.2', on: { wide: '10.1.0.3' } },
  ],
  networks: [
    {
      name: 'wide',
      vni: 4097,
      subnet: '10.1.0.0/28',
      gateway: '10.1.0.1',
      extraSubnets: [
        { vni: 4098, subnet: '10.2.0.0/24', gateway: '10.2.0.254' },
        { vni: 4099, subnet: '10.3.0.0/16', gateway: '10.3.0.1' },
      ],
    },
  ],
  services: [{ name: 'web', on: { wide: ['10.1.0.9', 500] } }],
  endpoints: [
    { name: 'web1', service: 'web', node: 'node1', on: { wide: '10.1.0.4' } },
    { name: 'web2', service: 'web', node: 'node1', on: { wide: '10.2.0.1' } },
    { name: 'web3', service: 'web', node: 'node2', on: { wide: '10.3.255.255' } },
  ],
};
const overlay = 'own:1-wide000000';
const balancer = 'own:lb_wide00000';

describe('a network of several subnets', () => {
  const node1 = stateOf(snapshotOf(wide), 'node1');
  const node2 = stateOf(snapshotOf(wide), 'node2');

  it('has a bridge with its gateway and a VTEP with its VNI for each, and routes between them', () => {
    expect(bodies(node1, 'vxlan', overlay).map(({ name, vni, master }) => [name, vni, master])).toEqual([
      ['vxlan0', 4097, 'br0'],
      ['vxlan1', 4098, 'br1'],
      ['vxlan2', 4099, 'br2'],
    ]);
    expect(bodies(node1, 'address', overlay).map(({ link, address, prefixLength }) => `${link} ${address}/${prefixLength}`)).toEqual([
      'br0 10.1.0.1/28',
      'br1 10.2.0.254/24',
      'br2 10.3.0.1/16',
    ]);
    expect(sysctls(node1, overlay)).toEqual(['net.ipv4.ip_forward = 1']);
  });

  it('has each endpoint at the bridge of its subnet, the load balancer at the first', () => {
    expect(Object.fromEntries(bodies(node1, 'veth', overlay).map(({ name, master }) => [name, master]))).toEqual({
      'veth-lb': 'br0',
      veth0a010004: 'br0',
      veth0a020001: 'br1',
    });
  });

  it('has peers on the VTEP of the subnet of their address', () => {
    expect(bodies(node1, 'neighbour', overlay).map(({ link, address }) => `${link} ${address}`)).toEqual(['vxlan0 10.1.0.3', 'vxlan2 10.3.255.255']);
    expect(bodies(node2, 'fdb', overlay).map(({ link, mac }) => `${link} ${mac}`)).toEqual([
      'vxlan0 02:42:0a:01:00:02',
      'vxlan0 02:42:0a:01:00:04',
      'vxlan1 02:42:0a:02:00:01',
    ]);
  });

  it('is routed in endpoints and load balancers by the gateway of their own subnet', () => {
    const routes = (space: string, state = node1) => bodies(state, 'route', space).map(({ destination, via, link }) => `${destination} ${via} ${link}`);
    expect(routes('endpoint:web1000000000000000000000')).toEqual(['10.2.0.0/24 10.1.0.1 ov4097', '10.3.0.0/16 10.1.0.1 ov4097']);
    expect(routes('endpoint:web2000000000000000000000')).toEqual(['10.1.0.0/28 10.2.0.254 ov4097', '10.3.0.0/16 10.2.0.254 ov4097']);
    expect(routes(balancer)).toEqual(['10.2.0.0/24 10.1.0.1 eth0', '10.3.0.0/16 10.1.0.1 eth0']);
    expect(bodyOf(node1, 'address/endpoint:web2000000000000000000000/ov4097/10.2.0.1')).toMatchObject({ prefixLength: 24 });
  });

  it('gets the source of what is balanced rewritten for all of them', () => {
    expect(bodies(node1, 'source-rewrite', balancer)).toEqual(
      ['10.1.0.0/28', '10.2.0.0/24', '10.3.0.0/16'].map((destination) => ({ destination, source: '10.1.0.2' })),
    );
  });

  it('of which one goes, is one with fewer bridges', () => {
    const [network] = wide.networks;
    const narrow = stateOf(
      snapshotOf({ ...wide, networks: network === undefined ? [] : [{ ...network, extraSubnets: [] }], endpoints: wide.endpoints.slice(0, 1) }),
      'node1',
    );
    expect(keys(narrow, 'bridge/')).toEqual([`bridge/${overlay}/br0`]);
    expect(keys(narrow, `route/${balancer}`)).toEqual([]);
    expect(sysctls(narrow, overlay)).toEqual([]);
  });
});

describe('the MTU', () => {
  const mtus = (state: ReturnType<typeof stateOf>) =>
    new Map(
      state.objects.flatMap(({ key, body }) => (body.kind === 'bridge' || body.kind === 'vxlan' || body.kind === 'veth' ? [[key, body.mtu] as const] : [])),
    );
  const [endpoint] = wide.endpoints;
  const sketch: ClusterSketch = { ...wide, endpoints: endpoint === undefined ? [] : [{ ...endpoint, gatewayAddress: '192.168.240.3' }] };
  const inOverlay = ['bridge/own:1-wide000000/br0', 'vxlan/own:1-wide000000/vxlan2', 'veth/own:1-wide000000/veth-lb', 'veth/own:1-wide000000/veth0a010004'];
  const onHost = ['bridge/host/ptl_gwbridge', 'veth/host/ptl_c0a8f003'];
  const of = (found: ReadonlyMap<string, number>, wanted: readonly string[]) => [...new Set(wanted.map((key) => found.get(key)))];

  it('is that of the underlay less 50 in all links of an overlay, and that of the underlay on the way to the host', () => {
    const found = mtus(stateOf(snapshotOf({ ...sketch, settings: { underlayMtu: 9000 } }), 'node1'));
    expect(of(found, inOverlay)).toEqual([8950]);
    expect(of(found, onHost)).toEqual([9000]);
  });

  it('follows the least that a node reports, on every node', () => {
    const found = mtus(stateOf(edited(snapshotOf(sketch), { nodes: { node2: { underlayMtu: 1420 } } }), 'node1'));
    expect(of(found, inOverlay)).toEqual([1370]);
    expect(of(found, onHost)).toEqual([1420]);
  });

  it('is what the network says, where it says so', () => {
    const found = mtus(stateOf(snapshotOf({ ...sketch, networks: wide.networks.map((network) => ({ ...network, mtu: 1300 })) }), 'node1'));
    expect(of(found, inOverlay)).toEqual([1300]);
    expect(of(found, onHost)).toEqual([1500]);
  });
});

describe('a load balancer', () => {
  const state = stateOf(snapshotOf(wide), 'node1');

  it('has every setting said, and no other', () => {
    expect(sysctls(state, balancer)).toEqual([
      'net.ipv4.conf.eth0.rp_filter = 2',
      'net.ipv4.ip_forward = 1',
      'net.ipv4.vs.conn_reuse_mode = 0',
      'net.ipv4.vs.conntrack = 1',
      'net.ipv4.vs.expire_nodest_conn = 1',
      'net.ipv4.vs.expire_quiescent_template = 1',
    ]);
  });

  it('has the IPVS timeouts of the cluster, or those of its network', () => {
    const ipvsTimeouts = { tcp: 900, tcpFin: 30, udp: 60 };
    const own = stateOf(snapshotOf({ ...wide, networks: wide.networks.map((network) => ({ ...network, ipvsTimeouts })) }), 'node1');
    expect(bodies(state, 'ipvs-timeouts', balancer)).toEqual([{ tcp: 7800, tcpFin: 120, udp: 300 }]);
    expect(bodies(own, 'ipvs-timeouts', balancer)).toEqual([ipvsTimeouts]);
  });

  it('has the scheduler and the persistence of the service', () => {
    const servers = (service: object) =>
      bodies(stateOf(snapshotOf({ ...wide, services: wide.services.map((s) => ({ ...s, ...service })) }), 'node1'), 'virtual-server', balancer);
    expect(servers({ scheduler: 'mh' })).toEqual([{ mark: 500, scheduler: 'mh' }]);
    expect(servers({ scheduler: 'wlc', persistence: 300 })).toEqual([{ mark: 500, scheduler: 'wlc', persistence: 300 }]);
  });

  it('balances nothing for a service of mode dnsrr', () => {
    const spread = stateOf(snapshotOf({ ...wide, services: [{ name: 'web', endpointMode: 'dnsrr', on: { wide: [] } }] }), 'node1');
    expect(['virtual-server/', 'real-server/', 'mark/'].flatMap((kind) => keys(spread, kind))).toEqual([]);
    expect(bodies(spread, 'address', balancer)).toHaveLength(1);
  });
});

describe('direct server return', () => {
  const lan: ClusterSketch = {
    ...wide,
    networks: [{ name: 'wide', vni: 4097, subnet: '10.1.0.0/16', gateway: '10.1.0.1', dsr: true }],
    endpoints: wide.endpoints.slice(0, 1),
  };
  const state = stateOf(snapshotOf(lan), 'node1');
  const space = 'endpoint:web1000000000000000000000';

  it('sends only the frame, and rewrites no source', () => {
    expect(bodies(state, 'real-server', balancer)).toEqual([{ mark: 500, address: '10.1.0.4', forwarding: 'direct', weight: 1 }]);
    expect(keys(state, 'source-rewrite/')).toEqual([]);
    expect(sysctls(state, balancer)).toContain('net.ipv4.vs.conntrack = 0');
  });

  it('gives endpoints the VIP on lo, and lets them keep it to themselves', () => {
    expect(bodyOf(state, `address/${space}/lo/10.1.0.9`)).toMatchObject({ prefixLength: 32 });
    expect(sysctls(state, space)).toEqual(['net.ipv4.conf.ov4097.arp_announce = 2', 'net.ipv4.conf.ov4097.arp_ignore = 1']);
  });

  it('does not touch endpoints that have no VIP there', () => {
    const spread = stateOf(snapshotOf({ ...lan, services: [{ name: 'web', endpointMode: 'dnsrr', on: { wide: [] } }] }), 'node1');
    expect(keys(spread).filter((key) => key.includes(`${space}/lo/`))).toEqual([]);
    expect(sysctls(spread, space)).toEqual([]);
  });
});
