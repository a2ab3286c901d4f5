import { describe, expect, it } from 'vitest';
import { addressesOf, idOf, namespaceOf, optionalOf, portsOf, rulesOf, sandboxOf, serversOf, swarmOf } from './docker-swarms.js';

const gateway = { subnet: '172.18.0.0/16', gateway: '172.18.0.1', ingress: null };
const front = { name: 'front', subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4097 }] };

describe('a network of several subnets', () => {
  const swarm = swarmOf({
    nodes: [
      { name: 'node1', on: { wide: '10.1.0.2' } },
      { name: 'node2', on: { wide: '10.1.0.3' } },
    ],
    networks: [
      {
        name: 'wide',
        subnets: [
          { subnet: '10.1.0.0/24', gateway: '10.1.0.1', vni: 4097 },
          { subnet: '10.2.0.0/24', gateway: '10.2.0.254', vni: 4098 },
          { subnet: '10.3.0.0/24', gateway: '10.3.0.1', vni: 4099 },
        ],
      },
    ],
    services: [{ name: 'web', on: { wide: '10.1.0.9' } }],
    tasks: [
      { name: 'web1', service: 'web', node: 'node1', on: { wide: '10.1.0.4' } },
      { name: 'web2', service: 'web', node: 'node2', on: { wide: '10.3.0.4' } },
    ],
  });
  const overlay = namespaceOf(swarm, 'node1', '1-wide000000');

  it('has a bridge and a VTEP for each subnet that somebody is in, here or elsewhere', () => {
    expect(addressesOf(overlay)).toMatchObject({ br0: ['10.1.0.1/24'], br1: ['10.3.0.1/24'] });
    expect(overlay.dump.links.flatMap(({ name, vxlan, master, mtu }) => (vxlan === null ? [] : [[name, vxlan.vni, master, mtu]]))).toEqual([
      ['vxlan0', 4097, 'br0', 1450],
      ['vxlan1', 4099, 'br1', 1450],
    ]);
    expect(portsOf(overlay)).toEqual({ br0: 2 });
    expect(portsOf(namespaceOf(swarm, 'node2', '1-wide000000'))).toEqual({ br0: 1, br1: 1 });
    expect(overlay.dump.sysctls).toEqual({ 'net.ipv4.ip_forward': '1' });
  });

  it('has peers on the VTEP of their subnet', () => {
    expect(overlay.dump.neighbours.map(({ link, address, mac }) => `${link} ${address} ${mac}`)).toEqual([
      'vxlan0 10.1.0.3 02:42:0a:01:00:03',
      'vxlan1 10.3.0.4 02:42:0a:03:00:04',
    ]);
    expect(overlay.dump.forwarding.map(({ link, mac, vtep }) => `${link} ${mac} ${vtep}`)).toEqual([
      'vxlan0 02:42:0a:01:00:03 172.16.0.2',
      'vxlan1 02:42:0a:03:00:04 172.16.0.2',
    ]);
  });

  it('has ways to all other subnets in each sandbox, by the gateway of its own', () => {
    const ways = (name: string, node = 'node1') => namespaceOf(swarm, node, name).dump.routes.map(({ destination, via }) => `${destination} ${via}`);
    expect(ways('lb_wide00000')).toEqual(['10.2.0.0/24 10.1.0.1', '10.3.0.0/24 10.1.0.1']);
    expect(ways(sandboxOf('web2'), 'node2')).toEqual(['10.1.0.0/24 10.3.0.1', '10.2.0.0/24 10.3.0.1']);
  });

  it('rewrites the source to tasks of the subnet of the load balancer alone', () => {
    expect(rulesOf(namespaceOf(swarm, 'node1', 'lb_wide00000'), 'nat', 'POSTROUTING')).toEqual([
      '-A POSTROUTING -d 127.0.0.11/32 -j DOCKER_POSTROUTING',
      '-A POSTROUTING -d 10.1.0.0/24 -m ipvs --ipvs -j SNAT --to-source 10.1.0.2',
    ]);
  });
});

