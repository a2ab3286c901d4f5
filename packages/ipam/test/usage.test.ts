import { type PoolUsage, poolUsage } from '@portolan/ipam';
import type { Snapshot } from '@portolan/model';
import { emptySnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { committed, endpoint, joined, mesh, network, node, port, service } from './drafting.js';

function usageOf(snapshot: Snapshot, pool: PoolUsage['pool'], name = ''): PoolUsage {
  const found = poolUsage(snapshot).find((usage) => usage.pool === pool && usage.name === name);
  if (found === undefined) throw new Error(`no pool ${pool} ${name}`);
  return found;
}

describe('poolUsage', () => {
  it('of an empty cluster is all free', () => {
    const usage = poolUsage(emptySnapshot('c', { addressPools: ['10.0.0.0/16', '10.1.0.0/25'], markRange: [256, 511] }));
    expect(usage.map(({ pool, name, range, size, used, retired, free }) => [pool, name, range, size, used, retired, free])).toEqual([
      ['subnets', '', '10.0.0.0/16, 10.1.0.0/25 as /24', 256, 0, 0, 256],
      ['vnis', '', '4096-16777215', 16773120, 0, 0, 16773120],
      ['marks', '', '256-511', 256, 0, 0, 256],
      ['ports', 'tcp', '30000-32767', 2768, 0, 0, 2768],
      ['ports', 'udp', '30000-32767', 2768, 0, 0, 2768],
      ['ports', 'sctp', '30000-32767', 2768, 0, 0, 2768],
    ]);
  });

  it('counts by what values are used as, what is retired, and nothing outside of the range', () => {
    const extra = { subnet: '10.9.0.0/29', vni: null, gateway: null };
    const before = committed(emptySnapshot('c', { addressPools: ['10.0.0.0/16'], gatewaySubnet: '10.0.240.0/20', markRange: [256, 511] }), {
      node: [node('n1', '10.0.200.1'), node('n2', '10.0.200.2')],
      network: [mesh, network('app', { subnet: '10.0.8.0/23', extraSubnets: [extra] })],
      service: [
        service('web', ['app', 'mesh'], { ports: [port({ externalTrafficPolicy: 'local' }), port({ published: 80, target: 81 })] }),
        service('agent', ['app'], { ports: [port({ published: 31000, mode: 'host' })] }),
        service('other', [], { networks: [joined('app', { mark: 9999 })], ports: [port({ published: 31000, mode: 'host' })] }),
      ],
      endpoint: [endpoint('web.1', 'web', 'n1'), endpoint('web.2', 'web', 'n1')],
    });
    const after = committed(before, { endpoint: ['web.2'], service: ['agent'] });
    expect(usageOf(after, 'subnets')).toMatchObject({ size: 256, used: 3 + 17, by: { network: 3, reserved: 17 }, free: 236 });
    expect(usageOf(after, 'vnis')).toMatchObject({ used: 3, by: { network: 3 }, retired: 0 });
    expect(usageOf(after, 'marks')).toMatchObject({ size: 256, used: 3, by: { vip: 2, local: 1 }, retired: 1, free: 252 });
    expect(usageOf(before, 'ports', 'tcp')).toMatchObject({ size: 2768, used: 2, by: { ingress: 1, host: 1 } });
    expect(usageOf(after, 'addresses', 'app')).toMatchObject({
      networkId: 'app',
      range: '10.0.8.0/23, 10.9.0.0/29',
      size: 510 + 6,
      used: 6,
      by: { gateway: 2, vip: 2, 'load-balancer': 1, endpoint: 1 },
      retired: 2,
      free: 508,
    });
    expect(usageOf(after, 'addresses', 'mesh').by).toEqual({ gateway: 1, vip: 1, 'load-balancer': 2, endpoint: 1 });
  });

  it('agrees with what can be allocated', () => {
    let snapshot = committed(emptySnapshot('c', { addressPools: ['10.0.0.0/21'], markRange: [256, 258] }), {
      node: [node('n', '10.0.3.1')],
      network: [network('a')],
    });
    const { free } = usageOf(snapshot, 'subnets');
    expect(free).toBe(6);
    snapshot = committed(snapshot, { network: Array.from({ length: free }, (_, i) => network(`more${i}`)) });
    expect(usageOf(snapshot, 'subnets')).toMatchObject({ free: 0, size: 8 });
  });
});
