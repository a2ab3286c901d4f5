import type { Endpoint } from '@portolan/model';
import { describe, expect, it } from 'vitest';
import { type ClusterSketch, snapshotOf } from './snapshots.js';
import { bodies, bodyOf, edited, keys, stateOf, sysctls } from './states.js';

/** Two nodes of three have an endpoint of `web`, which publishes one port by each policy. */
const mesh: ClusterSketch = {
  nodes: [
    { name: 'node1', address: '172.16.0.1', on: { ingress: '10.255.0.2' } },
    { name: 'node2', address: '172.16.0.2', on: { ingress: '10.255.0.3' } },
    { name: 'node3', address: '172.16.0.3', on: { ingress: '10.255.0.4' } },
  ],
  networks: [{ name: 'ingress', ingress: true, vni: 4096, subnet: '10.255.0.0/16', gateway: '10.255.0.1' }],
  services: [
    {
      name: 'web',
      on: { ingress: ['10.255.0.9', 500, 501] },
      ports: [
        { published: 8000, target: 80 },
        { published: 8443, target: 443, externalTrafficPolicy: 'local' },
      ],
    },
  ],
  endpoints: [
    { name: 'web1', service: 'web', node: 'node1', on: { ingress: '10.255.0.11' } },
    { name: 'web2', service: 'web', node: 'node2', on: { ingress: '10.255.0.12' } },
    { name: 'web3', service: 'web', node: 'node2', weight: 4, on: { ingress: '10.255.0.13' } },
  ],
};
const sandbox = 'own:ingress_sbox';
const web1 = 'endpoint:web1000000000000000000000';
const snapshot = snapshotOf(mesh);

describe('the ingress sandbox', () => {
  it('is on every node, behind the bridge of the host', () => {
    const state = stateOf(snapshot, 'node3');
    expect(bodyOf(state, 'veth/host/ptl_ingress')).toMatchObject({ master: 'ptl_gwbridge', isolated: true, peer: { space: sandbox, name: 'eth1' } });
    expect(bodies(state, 'route', sandbox)).toEqual([{ destination: 'default', via: '192.168.240.1', link: 'eth1' }]);
    expect(sysctls(state, sandbox)).toEqual(
      expect.arrayContaining(['net.ipv4.conf.eth0.rp_filter = 2', 'net.ipv4.conf.eth1.rp_filter = 2', 'net.ipv4.ip_forward = 1']),
    );
  });

  it('is as large as its network says: another subnet makes another one', () => {
    const [network] = mesh.networks;
    const other = snapshotOf({
      ...mesh,
      networks: network === undefined ? [] : [{ ...network, id: 'another000000000000000000', subnet: '10.200.0.0/20', gateway: '10.200.0.1' }],
      nodes: [{ name: 'node1', address: '172.16.0.1', on: { ingress: '10.200.0.2' } }],
      services: [],
      endpoints: [],
    });
    const state = stateOf(other, 'node1');
    expect(bodyOf(state, `address/${sandbox}/eth0/10.200.0.2`)).toMatchObject({ prefixLength: 20 });
    expect(keys(state, 'source-rewrite/')).toEqual([`source-rewrite/${sandbox}/10.200.0.0/20`]);
    expect(keys(state, 'namespace/')).toEqual(['namespace/own:1-another000', `namespace/${sandbox}`]);
  });
});

describe('policy cluster', () => {
  it.each(['node1', 'node3'])('%s answers, by all endpoints, with its own address as source', (node) => {
    const state = stateOf(snapshot, node);
    expect(bodyOf(state, 'port-forward/host/tcp/8000')).toEqual({ kind: 'port-forward', protocol: 'tcp', port: 8000, to: '192.168.240.2', toPort: 8000 });
    expect(bodyOf(state, `mark/${sandbox}/prerouting/tcp/8000`)).toMatchObject({ mark: 500 });
    expect(keys(state, `real-server/${sandbox}/500/`)).toHaveLength(3);
    expect(keys(state, `source-rewrite/${sandbox}`)).toHaveLength(1);
  });
});