describe('a network with direct server return', () => {
  const swarm = swarmOf({
    nodes: [{ name: 'node1', on: { front: '10.0.1.2' } }],
    networks: [{ ...front, dsr: true }],
    services: [
      { name: 'web', on: { front: '10.0.1.9' } },
      { name: 'rr', mode: 'dnsrr' },
    ],
    tasks: [
      { name: 'web1', service: 'web', node: 'node1', on: { front: '10.0.1.4' } },
      { name: 'rr1', service: 'rr', node: 'node1', on: { front: '10.0.1.5' } },
    ],
  });

  it('sends on the frame alone, and tracks no connections', () => {
    const balancer = namespaceOf(swarm, 'node1', 'lb_front0000');
    expect(serversOf(balancer)).toEqual(['-A -f 256 -s rr', '-a -f 256 -r 10.0.1.4:0 -g -w 1']);
    expect(rulesOf(balancer, 'nat', 'POSTROUTING')).toHaveLength(1);
    expect(balancer.dump.sysctls).not.toHaveProperty(['net.ipv4.vs.conntrack']);
  });

  it('gives the VIP to the tasks of the service, which keep quiet about it', () => {
    const task = namespaceOf(swarm, 'node1', sandboxOf('web1'));
    expect(addressesOf(task).lo).toEqual(['127.0.0.1/8', '10.0.1.9/32']);
    expect(task.dump.sysctls).toEqual({ 'net.ipv4.conf.eth0.arp_ignore': '1', 'net.ipv4.conf.eth0.arp_announce': '2' });
    expect(addressesOf(namespaceOf(swarm, 'node1', sandboxOf('rr1'))).lo).toEqual(['127.0.0.1/8']);
  });
});

describe('an encrypted network', () => {
  const swarm = swarmOf({
    nodes: [
      { name: 'node1', on: { front: '10.0.1.2' } },
      { name: 'node2', on: {} },
    ],
    networks: [{ ...front, encrypted: true }],
  });

  it('leaves room for what encryption adds, to a multiple of four', () => {
    expect(namespaceOf(swarm, 'node1', '1-front00000').dump.links.map(({ name, mtu }) => [name, mtu])).toEqual([
      ['lo', 65536],
      ['br0', 1424],
      ['vxlan0', 1424],
      ['veth0', 1424],
    ]);
    const jumbo = swarmOf({ nodes: [{ name: 'node1', on: { front: '10.0.1.2' } }], networks: [{ ...front, encrypted: true, mtu: 9001 }] });
    expect(namespaceOf(jumbo, 'node1', '1-front00000').dump.links.at(-1)?.mtu).toBe(8924);
  });

  it('marks what leaves the host with its VNI, and drops what comes in the clear', () => {
    const vxlan = '-m udp --dport 4789 -m u32 --u32 "0x0>>0x16&0x3c@0xc&0xffffff00=0x100100"';
    const host = namespaceOf(swarm, 'node1', 'host');
    expect(rulesOf(host, 'mangle', 'OUTPUT')).toEqual([`-A OUTPUT -p udp ${vxlan} -j MARK --set-xmark 0xd0c4e3/0xffffffff`]);
    expect(rulesOf(host, 'filter', 'INPUT')).toEqual([
      `-A INPUT -p udp -m policy --dir in --pol none ${vxlan} -j DROP`,
      `-A INPUT -p udp -m policy --dir in --pol ipsec ${vxlan} -j ACCEPT`,
    ]);
    expect(rulesOf(namespaceOf(swarm, 'node2', 'host'), 'filter', 'INPUT')).toEqual([]);
  });
});

describe('an internal network', () => {
  const swarm = swarmOf({
    nodes: [{ name: 'node1', on: { front: '10.0.1.2', hidden: '10.0.2.2' }, gateway: { ...gateway, sandboxes: { [sandboxOf('web1')]: '172.18.0.3' } } }],
    networks: [front, { name: 'hidden', internal: true, subnets: [{ subnet: '10.0.2.0/24', gateway: '10.0.2.1', vni: 4098 }] }],
    services: [{ name: 'web' }, { name: 'db' }],
    tasks: [
      { name: 'web1', service: 'web', node: 'node1', on: { front: '10.0.1.4', hidden: '10.0.2.4' } },
      { name: 'db1', service: 'db', node: 'node1', on: { hidden: '10.0.2.5' } },
    ],
  });

  it('has no way out: only a task with another network is on docker_gwbridge', () => {
    const web = namespaceOf(swarm, 'node1', sandboxOf('web1'));
    expect(addressesOf(web)).toEqual({ lo: ['127.0.0.1/8'], eth0: ['10.0.1.4/24'], eth1: ['10.0.2.4/24'], eth2: ['172.18.0.3/16'] });
    expect(web.dump.routes.map(({ destination, via, link }) => [destination, via, link])).toEqual([['default', '172.18.0.1', 'eth2']]);
    expect(web.dump.links.map(({ mtu }) => mtu)).toEqual([65536, 1450, 1450, 1500]);
    const db = namespaceOf(swarm, 'node1', sandboxOf('db1'));
    expect(Object.keys(addressesOf(db))).toEqual(['lo', 'eth0']);
    expect(db.dump.routes).toEqual([]);
    expect(portsOf(namespaceOf(swarm, 'node1', 'host'))).toEqual({ docker_gwbridge: 1 });
  });

  it('has the resolver in each sandbox', () => {
    expect(rulesOf(namespaceOf(swarm, 'node1', sandboxOf('db1')), 'nat', 'DOCKER_OUTPUT')).toHaveLength(2);
  });
});

