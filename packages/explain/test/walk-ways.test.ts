import type { Manifest } from '@portolan/model';
import { dataPlaneSnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { endpointOf, flow, only, seen, wire, worldOf } from './walk-worlds.js';

const snapshot = dataPlaneSnapshot();
const world = worldOf(snapshot);

describe('a network', () => {
  it('leads to the address of an endpoint (dnsrr) on another host without a load balancer', () => {
    const { forward, reply, verdict, backend } = only(flow(world, 'db.1', { to: '10.2.0.10', port: 5432 }));
    expect([verdict.outcome, verdict.to, backend]).toEqual(['delivered', 'endpoint db.2', 'db.2']);
    expect(wire(forward)).toEqual([
      '> ov4098@endpoint db.1/node1 10.2.0.9:40000 > 10.2.0.10:5432 ttl 64',
      '< veth0a020009@overlay back/node1 10.2.0.9:40000 > 10.2.0.10:5432 ttl 64',
      '> vxlan0@overlay back/node1 10.2.0.9:40000 > 10.2.0.10:5432 ttl 64',
      '> eth0@host/node1 10.2.0.9:40000 > 10.2.0.10:5432 ttl 64 in 172.16.130.140 > 172.16.130.164:4789 vni 4098',
      '< eth0@host/node2 10.2.0.9:40000 > 10.2.0.10:5432 ttl 64 in 172.16.130.140 > 172.16.130.164:4789 vni 4098',
      '< vxlan0@overlay back/node2 10.2.0.9:40000 > 10.2.0.10:5432 ttl 64',
      '> veth0a02000a@overlay back/node2 10.2.0.9:40000 > 10.2.0.10:5432 ttl 64',
      '< ov4098@endpoint db.2/node2 10.2.0.9:40000 > 10.2.0.10:5432 ttl 64',
    ]);
    expect(wire(reply)).toHaveLength(wire(forward).length);
    expect(wire(reply).at(-1)).toBe('< ov4098@endpoint db.1/node1 10.2.0.10:5432 > 10.2.0.9:40000 ttl 64');
  });

  it('with direct server return keeps the VIP to the endpoint, which answers past the load balancer', () => {
    const manifest: Manifest = {
      nodes: ['a', 'b'].map((name, i) => ({ name, address: `172.16.0.${i + 1}` })),
      networks: [{ name: 'direct', subnet: '10.5.0.0/24', vni: 4102, dsr: true, attachable: true }],
      services: [{ name: 'cache', networks: [{ network: 'direct', vip: '10.5.0.20' }], scheduler: 'wrr' }],
      endpoints: [
        { name: 'cache.1', service: 'cache', node: 'a', weight: 1, attachment: { netns: '/run/netns/cache.1' } },
        { name: 'cache.2', service: 'cache', node: 'b', weight: 3, attachment: { netns: '/run/netns/cache.2' } },
        { name: 'client', networks: ['direct'], node: 'a', attachment: { netns: '/run/netns/client' } },
      ],
    };
    const paths = flow(worldOf(seen(manifest)), 'client', { to: '10.5.0.20', port: 6379 });
    expect(paths.map(({ backend, share, verdict }) => [backend, share, verdict.outcome])).toEqual([
      ['cache.1', 0.25, 'delivered'],
      ['cache.2', 0.75, 'delivered'],
    ]);
    for (const { forward, reply } of paths) {
      expect(forward.at(-1)?.after).toMatchObject({ destination: '10.5.0.20', ttl: 63 });
      expect(reply.every(({ place }) => !place.title.startsWith('load balancer'))).toBe(true);
    }
  });

  it('routes between its subnets in its own namespace', () => {
    const paths = flow(world, 'syslog.1', { to: '10.3.0.2', port: 514, transport: 'udp', backend: '10.3.1.10' });
    const { forward, verdict, reply } = only(paths);
    expect(verdict).toMatchObject({ outcome: 'delivered', to: 'endpoint syslog.3' });
    expect(wire(forward).slice(4, 9)).toEqual([
      '> eth0@load balancer of wide/node1 10.3.0.1:40000 > 10.3.1.10:514 ttl 63',
      '< veth-lb@overlay wide/node1 10.3.0.1:40000 > 10.3.1.10:514 ttl 63',
      '< br0@overlay wide/node1 10.3.0.1:40000 > 10.3.1.10:514 ttl 63',
      '> br1@overlay wide/node1 10.3.0.1:40000 > 10.3.1.10:514 ttl 62',
      '> vxlan1@overlay wide/node1 10.3.0.1:40000 > 10.3.1.10:514 ttl 62',
    ]);
    expect(wire(reply).some((line) => line.startsWith('< br1@overlay wide/node3'))).toBe(true);
  });

  it('takes an endpoint that is on none of them for a stranger', () => {
    const reasons = ['db.1', 'web.1'].map((name) => only(flow(world, name, { to: '10.4.0.20' })).verdict.reason);
    for (const reason of reasons) expect(reason).toContain('is not on the network lan');
    expect(only(flow(world, 'db.1', { to: '192.0.2.1' })).verdict.reason).toContain('internal networks only');
  });
});

describe('published ports', () => {
  it('of mode host lead straight to the endpoint, and the client keeps its address', () => {
    const { forward, reply, verdict, backend } = only(flow(world, 'outside', { to: '172.16.130.140', port: 9100 }));
    expect([verdict.outcome, backend]).toEqual(['delivered', 'metrics.1']);
    expect(wire(forward)).toEqual([
      '< eth0@host/node1 198.51.100.7:40000 > 172.16.130.140:9100 ttl 64',
      '> ptl_gwbridge@host/node1 198.51.100.7:40000 > 192.168.240.5:9100 ttl 63',
      '> ptl_c0a8f005@host/node1 198.51.100.7:40000 > 192.168.240.5:9100 ttl 63',
      '< ptl_gw@endpoint metrics.1/node1 198.51.100.7:40000 > 192.168.240.5:9100 ttl 63',
    ]);
    expect(wire(reply).at(-1)).toBe('> eth0@host/node1 172.16.130.140:9100 > 198.51.100.7:40000 ttl 63');
    expect(reply.find(({ kind }) => kind === 'route')?.text).toContain('in the table of packets from 192.168.240.5');
  });

  it('on some interfaces only are none for others', () => {
    const { verdict } = only(flow(world, 'node:node1', { to: '172.16.130.140', port: 9100 }));
    expect(verdict).toMatchObject({ outcome: 'unreachable', object: { key: 'port-forward/host/tcp/9100', origin: { service: 'metrics' } } });
  });

  it('of policy local lead to endpoints of the host, which see the client and answer through its sandbox', () => {
    const { forward, reply, verdict } = only(flow(world, 'outside', { to: '172.16.130.164', port: 8443 }));
    expect(verdict).toMatchObject({ outcome: 'delivered', to: 'endpoint web.4' });
    expect(forward.at(-1)?.after).toMatchObject({ source: '198.51.100.7', destination: '10.255.0.8', destinationPort: 443 });
    expect(forward.some(({ object }) => object?.kind === 'source-kept')).toBe(true);
    expect(wire(reply)).toContain('> eth1@ingress sandbox/node2 192.168.240.2:8443 > 198.51.100.7:40000 ttl 63');
  });

  it('of policy local are not answered by a host without an endpoint that takes connections', () => {
    const { verdict } = only(flow(world, 'outside', { to: '172.16.130.170', port: 8443 }));
    expect(verdict).toMatchObject({ outcome: 'no-backend', object: { node: 'node3', kind: 'port-forward' } });
  });

  it('share new connections by weight, and give none to who leaves', () => {
    const paths = flow(world, 'outside', { to: '172.16.130.140', port: 8000 });
    expect(paths.map(({ backend, share }) => [backend, share.toFixed(2)])).toEqual([
      ['web.1', '0.67'],
      ['web.4', '0.33'],
    ]);
    const leaving = only(flow(world, 'outside', { to: '172.16.130.140', port: 8000, backend: '10.255.0.6' }));
    expect(leaving).toMatchObject({
      backend: 'web.2',
      share: 0,
      verdict: { outcome: 'no-backend', object: { key: 'real-server/own:ingress_sbox/65539/10.255.0.6' } },
    });
  });

  it('are the only ones on the ingress network, and nothing begins there', () => {
    const fromSandbox = flow(world, 'web.1', { to: '10.255.0.8', port: 80 });
    expect(only(fromSandbox).verdict).toMatchObject({ outcome: 'dropped', object: { kind: 'endpoint-filter' } });
  });
});

describe('ways out and within', () => {
  it('lead outside with the address of the host', () => {
    const { forward, verdict } = only(flow(world, 'metrics.1', { to: '203.0.113.5', port: 443 }));
    expect(verdict).toMatchObject({ outcome: 'delivered', to: 'outside 203.0.113.5' });
    expect(wire(forward)).toEqual([
      '> ptl_gw@endpoint metrics.1/node1 192.168.240.5:40000 > 203.0.113.5:443 ttl 64',
      '< ptl_c0a8f005@host/node1 192.168.240.5:40000 > 203.0.113.5:443 ttl 64',
      '< ptl_gwbridge@host/node1 192.168.240.5:40000 > 203.0.113.5:443 ttl 64',
      '> eth0@host/node1 172.16.130.140:40000 > 203.0.113.5:443 ttl 63',
    ]);
  });

  it('end on lo where the destination is its own', () => {
    const to = endpointOf(snapshot, 'db.1').addresses[0]?.address ?? '';
    const { forward, verdict } = only(flow(world, 'db.1', { to, port: 5432 }));
    expect(verdict).toMatchObject({ outcome: 'delivered', to: 'endpoint db.1' });
    expect(wire(forward)).toEqual([`< lo@endpoint db.1/node1 ${to}:40000 > ${to}:5432 ttl 64`]);
  });

  it('lead to a program of a host by a port that nobody publishes', () => {
    const { verdict, forward } = only(flow(world, 'node:node1', { to: '172.16.130.164', port: 22 }));
    expect(verdict).toMatchObject({ outcome: 'delivered', to: 'host node2' });
    expect(wire(forward)).toEqual([
      '> eth0@host/node1 172.16.130.140:40000 > 172.16.130.164:22 ttl 64',
      '< eth0@host/node2 172.16.130.140:40000 > 172.16.130.164:22 ttl 64',
    ]);
  });

  it('end between endpoints behind one gateway bridge', () => {
    const isolated = only(flow(world, 'debug', { to: '192.168.240.5' })).verdict;
    expect(isolated.outcome).toBe('unreachable');
    expect(isolated.reason).toContain('isolated ports exchange nothing');
    // A table of its own leads this one to the host in any case.
    expect(only(flow(world, 'metrics.1', { to: '192.168.240.7' })).verdict).toMatchObject({ outcome: 'dropped', object: { kind: 'gateway-policy' } });
  });
});
