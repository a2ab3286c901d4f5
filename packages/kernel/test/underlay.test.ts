import type { NetworkInterfaceInfo } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inNamespace, type Underlay, underlayOf } from '../src/index.js';
import { onLinkSubnets } from '../src/underlay.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

let host: ThrowawayHost;
beforeEach(() => {
  host = makeThrowawayHost();
});
afterEach(() => host.dispose());

/** An interface that is up and has a carrier. */
function wired(name: string, mtu = 1500): string {
  return `ip link add ${name} mtu ${mtu} type veth peer name f-${name} mtu ${mtu}; ip link set ${name} up; ip link set f-${name} up;`;
}

function seenFrom(address: string): Underlay {
  return inNamespace(host.host, () => underlayOf(address));
}

describe('underlayOf', () => {
  it('is the interface with the address, labels cut, in the namespace it is asked in', () => {
    host.run(`${wired('eth0', 1437)} ip addr add 192.0.2.7/24 dev eth0; ip addr add 192.0.2.8/24 dev eth0 label eth0:1`);
    const eth0 = { link: 'eth0', mtu: 1437, onLink: ['192.0.2.0/24'] };
    expect([seenFrom('192.0.2.7'), seenFrom('192.0.2.8')]).toEqual([eth0, eth0]);
    expect(seenFrom('192.0.2.9')).toEqual({ link: undefined, mtu: undefined, onLink: ['192.0.2.0/24'] });
    expect(underlayOf('127.0.0.1')).toMatchObject({ link: 'lo', mtu: 65536 });
    expect(underlayOf('192.0.2.7').link).toBeUndefined();
  });

  it('has the subnets of the host in ascending order, and none of ours, of loopback, of single addresses, of what is down', () => {
    host.run(`${['eth0', 'eth1', 'cni0', 'flannel.1', 'ptl_gwbridge'].map((name) => wired(name)).join('')}
      ip addr add 192.0.2.7/25 dev eth0; ip addr add 9.1.2.3/8 dev eth1; ip addr add 9.1.2.4/8 dev eth0; ip addr add 9.1.2.5/16 dev eth1
      ip addr add 10.9.9.9/32 dev eth1; ip addr add 10.244.1.1/24 dev cni0; ip addr add 10.244.1.0/20 dev flannel.1
      ip addr add 172.18.0.1/16 dev ptl_gwbridge; ip addr add 127.1.0.1/16 dev lo; ip addr add fd00::1/64 dev eth0
      ip link add eth2 type veth peer name f-eth2; ip addr add 10.1.0.1/16 dev eth2`);
    expect(seenFrom('192.0.2.7').onLink).toEqual(['9.0.0.0/8', '9.1.0.0/16', '192.0.2.0/25']);
  });
});

describe('onLinkSubnets', () => {
  it('keeps those of the underlay where there are too many', () => {
    const v4 = (address: string): NetworkInterfaceInfo => ({
      address,
      cidr: `${address}/24`,
      netmask: '255.255.255.0',
      family: 'IPv4',
      mac: '02:00:00:00:00:01',
      internal: false,
    });
    const bridges = Array.from({ length: 100 }, (_, i) => [`br${i}`, [v4(`10.0.${i}.1`)]] as const);
    const found = onLinkSubnets({ ...Object.fromEntries(bridges), 'eth0:1': [v4('192.0.2.7')] }, 'eth0');
    expect(found).toHaveLength(64);
    expect(found.slice(-2)).toEqual(['10.0.62.0/24', '192.0.2.0/24']);
  });
});
