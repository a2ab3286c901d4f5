import { podAddresses } from '@portolan/ipam';
import { type Endpoint, type Flannel, type FlannelLease, formatIpv4, type Id, parseIpv4, type Snapshot } from '@portolan/model';
import { emptySnapshot, endpointDefaults, flannelDefaults } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { node } from './drafting.js';

const flannel: Flannel = { ...flannelDefaults, network: '10.244.0.0/16', backend: { type: 'host-gw' }, cni: false };

const lease = (nodeId: Id | null, subnet: string, more: Partial<FlannelLease> = {}): FlannelLease => ({
  key: subnet.replace('/', '-'),
  subnet,
  publicAddress: '192.0.2.1',
  backendType: 'host-gw',
  vni: null,
  vtepMac: null,
  nodeId,
  reserved: false,
  fault: null,
  ...more,
});

const pod = (name: string, nodeId: Id, own: Endpoint['flannel'] = { address: null, fixed: false }): Endpoint => ({
  ...endpointDefaults,
  id: name,
  name,
  serviceId: null,
  nodeId,
  attachment: { netns: `/run/netns/${name}` },
  flannel: own,
});

function cluster(pods: readonly Endpoint[], leases: readonly FlannelLease[], own: Partial<Flannel> = {}): Snapshot {
  return {
    ...emptySnapshot(),
    nodes: new Map(['n1', 'n2'].map((id, i) => [id, node(id, `192.0.2.${i + 1}`)])),
    endpoints: new Map(pods.map((endpoint) => [endpoint.id, endpoint])),
    flannel: { ...flannel, ...own },
    flannelLeases: new Map(leases.map((one) => [one.key, one])),
  };
}

const given = (snapshot: Snapshot): readonly (string | null | undefined)[] =>
  [...podAddresses(snapshot).endpoints.values()].map((endpoint) => endpoint.flannel?.address);

describe('podAddresses', () => {
  it('gives the lowest free addresses, after those of the device and the bridge, by name', () => {
    expect(given(cluster([pod('b', 'n1'), pod('a', 'n1'), pod('c', 'n2')], [lease('n1', '10.244.1.0/24'), lease('n2', '10.244.2.0/24')]))).toEqual([
      '10.244.1.3',
      '10.244.1.2',
      '10.244.2.2',
    ]);
  });

  it('leaves the lower half to CNI', () => {
    expect(given(cluster([pod('a', 'n1'), pod('b', 'n2')], [lease('n1', '10.244.1.0/24'), lease('n2', '10.244.2.0/30')], { cni: true }))).toEqual([
      '10.244.1.128',
      '10.244.2.2',
    ]);
  });

  it('keeps what is inside, moves what is not, and never takes what a person chose', () => {
    const own = (address: string, fixed = false): Endpoint['flannel'] => ({ address, fixed });
    const pods = [
      pod('kept', 'n1', own('10.244.1.9')),
      pod('moved', 'n1', own('10.244.7.9')),
      pod('bridge', 'n1', own('10.244.1.1')),
      pod('fixed', 'n2', own('10.244.1.2', true)),
      pod('taken', 'n1', own('10.244.1.2')),
      pod('far', 'n1', own('10.9.9.9', true)),
    ];
    expect(given(cluster(pods, [lease('n1', '10.244.1.0/24')]))).toEqual(['10.244.1.9', '10.244.1.4', '10.244.1.3', '10.244.1.2', '10.244.1.5', '10.9.9.9']);
  });

  it('gives none where the node has no subnet, or none that can be read, or none is left', () => {
    const pods = [pod('a', 'n1', { address: '10.244.1.5', fixed: false }), pod('b', 'n2')];
    expect(given(cluster(pods, [lease(null, '10.244.1.0/24'), lease('n2', '10.244.2.0/24', { fault: 'not JSON' })]))).toEqual([null, null]);
    const many = ['a', 'b', 'c'].map((name) => pod(name, 'n1'));
    expect(given(cluster(many, [lease('n1', '10.244.1.0/30')], { subnetLen: 30 }))).toEqual(['10.244.1.2', null, null]);
  });

  it('takes of several subnets of a node the one that fits, then the first', () => {
    const leases = [lease('n1', '10.9.1.0/24'), lease('n1', '10.244.3.0/24'), lease('n1', '10.244.2.0/24')];
    expect(given(cluster([pod('a', 'n1')], leases))).toEqual(['10.244.2.2']);
  });

  it('answers with the same snapshot when nothing changes, and with the same endpoints but those that do', () => {
    const before = cluster([pod('a', 'n1'), pod('b', 'n1', { address: '10.244.1.9', fixed: false }), pod('c', 'n1', null)], [lease('n1', '10.244.1.0/24')]);
    const after = podAddresses(before);
    expect(['b', 'c'].map((id) => after.endpoints.get(id) === before.endpoints.get(id))).toEqual([true, true]);
    expect(after.endpoints.get('a')?.version).toBe(2);
    expect(podAddresses(after)).toBe(after);
    const none = { ...before, flannel: null };
    expect(podAddresses(none)).toBe(none);
  });

  it('counts one version for the edit that it is part of', () => {
    const base = cluster([pod('a', 'n1', null)], [lease('n1', '10.244.1.0/24')]);
    const edited = {
      ...base,
      endpoints: new Map([
        ['a', { ...pod('a', 'n1'), version: 2 }],
        ['b', pod('b', 'n1')],
      ]),
    };
    expect([...podAddresses(edited, base).endpoints.values()].map(({ version }) => version)).toEqual([2, 1]);
  });

  it('is quick with 10,000 pods', () => {
    const leases = Array.from({ length: 100 }, (_, i) => lease(`n${i}`, `${formatIpv4(parseIpv4('10.244.1.0') + 256 * i)}/24`));
    const snapshot = cluster(
      Array.from({ length: 10_000 }, (_, i) => pod(`p${i}`, `n${i % 100}`)),
      leases,
    );
    const start = performance.now();
    const after = podAddresses(snapshot);
    expect(podAddresses(after)).toBe(after);
    // Many times what it needs: this finds work that grows with the square.
    expect(performance.now() - start).toBeLessThan(5000);
    expect(new Set([...after.endpoints.values()].map((endpoint) => endpoint.flannel?.address)).size).toBe(10_000);
  });
});
