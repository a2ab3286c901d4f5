import { observeRegistry } from '@portolan/intent';
import type { FlannelBackend, FlannelLease, Snapshot } from '@portolan/model';
import { dataPlaneSnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { flow, nodeOf, only, seen, wire, without, worldOf } from './walk-worlds.js';

/** Two hosts with a container each, as the study has them. */
function pods(backend: FlannelBackend): Snapshot {
  const made = seen({
    nodes: [
      { name: 'a', address: '172.16.130.140' },
      { name: 'b', address: '172.16.130.164' },
    ],
    endpoints: [
      { name: 'pa', node: 'a', flannel: { address: '10.244.1.96' }, attachment: { netns: '/run/netns/pa' } },
      { name: 'pb', node: 'b', flannel: { address: '10.244.2.194' }, attachment: { netns: '/run/netns/pb' } },
    ],
    flannel: { network: '10.244.0.0/16', backend },
  });
  const lease = (node: string, subnet: string, mac: string): FlannelLease => ({
    key: subnet.replace('/', '-'),
    subnet,
    publicAddress: nodeOf(made, node).address,
    backendType: backend.type,
    vni: backend.type === 'vxlan' ? 1 : null,
    vtepMac: backend.type === 'vxlan' ? mac : null,
    nodeId: nodeOf(made, node).id,
    reserved: false,
    fault: null,
  });
  const leases = [lease('a', '10.244.1.0/24', '02:00:00:00:00:01'), lease('b', '10.244.2.0/24', '02:00:00:00:00:02')];
  return observeRegistry(made, new Map(leases.map((own) => [own.key, own])));
}

const ends = '10.244.1.96:40000 > 10.244.2.194:80';
const first = [`> pod0@endpoint pa/a ${ends} ttl 64`, `< ptl_0af40160@host/a ${ends} ttl 64`, `< cni0@host/a ${ends} ttl 64`];
const last = (ttl: number) => [`> cni0@host/b ${ends} ttl ${ttl}`, `> ptl_0af402c2@host/b ${ends} ttl ${ttl}`, `< pod0@endpoint pb/b ${ends} ttl ${ttl}`];

describe('flannel', () => {
  it('by vxlan', () => {
    const { forward, verdict, backend } = only(flow(worldOf(pods({ type: 'vxlan' })), 'pa', { to: '10.244.2.194' }));
    expect([verdict.outcome, backend]).toEqual(['delivered', 'pb']);
    expect(wire(forward)).toEqual([
      ...first,
      `> flannel.1@host/a ${ends} ttl 63`,
      `> eth0@host/a ${ends} ttl 63 in 172.16.130.140 > 172.16.130.164:8472 vni 1`,
      `< eth0@host/b ${ends} ttl 63 in 172.16.130.140 > 172.16.130.164:8472 vni 1`,
      `< flannel.1@host/b ${ends} ttl 63`,
      ...last(62),
    ]);
    expect(forward.find(({ kind }) => kind === 'encapsulate')?.after.outer).toMatchObject({ kind: 'vxlan', overhead: 50 });
  });

  it.each([{ type: 'host-gw' }, { type: 'vxlan', directRouting: true }] as const)('by a plain route with %j', (backend) => {
    const { forward, reply, verdict } = only(flow(worldOf(pods(backend)), 'pa', { to: '10.244.2.194' }));
    expect(verdict.outcome).toBe('delivered');
    expect(wire(forward)).toEqual([...first, `> eth0@host/a ${ends} ttl 63`, `< eth0@host/b ${ends} ttl 63`, ...last(62)]);
    expect(wire(reply).at(-1)).toBe('< pod0@endpoint pa/a 10.244.2.194:80 > 10.244.1.96:40000 ttl 62');
  });

  it('by the relay, which takes from the TTL on either side', () => {
    const { forward, verdict } = only(flow(worldOf(pods({ type: 'udp' })), 'pa', { to: '10.244.2.194' }));
    expect(verdict.outcome).toBe('delivered');
    expect(wire(forward)).toEqual([
      ...first,
      `> flannel0@host/a ${ends} ttl 63`,
      `> eth0@host/a ${ends} ttl 62 in 172.16.130.140 > 172.16.130.164:8285`,
      `< eth0@host/b ${ends} ttl 62 in 172.16.130.140 > 172.16.130.164:8285`,
      `< flannel0@host/b ${ends} ttl 61`,
      ...last(60),
    ]);
    expect(forward.find(({ kind }) => kind === 'encapsulate')?.after.outer).toMatchObject({ kind: 'relay', overhead: 28, vni: null });
  });

  it.each([
    ['vxlan', '10.244.1.0'],
    ['udp', '10.244.1.0'],
    ['host-gw', '172.16.130.140'],
  ] as const)('is reached by a host, by %s', (type, source) => {
    const { forward, verdict } = only(flow(worldOf(pods({ type })), 'node:a', { to: '10.244.2.194' }));
    expect(verdict.outcome).toBe('delivered');
    expect(forward.at(-1)?.after.source).toBe(source);
  });

  it('masquerades what leaves it', () => {
    const { forward, reply } = only(flow(worldOf(pods({ type: 'vxlan' })), 'pa', { to: '203.0.113.5' }));
    expect(wire(forward).at(-1)).toBe('> eth0@host/a 172.16.130.140:40000 > 203.0.113.5:80 ttl 63');
    expect(wire(reply).at(-1)).toBe('< pod0@endpoint pa/a 203.0.113.5:80 > 10.244.1.96:40000 ttl 63');
  });

  it.each([
    ['vxlan', 'a', 'neighbour/host/flannel.1/10.244.2.0'],
    ['vxlan', 'a', 'fdb/host/flannel.1/02:00:00:00:00:02'],
    ['vxlan', 'a', 'route/host/10.244.2.0/24'],
    ['vxlan', 'a', 'flannel-vtep/host/flannel.1'],
    ['vxlan', 'b', 'flannel-vtep/host/flannel.1'],
    ['vxlan', 'b', 'bridge/host/cni0'],
    ['vxlan', 'b', 'veth/host/ptl_0af402c2'],
    ['host-gw', 'a', 'route/host/10.244.2.0/24'],
    ['udp', 'a', 'udp-relay-peer/host/flannel0/10.244.2.0/24'],
    ['udp', 'a', 'udp-relay/host/flannel0'],
    ['udp', 'b', 'udp-relay/host/flannel0'],
    ['udp', 'a', 'route/host/10.244.0.0/16'],
  ] as const)('by %s without, on %s, %s', (type, node, key) => {
    const { verdict } = only(flow(without(worldOf(pods({ type })), node, key), 'pa', { to: '10.244.2.194' }));
    expect(verdict).toMatchObject({ outcome: 'unreachable', inReply: false, object: { node, key } });
  });

  it('leads to hosts that are not ours, of which nothing is known', () => {
    const { verdict } = only(flow(worldOf(dataPlaneSnapshot()), 'pod.1', { to: '10.244.6.7' }));
    expect(verdict).toMatchObject({ outcome: 'unknown', object: { kind: 'fdb' } });
  });
});