describe('policy local', () => {
  const localOf = (state: ReturnType<typeof stateOf>) =>
    keys(state).filter((key) => key.includes('501') || key.includes('8443') || key.startsWith('route-rule/'));

  it('leaves a node without an own endpoint alone', () => {
    expect(localOf(stateOf(snapshot, 'node3'))).toEqual([]);
  });

  it('balances among the own endpoints, by weight, and keeps the source', () => {
    const state = stateOf(snapshot, 'node2');
    expect(bodies(state, 'real-server', sandbox).filter(({ mark }) => mark === 501)).toEqual([
      { mark: 501, address: '10.255.0.12', forwarding: 'masquerade', weight: 1 },
      { mark: 501, address: '10.255.0.13', forwarding: 'masquerade', weight: 4 },
    ]);
    expect(bodyOf(state, `mark/${sandbox}/prerouting/tcp/8443`)).toMatchObject({ mark: 501 });
    expect(bodies(state, 'source-kept', sandbox)).toEqual([{ mark: 501 }]);
    expect(keys(state, 'port-forward/host/tcp/8443')).toHaveLength(1);
  });

  it('of one service has nothing to do with the endpoints of another', () => {
    const other = {
      name: 'api',
      on: { ingress: ['10.255.0.8', 600, 601] as const },
      ports: [{ published: 9443, target: 443, externalTrafficPolicy: 'local' as const }],
    };
    const endpoints = [...mesh.endpoints, { name: 'api1', service: 'api', node: 'node1', on: { ingress: '10.255.0.21' } }];
    const state = stateOf(snapshotOf({ ...mesh, services: [...mesh.services, other], endpoints }), 'node1');
    const servers = bodies(state, 'real-server', sandbox).map(({ mark, address }) => `${mark} ${address}`);
    expect(servers.filter((server) => /^[56]01 /.test(server))).toEqual(['501 10.255.0.11', '601 10.255.0.21']);
  });

  it('leads the answers back through the sandbox of the node', () => {
    const state = stateOf(snapshot, 'node1');
    expect(bodies(state, 'route-rule', web1)).toEqual([{ from: '10.255.0.11', table: 4096 }]);
    expect(bodies(state, 'route', web1)).toEqual([
      { destination: '10.255.0.0/16', link: 'ov4096', table: 4096 },
      { destination: 'default', via: '10.255.0.2', link: 'ov4096', table: 4096 },
    ]);
    expect(sysctls(state, web1)).toEqual(['net.ipv4.conf.ov4096.rp_filter = 2']);
  });

  it('leads them there from a second subnet, too', () => {
    const [network] = mesh.networks;
    const networks = network === undefined ? [] : [{ ...network, extraSubnets: [{ vni: 4100, subnet: '10.254.0.0/16', gateway: '10.254.0.1' }] }];
    const endpoints = mesh.endpoints.slice(0, 1).map((endpoint) => ({ ...endpoint, on: { ingress: '10.254.0.11' } }));
    const state = stateOf(snapshotOf({ ...mesh, networks, endpoints }), 'node1');
    expect(bodies(state, 'route', web1).filter(({ table }) => table === 4096)).toEqual([
      { destination: '10.254.0.0/16', link: 'ov4096', table: 4096 },
      { destination: '10.255.0.0/16', via: '10.254.0.1', link: 'ov4096', table: 4096 },
      { destination: 'default', via: '10.254.0.1', link: 'ov4096', table: 4096 },
    ]);
    expect(bodies(state, 'route', 'own:1-ingress000')).toEqual([{ destination: 'default', via: '10.255.0.2', link: 'br0' }]);
  });

  const drain = { revision: 2, deadline: 0, removes: true, drained: false };
  it.each<[string, Partial<Endpoint>, string[]]>([
    ['leaves', { drain }, ['10.255.0.11 0']],
    ['has weight 0', { weight: 0 }, ['10.255.0.11 0']],
    ['is not there', { presence: 'absent' }, []],
  ])('takes no new connections on a node whose endpoint %s', (_, change, servers) => {
    const state = stateOf(edited(snapshot, { endpoints: { web1: change } }), 'node1');
    expect(keys(state).filter((key) => key.includes('8443') && !key.startsWith('port-redirect/'))).toEqual([]);
    expect(bodies(state, 'real-server', sandbox).flatMap(({ mark, address, weight }) => (mark === 501 ? [`${address} ${weight}`] : []))).toEqual(servers);
    expect(keys(state, `virtual-server/${sandbox}/501`)).toHaveLength(servers.length);
  });

  it('is nothing to endpoints of services without such a port', () => {
    const state = stateOf(
      snapshotOf({
        ...mesh,
        services: mesh.services.map((s) => ({ ...s, on: { ingress: ['10.255.0.9', 500] as const }, ports: [{ published: 8000, target: 80 }] })),
      }),
      'node1',
    );
    expect(localOf(state)).toEqual([]);
    expect(bodies(state, 'route', web1)).toEqual([]);
    expect(sysctls(state, web1)).toEqual([]);
  });
});

