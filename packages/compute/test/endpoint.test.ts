import { describe, expect, it } from 'vitest';
import { type ClusterSketch, snapshotOf } from './snapshots.js';
import { bodies, bodyOf, keys, stateOf, sysctls } from './states.js';

/** An endpoint that reaches out, one on an internal network only, and one by itself. */
const cluster: ClusterSketch = {
  settings: { gatewaySubnet: '172.30.0.0/16' },
  nodes: [
    { name: 'node1', address: '172.16.0.1', on: { front: '10.1.0.2', back: '10.2.0.2', lan: '10.3.0.2' } },
    { name: 'node2', address: '172.16.0.2', on: { lan: '10.3.0.3' } },
  ],
  networks: [
    { name: 'front', vni: 4097, subnet: '10.1.0.0/24', gateway: '10.1.0.1' },
    { name: 'back', vni: 4098, subnet: '10.2.0.0/24', gateway: '10.2.0.1', internal: true },
    { name: 'lan', vni: 4099, subnet: '10.3.0.0/24', gateway: '10.3.0.1', attachable: true },
  ],
  services: [
    { name: 'web', on: { front: ['10.1.0.9', 500], back: ['10.2.0.9', 501] } },
    { name: 'db', on: { back: ['10.2.0.8', 502] } },
  ],
  endpoints: [
    { name: 'web1', service: 'web', node: 'node1', gatewayAddress: '172.30.1.3', on: { front: '10.1.0.4', back: '10.2.0.4' } },
    { name: 'db1', service: 'db', node: 'node1', on: { back: '10.2.0.5' } },
    { name: 'lone', service: null, node: 'node1', gatewayAddress: '172.30.1.4', on: { lan: '10.3.0.4' } },
    { name: 'other', service: null, node: 'node2', gatewayAddress: '172.30.1.3', on: { lan: '10.3.0.5' } },
  ],
};
const [web1, db1, lone] = ['web1', 'db1', 'lone'].map((name) => `endpoint:${name.padEnd(25, '0')}`);
const state = stateOf(snapshotOf(cluster), 'node1');

describe('an endpoint', () => {
  it('reaches out by the bridge of the host, to which its port is isolated, behind a default route of its own', () => {
    expect(bodyOf(state, 'veth/host/ptl_ac1e0103')).toEqual({
      kind: 'veth',
      name: 'ptl_ac1e0103',
      master: 'ptl_gwbridge',
      mtu: 1500,
      isolated: true,
      peer: { space: web1, name: 'ptl_gw', mac: '02:42:ac:1e:01:03' },
    });
    expect(bodyOf(state, `address/${web1}/ptl_gw/172.30.1.3`)).toMatchObject({ prefixLength: 16 });
    expect(bodies(state, 'route', String(web1))).toEqual([{ destination: 'default', via: '172.30.0.1', link: 'ptl_gw', metric: 4096 }]);
  });

  it('on internal networks only does not', () => {
    expect(bodies(state, 'route', String(db1))).toEqual([]);
    expect(keys(state, 'veth/host/')).toEqual(['veth/host/ptl_ac1e0103', 'veth/host/ptl_ac1e0104']);
  });

  it('has an address and a link for each of its networks, and nothing of the ingress network', () => {
    expect(bodies(state, 'address', String(web1)).map(({ link, address }) => `${link} ${address}`)).toEqual([
      'ov4097 10.1.0.4',
      'ov4098 10.2.0.4',
      'ptl_gw 172.30.1.3',
    ]);
    expect(keys(state).filter((key) => /^(endpoint-filter|port-redirect|rule-entry\/endpoint:\w+\/filter)/.test(key))).toEqual([]);
  });

  it('has the keep-alive of the cluster, where that says one', () => {
    expect(sysctls(state, String(web1))).toEqual([]);
    const kept = stateOf(snapshotOf({ ...cluster, settings: { tcpKeepalive: 600 } }), 'node1');
    expect([web1, db1, lone].map((space) => sysctls(kept, String(space)))).toEqual(Array(3).fill(['net.ipv4.tcp_keepalive_time = 600']));
  });
});

describe('an endpoint by itself', () => {
  it('is on its networks as one of a service is, and is balanced by nobody', () => {
    expect(bodyOf(state, `address/${lone}/ov4099/10.3.0.4`)).toMatchObject({ prefixLength: 24 });
    expect(bodyOf(state, 'veth/own:1-lan0000000/veth0a030004')).toMatchObject({ peer: { space: lone } });
    expect(keys(state, 'virtual-server/own:lb_lan000000')).toEqual([]);
    expect(keys(state, 'neighbour/own:1-lan0000000')).toEqual(['neighbour/own:1-lan0000000/vxlan0/10.3.0.3', 'neighbour/own:1-lan0000000/vxlan0/10.3.0.5']);
    expect(state.objects.filter(({ space }) => space === lone).every(({ origin }) => origin.service === undefined && origin.endpoint === 'lone')).toBe(true);
  });

  it('brings its networks to its node, and no others', () => {
    expect(keys(stateOf(snapshotOf(cluster), 'node2'), 'namespace/')).toEqual(['namespace/own:1-lan0000000', 'namespace/own:lb_lan000000']);
  });
});