describe('an attachable network', () => {
  const swarm = swarmOf({
    nodes: [
      { name: 'node1', on: { front: '10.0.1.2' }, containers: [{ containerId: 'c1', sandbox: sandboxOf('c1'), on: { front: '10.0.1.20' } }] },
      { name: 'node2', on: { front: '10.0.1.3' }, containers: [{ containerId: 'c2', sandbox: null, on: { front: '10.0.1.21' } }] },
    ],
    networks: [{ ...front, attachable: true }],
  });

  it('counts containers as peers and ports, and has their namespaces where their name is known', () => {
    const overlay = namespaceOf(swarm, 'node1', '1-front00000');
    expect(overlay.dump.neighbours.map(({ address }) => address)).toEqual(['10.0.1.3', '10.0.1.21']);
    expect(overlay.origins.get('neighbour/vxlan0/10.0.1.21')).toEqual({ containerId: 'c2', nodeId: idOf('node2'), networkId: idOf('front') });
    expect(portsOf(namespaceOf(swarm, 'node2', '1-front00000'))).toEqual({ br0: 2 });
    expect(addressesOf(namespaceOf(swarm, 'node1', sandboxOf('c1'))).eth0).toEqual(['10.0.1.20/24']);
  });
});

describe('a swarm whose ingress network was removed', () => {
  it('may have what published ports left behind', () => {
    const swarm = swarmOf({ nodes: [{ name: 'node1', on: {}, gateway: { ...gateway, sandboxes: {} } }], networks: [] });
    const host = namespaceOf(swarm, 'node1', 'host');
    expect(optionalOf(host, 'chain')).toEqual(['nat/DOCKER-INGRESS', 'filter/DOCKER-INGRESS']);
    expect(optionalOf(host, 'rule')).toHaveLength(6);
    expect(rulesOf(host, 'filter', 'FORWARD')).toHaveLength(7);
  });
});

describe('what cannot be told', () => {
  const swarm = swarmOf({
    nodes: [
      { name: 'node1', on: { front: '10.0.1.2' } },
      { name: 'node2', on: null },
      { name: 'node3', on: { front: '10.0.1.3' }, state: 'down' },
    ],
    networks: [front],
    services: [{ name: 'web' }],
    tasks: [
      { name: 'web1', service: 'web', node: 'node1', on: { front: '10.0.1.4' } },
      { name: 'web2', service: 'web', node: 'node2', on: { front: '10.0.1.5' } },
      { name: 'web3', service: 'web', node: 'node3', on: { front: '10.0.1.6' } },
    ],
  });

  it('is said: peers of a node that was not collected, and everything on it that rests on its own facts', () => {
    const overlay = namespaceOf(swarm, 'node1', '1-front00000');
    expect(overlay.unknownPeers).toEqual(['172.16.0.2']);
    expect(overlay.known).toBe(true);
    expect(overlay.dump.neighbours.map(({ address }) => address)).toContain('10.0.1.5');
    expect(namespaceOf(swarm, 'node2', 'lb_front0000').known).toBe(false);
    expect(namespaceOf(swarm, 'node2', 'host').known).toBe(false);
  });

  it('is optional: what is on a node that went silent', () => {
    expect(optionalOf(namespaceOf(swarm, 'node1', '1-front00000'), 'neighbour')).toEqual(['vxlan0/10.0.1.3', 'vxlan0/10.0.1.6']);
  });
});
