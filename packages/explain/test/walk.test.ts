import { sampleSnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { flow, only, wire, withHost, worldOf } from './walk-worlds.js';

const snapshot = sampleSnapshot();
const world = worldOf(snapshot);
const web = 'bjdt_bjdt-dzwl-web.1';

describe('a VIP inside a network', () => {
  it('leads to each real server in turn', () => {
    const paths = flow(world, web, { to: '10.0.0.20', port: 8080 });
    expect(paths.map(({ backend, share, verdict }) => [backend, share.toFixed(3), verdict.outcome])).toEqual([
      ['bjdt_bjdt-dzwl.1', '0.333', 'delivered'],
      ['bjdt_bjdt-dzwl.2', '0.333', 'delivered'],
      ['bjdt_bjdt-dzwl.3', '0.333', 'delivered'],
    ]);
  });

  it('is balanced on the host of the client, which the answer comes back through', () => {
    const { forward, reply, verdict } = only(flow(world, web, { to: '10.0.0.20', port: 8080, backend: '10.0.0.6' }));
    expect(verdict).toMatchObject({ outcome: 'delivered', to: 'endpoint bjdt_bjdt-dzwl.1', object: null, fix: null, inReply: false, hop: forward.length - 1 });
    expect(wire(forward)).toEqual([
      '> ov4097@endpoint bjdt_bjdt-dzwl-web.1/node1 10.0.0.9:40000 > 10.0.0.20:8080 ttl 64',
      '< veth0a000009@overlay bjdt_overlay/node1 10.0.0.9:40000 > 10.0.0.20:8080 ttl 64',
      '> veth-lb@overlay bjdt_overlay/node1 10.0.0.9:40000 > 10.0.0.20:8080 ttl 64',
      '< eth0@load balancer of bjdt_overlay/node1 10.0.0.9:40000 > 10.0.0.20:8080 ttl 64',
      '> eth0@load balancer of bjdt_overlay/node1 10.0.0.3:40000 > 10.0.0.6:8080 ttl 63',
      '< veth-lb@overlay bjdt_overlay/node1 10.0.0.3:40000 > 10.0.0.6:8080 ttl 63',
      '> veth0a000006@overlay bjdt_overlay/node1 10.0.0.3:40000 > 10.0.0.6:8080 ttl 63',
      '< ov4097@endpoint bjdt_bjdt-dzwl.1/node1 10.0.0.3:40000 > 10.0.0.6:8080 ttl 63',
    ]);
    expect(wire(reply)).toEqual([
      '> ov4097@endpoint bjdt_bjdt-dzwl.1/node1 10.0.0.6:8080 > 10.0.0.3:40000 ttl 64',
      '< veth0a000006@overlay bjdt_overlay/node1 10.0.0.6:8080 > 10.0.0.3:40000 ttl 64',
      '> veth-lb@overlay bjdt_overlay/node1 10.0.0.6:8080 > 10.0.0.3:40000 ttl 64',
      '< eth0@load balancer of bjdt_overlay/node1 10.0.0.6:8080 > 10.0.0.3:40000 ttl 64',
      '> eth0@load balancer of bjdt_overlay/node1 10.0.0.20:8080 > 10.0.0.9:40000 ttl 63',
      '< veth-lb@overlay bjdt_overlay/node1 10.0.0.20:8080 > 10.0.0.9:40000 ttl 63',
      '> veth0a000009@overlay bjdt_overlay/node1 10.0.0.20:8080 > 10.0.0.9:40000 ttl 63',
      '< ov4097@endpoint bjdt_bjdt-dzwl-web.1/node1 10.0.0.20:8080 > 10.0.0.9:40000 ttl 63',
    ]);
  });

  it('leads to another host in UDP', () => {
    const { forward } = only(flow(world, web, { to: '10.0.0.20', port: 8080, backend: '10.0.0.7' }));
    expect(wire(forward).slice(5)).toEqual([
      '< veth-lb@overlay bjdt_overlay/node1 10.0.0.3:40000 > 10.0.0.7:8080 ttl 63',
      '> vxlan0@overlay bjdt_overlay/node1 10.0.0.3:40000 > 10.0.0.7:8080 ttl 63',
      '> eth0@host/node1 10.0.0.3:40000 > 10.0.0.7:8080 ttl 63 in 172.16.130.140 > 172.16.130.164:4789 vni 4097',
      '< eth0@host/node2 10.0.0.3:40000 > 10.0.0.7:8080 ttl 63 in 172.16.130.140 > 172.16.130.164:4789 vni 4097',
      '< vxlan0@overlay bjdt_overlay/node2 10.0.0.3:40000 > 10.0.0.7:8080 ttl 63',
      '> veth0a000007@overlay bjdt_overlay/node2 10.0.0.3:40000 > 10.0.0.7:8080 ttl 63',
      '< ov4097@endpoint bjdt_bjdt-dzwl.2/node2 10.0.0.3:40000 > 10.0.0.7:8080 ttl 63',
    ]);
  });

  it('answers echo requests by itself', () => {
    const { verdict, forward } = only(flow(world, web, { to: '10.0.0.20', transport: 'icmp' }));
    expect(verdict).toMatchObject({ outcome: 'delivered', to: 'load balancer of bjdt_overlay' });
    expect(forward.every(({ kind }) => kind !== 'virtual-server')).toBe(true);
  });
});

describe('the routing mesh', () => {
  it('leads a client outside from a host without an endpoint to one of another, and back', () => {
    const paths = flow(world, 'outside', { to: '172.16.130.170', port: 8000 });
    expect(paths.map(({ backend, share, verdict }) => [backend, share, verdict.outcome])).toEqual([
      ['bjdt_bjdt-dzwl-web.2', 0.5, 'delivered'],
      ['bjdt_bjdt-dzwl-web.1', 0.5, 'delivered'],
    ]);
    const [path] = paths;
    expect(wire(path?.forward ?? [])).toEqual([
      '< eth0@host/node3 198.51.100.7:40000 > 172.16.130.170:8000 ttl 64',
      '> ptl_gwbridge@host/node3 198.51.100.7:40000 > 192.168.240.2:8000 ttl 63',
      '> ptl_ingress@host/node3 198.51.100.7:40000 > 192.168.240.2:8000 ttl 63',
      '< eth1@ingress sandbox/node3 198.51.100.7:40000 > 192.168.240.2:8000 ttl 63',
      '> eth0@ingress sandbox/node3 10.255.0.5:40000 > 10.255.0.10:8000 ttl 62',
      '< veth-lb@overlay ingress/node3 10.255.0.5:40000 > 10.255.0.10:8000 ttl 62',
      '> vxlan0@overlay ingress/node3 10.255.0.5:40000 > 10.255.0.10:8000 ttl 62',
      '> eth0@host/node3 10.255.0.5:40000 > 10.255.0.10:8000 ttl 62 in 172.16.130.170 > 172.16.130.164:4789 vni 4096',
      '< eth0@host/node2 10.255.0.5:40000 > 10.255.0.10:8000 ttl 62 in 172.16.130.170 > 172.16.130.164:4789 vni 4096',
      '< vxlan0@overlay ingress/node2 10.255.0.5:40000 > 10.255.0.10:8000 ttl 62',
      '> veth0aff000a@overlay ingress/node2 10.255.0.5:40000 > 10.255.0.10:8000 ttl 62',
      '< ov4096@endpoint bjdt_bjdt-dzwl-web.2/node2 10.255.0.5:40000 > 10.255.0.10:8000 ttl 62',
    ]);
    expect(path?.forward.at(-1)?.after).toMatchObject({ destination: '10.255.0.10', destinationPort: 80 });
    expect(wire(path?.reply ?? []).slice(-4)).toEqual([
      '> eth1@ingress sandbox/node3 192.168.240.2:8000 > 198.51.100.7:40000 ttl 63',
      '< ptl_ingress@host/node3 192.168.240.2:8000 > 198.51.100.7:40000 ttl 63',
      '< ptl_gwbridge@host/node3 192.168.240.2:8000 > 198.51.100.7:40000 ttl 63',
      '> eth0@host/node3 172.16.130.170:8000 > 198.51.100.7:40000 ttl 62',
    ]);
  });

  it('has its addresses translated before the bridge shows it, where br_netfilter is', () => {
    const end = (kernels: typeof world): readonly string[] => wire(flow(kernels, 'node:node1', { to: '127.0.0.1', port: 8000 })[0]?.reply ?? []).slice(-2);
    expect(end(world)).toEqual([
      '< ptl_ingress@host/node1 192.168.240.2:8000 > 192.168.240.1:40000 ttl 63',
      '< ptl_gwbridge@host/node1 192.168.240.2:8000 > 192.168.240.1:40000 ttl 63',
    ]);
    expect(end(withHost(world, 'node1', (kernel) => ({ ...kernel, filtersBridged: true })))).toEqual([
      '< ptl_ingress@host/node1 192.168.240.2:8000 > 192.168.240.1:40000 ttl 63',
      '< ptl_gwbridge@host/node1 192.168.240.2:8000 > 127.0.0.1:40000 ttl 63',
    ]);
  });

  it.each(['127.0.0.1', '172.16.130.140'])('leads a process of the host by %s', (to) => {
    const [path] = flow(world, 'node:node1', { to, port: 8000, backend: '10.255.0.10' });
    expect(path?.verdict).toMatchObject({ outcome: 'delivered', to: 'endpoint bjdt_bjdt-dzwl-web.2' });
    expect(wire(path?.forward ?? [])[0]).toBe('> ptl_gwbridge@host/node1 192.168.240.1:40000 > 192.168.240.2:8000 ttl 64');
    expect(path?.reply.at(-1)).toMatchObject({ kind: 'deliver', after: { source: to, sourcePort: 8000, destination: to, destinationPort: 40000 } });
  });

  it('leads an endpoint by its own host, and by another', () => {
    const own = flow(world, 'bjdt_bjdt-dzwl.3', { to: '172.16.130.170', port: 8000 });
    const other = flow(world, 'bjdt_bjdt-dzwl.3', { to: '172.16.130.140', port: 8000 });
    expect([...own, ...other].map(({ verdict }) => verdict.outcome)).toEqual(['delivered', 'delivered', 'delivered', 'delivered']);
    expect(wire(own[0]?.forward ?? [])).toContain('< eth1@ingress sandbox/node3 192.168.240.1:40000 > 192.168.240.2:8000 ttl 63');
    expect(wire(other[0]?.forward ?? [])).toContain('> eth0@host/node3 172.16.130.170:40000 > 172.16.130.140:8000 ttl 63');
  });
});
