import { ledgerOf } from '@portolan/ipam';
import type { Service, Snapshot } from '@portolan/model';
import { emptySnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { allocate, committed, endpoint, faultOf, joined, mesh, network, node, port, service } from './drafting.js';

const nodes = [node('n1', '192.0.2.1'), node('n2', '192.0.2.2')];
const local = port({ published: 8443, externalTrafficPolicy: 'local' });
const onHost = port({ published: 9100, mode: 'host' });

function serviceIn(snapshot: Snapshot, id: string): Service {
  const found = snapshot.services.get(id);
  if (found === undefined) throw new Error(`no service ${id}`);
  return found;
}

describe('services', () => {
  it('have no VIP and no mark with mode dnsrr, and give them up when they change to it', () => {
    const before = committed(emptySnapshot(), {
      network: [network('app')],
      service: [service('db', ['app'], { endpointMode: 'dnsrr' }), service('web', ['app'])],
    });
    expect(serviceIn(before, 'db').networks).toEqual([joined('app')]);
    const after = committed(before, { service: [{ ...serviceIn(before, 'web'), endpointMode: 'dnsrr' }] });
    expect(serviceIn(after, 'web').networks).toEqual([joined('app')]);
    expect(after.retired.map(({ value }) => value)).toEqual(['10.0.0.2', '65536']);
    const back = committed(after, { service: [{ ...serviceIn(after, 'web'), endpointMode: 'vip' }] });
    expect(serviceIn(back, 'web').networks).toEqual([joined('app', { address: '10.0.0.3', mark: 0x10001 })]);
  });

  it('have a second mark on the ingress network exactly while a port of the routing mesh is local', () => {
    const web = service('web', ['app', 'mesh'], { ports: [local, port({ published: 8080, target: 81 })] });
    const before = committed(emptySnapshot(), { node: nodes, network: [mesh, network('app')], service: [web] });
    expect(serviceIn(before, 'web').networks).toMatchObject([
      { networkId: 'app', mark: 0x10000, localMark: null },
      { networkId: 'mesh', mark: 0x10001, localMark: 0x10002 },
    ]);
    const after = committed(before, { service: [{ ...serviceIn(before, 'web'), ports: [port({ published: 8443 })] }] });
    expect(serviceIn(after, 'web').networks[1]).toMatchObject({ mark: 0x10001, localMark: null });
    expect(after.retired).toMatchObject([{ pool: 'mark', value: '65538', holder: { kind: 'service', name: 'web' } }]);
  });

  it('share no mark of either sort', () => {
    const before = committed(emptySnapshot(), { node: nodes, network: [mesh, network('app')], service: [service('web', ['mesh'], { ports: [local] })] });
    const draft = { service: [service('api', [], { networks: [joined('app', { mark: 0x10001 })] })] };
    expect(faultOf(before, draft)).toMatchObject({ code: 'mark-taken', field: 'mark', message: 'the mark 65537 is taken by the service "web"' });
  });

  it('pin no mark that they have already in another network, and networks no VNI twice', () => {
    const before = committed(emptySnapshot(), { network: [network('a'), network('b')], service: [service('web', ['a', 'b'])] });
    const [inA, inB] = serviceIn(before, 'web').networks;
    const draft = service('web', [], { networks: [joined('a', { ...inA, mark: 0x10001 }), joined('b', inB)] });
    expect(faultOf(before, { service: [draft] })).toMatchObject({ code: 'mark-taken', id: 'web', message: 'the mark 65537 is taken by the service "web"' });
    const twice = network('twice', { vni: 5000, extraSubnets: [{ subnet: '10.9.0.0/24', vni: 5000, gateway: null }] });
    expect(faultOf(before, { network: [twice] })).toMatchObject({ code: 'vni-taken', field: 'vni', id: 'twice' });
  });

  it('publish in mode host what no service publishes in the routing mesh', () => {
    const before = committed(emptySnapshot(), {
      node: nodes,
      network: [mesh, network('app')],
      service: [
        service('web', ['mesh'], { ports: [port({ published: 80 })] }),
        service('a', ['app'], { ports: [onHost] }),
        service('b', ['app'], { ports: [onHost] }),
      ],
    });
    expect(faultOf(before, { service: [service('c', ['app'], { ports: [port({ published: 80, mode: 'host' })] })] })).toMatchObject({
      code: 'port-taken',
      id: 'c',
      message: 'the port 80 is taken by the service "web"',
    });
    expect(faultOf(before, { service: [service('c', ['mesh'], { ports: [port({ published: 9100 })] })] })).toMatchObject({ code: 'port-taken', id: 'c' });
    const udp = service('c', ['mesh'], { ports: [port({ published: 9100, protocol: 'udp' })] });
    expect(serviceIn(allocate(before, { service: [udp] }), 'c').ports[0]?.published).toBe(9100);
  });

  it('get dynamic ports that nobody publishes in either mode', () => {
    const after = allocate(emptySnapshot(), {
      node: nodes,
      network: [mesh, network('app')],
      service: [
        service('pinned', ['app'], { ports: [port({ published: 30001, mode: 'host' })] }),
        service('a', ['app'], { ports: [port({ mode: 'host' }), port({ mode: 'host', target: 81 })] }),
        service('b', ['mesh'], { ports: [port()] }),
      ],
    });
    expect(['a', 'b'].map((id) => serviceIn(after, id).ports.map((own) => own.published))).toEqual([[30000, 30002], [30003]]);
  });
});

describe('ports of mode host', () => {
  const base = () =>
    committed(emptySnapshot(), {
      node: nodes,
      network: [network('app')],
      service: [service('a', ['app'], { ports: [onHost] }), service('b', ['app'], { ports: [onHost] }), service('c', ['app'])],
      endpoint: [endpoint('a.1', 'a', 'n1'), endpoint('b.1', 'b', 'n2'), endpoint('c.1', 'c', 'n1')],
    });

  it('are one endpoint’s on each node', () => {
    expect(faultOf(base(), { endpoint: [endpoint('b.2', 'b', 'n1')] })).toEqual({
      code: 'port-taken',
      field: 'port',
      id: 'b.2',
      message: 'the port 9100/tcp of the node "n1" is taken by the endpoint "a.1"',
    });
    expect(allocate(base(), { endpoint: ['a.1', endpoint('b.2', 'b', 'n1')] }).endpoints.size).toBe(3);
  });

  it('are refused when a service begins to publish one that its nodes have', () => {
    const before = base();
    expect(faultOf(before, { service: [{ ...serviceIn(before, 'c'), ports: [port({ published: 80, mode: 'host' }), onHost] }] })).toMatchObject({
      code: 'port-taken',
      id: 'c',
      message: 'the port 9100/tcp of the node "n1" is taken by the endpoint "a.1"',
    });
  });
});

describe('endpoints', () => {
  it('without a service have an address in each network that they name', () => {
    const lan = network('lan', { attachable: true });
    const inside = network('inside', { attachable: true, internal: true });
    const before = committed(emptySnapshot(), { node: nodes, network: [lan, inside], endpoint: [endpoint('box', null, 'n1', ['lan', 'inside'])] });
    const box = before.endpoints.get('box');
    expect(box?.addresses).toEqual([
      { networkId: 'lan', address: '10.0.0.3' },
      { networkId: 'inside', address: '10.0.1.3' },
    ]);
    expect(before.nodes.get('n1')?.loadBalancers.map((own) => own.networkId)).toEqual(['inside', 'lan']);
    expect([...ledgerOf(before).relations.loneEndpointsIn('lan')]).toEqual(['box']);
    const after = committed(before, { endpoint: box === undefined ? [] : [{ ...box, addresses: box.addresses.slice(1) }] });
    expect(after.endpoints.get('box')).toMatchObject({ addresses: [{ networkId: 'inside' }], gatewayAddress: null });
    expect(after.nodes.get('n1')?.loadBalancers.map((own) => own.networkId)).toEqual(['inside']);
    expect([...ledgerOf(after).relations.loneEndpointsIn('lan')]).toEqual([]);
  });

  it('have a gateway address of their own on their node, from the third on, where they reach out', () => {
    const before = committed(emptySnapshot(), {
      node: nodes,
      network: [mesh, network('app'), network('inside', { internal: true })],
      service: [service('web', ['app', 'mesh'], { ports: [local] }), service('db', ['inside']), service('in', ['mesh'], { ports: [port({ target: 1 })] })],
      endpoint: [
        endpoint('web.1', 'web', 'n1'),
        endpoint('web.2', 'web', 'n1'),
        endpoint('web.3', 'web', 'n2'),
        endpoint('db.1', 'db', 'n1'),
        endpoint('in.1', 'in', 'n1'),
      ],
    });
    const gateways = (snapshot: Snapshot) => ['web.1', 'web.2', 'web.3', 'db.1', 'in.1'].map((id) => snapshot.endpoints.get(id)?.gatewayAddress);
    expect(gateways(before)).toEqual(['192.168.240.3', '192.168.240.4', '192.168.240.3', null, null]);
    const inside = before.networks.get('inside');
    const opened = committed(before, { network: inside === undefined ? [] : [{ ...inside, internal: false }] });
    expect(gateways(opened)).toEqual(['192.168.240.3', '192.168.240.4', '192.168.240.3', '192.168.240.5', null]);
    const moved = committed(opened, { settings: { gatewaySubnet: '192.168.240.0/29' } });
    expect(moved.endpoints).toBe(opened.endpoints);
    const elsewhere = committed(opened, { settings: { gatewaySubnet: '172.31.0.0/24' } });
    expect(gateways(elsewhere)).toEqual(['172.31.0.4', '172.31.0.5', '172.31.0.3', '172.31.0.3', null]);
    expect(elsewhere.retired).toEqual([]);
  });
});

describe('subnets of a network', () => {
  const wide = network('wide', {
    subnet: '10.0.0.0/29',
    extraSubnets: [
      { subnet: '10.8.0.0/29', vni: null, gateway: null },
      { subnet: '10.9.0.0/24', vni: 7000, gateway: '10.9.0.254' },
    ],
  });

  it('have a VNI and a gateway each; endpoints overflow into them, VIPs and load balancers do not', () => {
    const after = allocate(emptySnapshot(), {
      node: [nodes[0] ?? 'n1'],
      network: [wide],
      service: [service('web', ['wide'])],
      endpoint: Array.from({ length: 10 }, (_, i) => endpoint(`web.${i}`, 'web', 'n1')),
    });
    expect(after.networks.get('wide')).toMatchObject({
      vni: 4096,
      gateway: '10.0.0.1',
      extraSubnets: [
        { subnet: '10.8.0.0/29', vni: 4097, gateway: '10.8.0.1' },
        { subnet: '10.9.0.0/24', vni: 7000, gateway: '10.9.0.254' },
      ],
    });
    const addresses = [...after.endpoints.values()].map((own) => own.addresses[0]?.address);
    expect(addresses).toEqual(['10.0.0.4', '10.0.0.5', '10.0.0.6', '10.8.0.2', '10.8.0.3', '10.8.0.4', '10.8.0.5', '10.8.0.6', '10.9.0.1', '10.9.0.2']);
    expect(faultOf(after, { service: [service('more', ['wide'])] })).toMatchObject({
      field: 'vip',
      message: 'the network "wide", 10.0.0.0/29 (6 addresses) has no free address: 1 gateway, 1 VIP, 1 load balancer, 3 endpoints',
    });
  });

  it('hold pins of endpoints in any, of VIPs in the first only', () => {
    const base = committed(emptySnapshot(), { node: nodes, network: [wide], service: [service('web', ['wide'])] });
    const at = (address: string) => ({ endpoint: [endpoint('web.1', 'web', 'n1', [], { addresses: [{ networkId: 'wide', address }] })] });
    expect(allocate(base, at('10.9.0.20')).endpoints.get('web.1')?.addresses).toEqual([{ networkId: 'wide', address: '10.9.0.20' }]);
    expect(faultOf(base, at('10.9.1.20')).message).toBe('10.9.1.20 is not a host address of the network "wide", 10.0.0.0/29, 10.8.0.0/29, 10.9.0.0/24');
    const vip = service('api', [], { networks: [joined('wide', { address: '10.9.0.20' })] });
    expect(faultOf(base, { service: [vip] }).message).toBe('10.9.0.20 is not a host address of the network "wide", 10.0.0.0/29');
  });

  it('overlap no other, of the same network neither', () => {
    const twice = network('twice', { subnet: '10.1.0.0/24', extraSubnets: [{ subnet: '10.1.0.128/25', vni: null, gateway: null }] });
    expect(faultOf(emptySnapshot(), { network: [twice] })).toMatchObject({
      code: 'subnet-overlap',
      message: '10.1.0.128/25 overlaps 10.1.0.0/24 of this network',
    });
    const base = committed(emptySnapshot(), { network: [wide] });
    expect(faultOf(base, { network: [network('more', { subnet: '10.8.0.0/15' })] }).message).toBe('10.8.0.0/15 overlaps 10.9.0.0/24 of the network "wide"');
  });

  it('cannot go while an endpoint has an address there', () => {
    const base = committed(emptySnapshot(), {
      node: nodes,
      network: [wide],
      service: [service('web', ['wide'])],
      endpoint: [endpoint('web.1', 'web', 'n1', [], { addresses: [{ networkId: 'wide', address: '10.9.0.20' }] })],
    });
    const { extraSubnets, ...rest } = base.networks.get('wide') ?? wide;
    expect(faultOf(base, { network: [{ ...rest, extraSubnets: extraSubnets.slice(0, 1) }] })).toMatchObject({ code: 'address-outside-network', id: 'web.1' });
  });
});