describe('a published port', () => {
  const published = (...ports: NonNullable<ClusterSketch['services'][number]['ports']>) =>
    stateOf(snapshotOf({ ...mesh, services: mesh.services.map((service) => ({ ...service, ports })) }), 'node1');

  it('may be on chosen addresses and interfaces only, which are sorted', () => {
    const state = published({ published: 53, target: 5353, protocol: 'udp', addresses: ['192.0.2.10', '10.0.0.0/8'], interfaces: ['eth1', 'eth0'] });
    expect(bodyOf(state, 'port-forward/host/udp/53')).toEqual({
      kind: 'port-forward',
      protocol: 'udp',
      port: 53,
      to: '192.168.240.2',
      toPort: 53,
      addresses: ['10.0.0.0/8', '192.0.2.10'],
      interfaces: ['eth0', 'eth1'],
    });
  });

  it('of each protocol is its own; the target is opened once that several lead to', () => {
    const state = published({ published: 8000, target: 80 }, { published: 8001, target: 80 }, { published: 8000, target: 80, protocol: 'sctp' });
    expect(keys(state, 'port-forward/')).toEqual(['port-forward/host/sctp/8000', 'port-forward/host/tcp/8000', 'port-forward/host/tcp/8001']);
    expect(keys(state, 'port-redirect/')).toHaveLength(3);
    expect(bodyOf(state, `endpoint-filter/${web1}/10.255.0.11`)).toMatchObject({
      open: [
        { protocol: 'sctp', port: 80 },
        { protocol: 'tcp', port: 80 },
      ],
    });
  });

  it('of mode host leads to the endpoint itself, on its node only, and is no business of the mesh', () => {
    const services = mesh.services.map((service) => ({
      ...service,
      ports: [
        { published: 8000, target: 80 },
        { published: 9100, target: 91, mode: 'host' as const, addresses: ['192.0.2.10'] },
      ],
    }));
    const endpoints = mesh.endpoints.map((endpoint, i) => ({ ...endpoint, gatewayAddress: `192.168.240.${3 + i}` }));
    const sketch = snapshotOf({ ...mesh, services, endpoints });
    const state = stateOf(sketch, 'node1');
    expect(bodyOf(state, 'port-forward/host/tcp/9100')).toMatchObject({ to: '192.168.240.3', toPort: 91, addresses: ['192.0.2.10'] });
    expect(keys(state).filter((key) => key.includes('9100'))).toEqual(['port-forward/host/tcp/9100']);
    expect(keys(stateOf(sketch, 'node3')).filter((key) => key.includes('9100'))).toEqual([]);
    // Its answers go back by the host, whatever other way out the container has.
    expect(bodies(state, 'route-rule', web1)).toContainEqual({ from: '192.168.240.3', table: 4097 });
    expect(bodies(state, 'route', web1)).toContainEqual({ destination: 'default', via: '192.168.240.1', link: 'ptl_gw', table: 4097 });
    expect(sysctls(state, web1)).toContain('net.ipv4.conf.ptl_gw.rp_filter = 2');
    // Of two on one node the port leads to one, and to the other when that one leaves.
    const to = (change: Parameters<typeof edited>[1]) => bodyOf(stateOf(edited(sketch, change), 'node2'), 'port-forward/host/tcp/9100');
    expect(to({})).toMatchObject({ to: '192.168.240.4' });
    expect(to({ endpoints: { web2: { drain: { revision: 2, deadline: 0, removes: true, drained: false } } } })).toMatchObject({ to: '192.168.240.5' });
    expect(to({ endpoints: { web2: { presence: 'absent' }, web3: { presence: 'unknown' } } })).toBeUndefined();
  });
});
