import { ledgerOf } from '@portolan/ipam';
import type { ClusterSettings, Snapshot } from '@portolan/model';
import { emptySnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { allocate, type Draft, endpoint, faultOf, joined, mesh, network, node, port, published, service } from './drafting.js';

describe('allocate', () => {
  it('counts as Swarm does: the ingress network first, then VIPs, load balancers, endpoints', () => {
    const after = allocate(emptySnapshot(), {
      node: [node('n1', '192.0.2.1'), node('n2', '192.0.2.2')],
      network: [network('app'), mesh],
      service: [service('web', ['app', 'mesh'], published)],
      endpoint: [endpoint('web.1', 'web', 'n2')],
    });
    expect(after.networks.get('mesh')).toMatchObject({ vni: 4096, subnet: '10.0.0.0/24', gateway: '10.0.0.1' });
    expect(after.networks.get('app')).toMatchObject({ vni: 4097, subnet: '10.0.1.0/24', gateway: '10.0.1.1' });
    expect(after.services.get('web')).toMatchObject({
      networks: [
        { networkId: 'app', address: '10.0.1.2', mark: 0x10000 },
        { networkId: 'mesh', address: '10.0.0.2', mark: 0x10001 },
      ],
      ports: [{ published: 30000, target: 80 }],
    });
    expect(after.nodes.get('n1')?.loadBalancers).toEqual([{ networkId: 'mesh', address: '10.0.0.3' }]);
    expect(after.nodes.get('n2')?.loadBalancers).toEqual([
      { networkId: 'app', address: '10.0.1.3' },
      { networkId: 'mesh', address: '10.0.0.4' },
    ]);
    expect(after.endpoints.get('web.1')?.addresses).toEqual([
      { networkId: 'app', address: '10.0.1.4' },
      { networkId: 'mesh', address: '10.0.0.5' },
    ]);
  });

  it('reserves what is pinned before it fills a hole', () => {
    const after = allocate(emptySnapshot(), {
      network: [network('app', { subnet: '10.0.0.0/29' })],
      service: [service('free', ['app']), service('pinned', ['app'], { networks: [joined('app', { address: '10.0.0.1', mark: 0x10000 })] })],
    });
    expect(after.networks.get('app')?.gateway).toBe('10.0.0.2');
    expect(after.services.get('free')?.networks).toEqual([joined('app', { address: '10.0.0.3', mark: 0x10001 })]);
  });

  it('takes no subnet with a host in it, nor one over the gateway subnet or another network, whatever its size', () => {
    const after = allocate(emptySnapshot('c', { addressPools: ['10.0.0.0/8'], gatewaySubnet: '10.0.4.0/22' }), {
      node: [node('n1', '10.0.0.7'), node('n2', '10.0.2.1')],
      network: [network('a'), network('b'), network('wide', { subnet: '10.0.8.0/21' }), network('c')],
    });
    expect(['a', 'b', 'c'].map((id) => after.networks.get(id)?.subnet)).toEqual(['10.0.1.0/24', '10.0.3.0/24', '10.0.16.0/24']);
  });

  it('refuses a pin that wants what another object keeps, and says who has it', () => {
    const before = allocate(emptySnapshot(), { network: [network('app')], service: [service('old', ['app'])] });
    const draft = { service: [service('new', [], { networks: [joined('app', { address: '10.0.0.2' })] })] };
    expect(faultOf(before, draft)).toEqual({ code: 'address-taken', field: 'vip', id: 'new', message: 'the address 10.0.0.2 is taken by the service "old"' });
  });

  it('gives a node an address while one of its endpoints is in the network, and takes it back', () => {
    const before = allocate(emptySnapshot(), {
      node: [node('n1', '192.0.2.1')],
      network: [network('app'), mesh],
      service: [service('web', ['app'])],
      endpoint: [endpoint('web.1', 'web', 'n1'), endpoint('web.2', 'web', 'n1')],
    });
    const networks = (snapshot: Snapshot) => snapshot.nodes.get('n1')?.loadBalancers.map((own) => own.networkId);
    expect(networks(before)).toEqual(['app', 'mesh']);
    const one = allocate(before, { endpoint: ['web.1'] });
    expect(one.nodes).toBe(before.nodes);
    const none = allocate(one, { endpoint: ['web.2'] });
    expect(networks(none)).toEqual(['mesh']);
    expect(none.nodes.get('n1')?.version).toBe(2);
    const noMesh = allocate(none, { network: ['mesh'] });
    expect(networks(noMesh)).toEqual([]);
  });

  it('gives the endpoints of a service an address in a network that it joins, and takes back that of one it leaves', () => {
    const before = allocate(emptySnapshot(), {
      node: [node('n1', '192.0.2.1')],
      network: [network('a'), network('b')],
      service: [service('web', ['a'])],
      endpoint: [endpoint('web.1', 'web', 'n1')],
    });
    const after = allocate(before, { service: [service('web', ['b'])] });
    expect(after.endpoints.get('web.1')?.addresses).toEqual([{ networkId: 'b', address: '10.0.1.4' }]);
    expect(after.nodes.get('n1')?.loadBalancers).toEqual([{ networkId: 'b', address: '10.0.1.3' }]);
  });

  it('gives back the very snapshot when the drafts say the same', () => {
    const before = allocate(emptySnapshot(), { network: [network('app')], service: [service('web', ['app'])] });
    const same = before.services.get('web');
    expect(allocate(before, { service: same === undefined ? [] : [{ ...same, networks: [...same.networks] }] })).toBe(before);
  });

  it('forgets a refused change', () => {
    const base = allocate(emptySnapshot(), { network: [network('app')], service: [service('old', ['app'])] });
    const wrong = { service: ['old', service('a', ['app']), service('b', [], { networks: [joined('app', { address: '10.0.0.1' })] })] };
    expect(faultOf(base, wrong).code).toBe('address-taken');
    expect(allocate(base, { service: [service('c', ['app'])] }).services.get('c')?.networks).toEqual([joined('app', { address: '10.0.0.3', mark: 0x10001 })]);
  });

  it('takes its ledger along: an edit costs what it changes, not what there is', () => {
    const base = allocate(emptySnapshot(), {
      network: [network('app', { subnet: '10.0.0.0/16' })],
      service: Array.from({ length: 1000 }, (_, i) => service(`s${i}`, ['app'])),
    });
    // The ledger of the empty cluster followed nothing; the books were written by allocation itself.
    expect(ledgerOf(base).followed).toBe(0);
    const next = allocate(base, { service: ['s500'] });
    expect(ledgerOf({ ...next, cluster: { ...next.cluster, revision: 7 } }).followed).toBe(0);
    expect(ledgerOf(base).followed).toBe(1);
    expect(ledgerOf(structuredClone(base))).not.toBe(ledgerOf(base));
    expect(ledgerOf(structuredClone(base)).followed).toBe(1001);
  });

  it('follows any of several snapshots that grew from one', () => {
    const base = allocate(emptySnapshot(), { network: [network('app')], service: [service('s0', ['app'])] });
    const left = allocate(base, { service: [service('left', ['app'])] });
    const right = allocate(base, { service: [service('right', ['app'])] });
    expect(right.services.get('right')?.networks).toEqual(left.services.get('left')?.networks);
    expect(allocate(left, { service: [service('more', ['app'])] }).services.get('more')?.networks[0]?.address).toBe('10.0.0.4');
  });
});

describe('what is used up', () => {
  const small = { subnet: '10.0.0.0/29', gateway: '10.0.0.1' };

  it.each<[string, Partial<ClusterSettings>, Draft, string, string]>([
    [
      'subnets',
      { addressPools: ['10.0.0.0/23'] },
      { node: [node('n', '10.0.1.1')], network: [network('a'), network('b')] },
      'subnet',
      'the address space 10.0.0.0/23 (2 subnets of /24) has no free subnet of /24: 1 network, 1 host, gateway or flannel subnet; held by "a"',
    ],
    [
      'VNIs',
      { vniRange: [4096, 4097] },
      { network: [network('a', { extraSubnets: [{ subnet: '10.9.0.0/24', vni: null, gateway: null }] }), network('b')] },
      'vni',
      'the VNI range 4096-4097 (2 VNIs) has no free VNI: 2 networks; held by "a"',
    ],
    [
      'marks',
      { markRange: [256, 258] },
      {
        node: [node('n', '192.0.2.1')],
        network: [mesh, network('a')],
        service: [service('x', ['mesh'], { ports: [port({ externalTrafficPolicy: 'local' })] }), service('y', ['a']), service('z', ['a'])],
      },
      'mark',
      'the mark range 256-258 (3 marks) has no free mark: 2 VIPs, 1 port of policy local; held by "x", "y"',
    ],
    [
      'ports',
      { dynamicPortRange: [30000, 30001] },
      {
        node: [node('n', '192.0.2.1')],
        network: [mesh, network('a')],
        service: [service('x', ['mesh'], published), service('y', ['a'], { ports: [port({ mode: 'host' })] }), service('z', ['mesh'], published)],
      },
      'port',
      'the dynamic port range 30000-30001 of tcp (2 ports) has no free port: 1 port of the routing mesh, 1 port of mode host; held by "x", "y"',
    ],
    [
      'addresses',
      {},
      {
        node: [node('n', '192.0.2.1')],
        network: [network('a', small)],
        service: [service('x', ['a'])],
        endpoint: [1, 2, 3, 4, 5].map((i) => endpoint(`x.${i}`, 'x', 'n')),
      },
      'address',
      'the network "a", 10.0.0.0/29 (6 addresses) has no free address: 1 gateway, 1 VIP, 1 load balancer, 3 endpoints',
    ],
    [
      'gateway addresses of a node',
      { gatewaySubnet: '192.168.0.0/29' },
      {
        node: [node('n', '192.0.2.1')],
        network: [network('a')],
        service: [service('x', ['a'])],
        endpoint: [1, 2, 3, 4, 5].map((i) => endpoint(`x.${i}`, 'x', 'n')),
      },
      'gateway-address',
      'the gateway subnet 192.168.0.0/29 of the node "n" (4 addresses) has no free address: 4 endpoints',
    ],
  ])('%s: names the pool, its size and who has it', (_what, settings, draft, field, message) => {
    expect(faultOf(emptySnapshot('c', settings), draft)).toMatchObject({ code: 'pool-exhausted', field, message });
  });
});
