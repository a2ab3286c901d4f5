import { dockerState, type Swarm } from '@portolan/swarm';
import { describe, expect, it } from 'vitest';
import {
  addressesOf,
  idOf,
  namespaceOf,
  optionalOf,
  portsOf,
  published,
  rulesOf,
  type SwarmSketch,
  sandboxOf,
  serversOf,
  swarmOf,
  type TaskSketch,
} from './docker-swarms.js';

const ports = [published(8000, 80), published(8443, 443), published(5353, 53, { protocol: 'udp' }), published(9999, 9999, { protocol: 'sctp' })];
const gateway = { subnet: '172.18.0.0/16', gateway: '172.18.0.1', ingress: '172.18.0.2', sandboxes: { [sandboxOf('web1')]: '172.18.0.3' } };
const base = {
  nodes: [
    { name: 'node1', on: { ingress: '10.0.0.2', front: '10.0.1.2' }, gateway },
    { name: 'node2', on: { ingress: '10.0.0.3' }, gateway: { ...gateway, sandboxes: {} } },
  ],
  networks: [
    { name: 'ingress', ingress: true, subnets: [{ subnet: '10.0.0.0/24', gateway: '10.0.0.1', vni: 4096 }] },
    { name: 'front', subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4097 }] },
  ],
  services: [
    { name: 'web', on: { ingress: '10.0.0.9', front: '10.0.1.9' }, ports },
    { name: 'rr', mode: 'dnsrr' },
    { name: 'idle', on: { front: '10.0.1.10' } },
  ],
  tasks: [
    { name: 'web1', service: 'web', node: 'node1', on: { ingress: '10.0.0.4', front: '10.0.1.4' } },
    { name: 'rr1', service: 'rr', node: 'node1', on: { front: '10.0.1.5' } },
  ],
} satisfies SwarmSketch;
const swarm = swarmOf(base);

function withTask(change: Partial<TaskSketch>): Swarm {
  return swarmOf({ ...base, tasks: base.tasks.map((task) => (task.name === 'web1' ? { ...task, ...change } : task)) });
}

describe('published ports', () => {
  it('are sent to the ingress sandbox by every host, the last port first', () => {
    for (const node of ['node1', 'node2']) {
      const host = namespaceOf(swarm, node, 'host');
      expect(rulesOf(host, 'nat', 'DOCKER-INGRESS')).toEqual([
        '-A DOCKER-INGRESS -p sctp -m sctp --dport 9999 -j DNAT --to-destination 172.18.0.2:9999',
        '-A DOCKER-INGRESS -p udp -m udp --dport 5353 -j DNAT --to-destination 172.18.0.2:5353',
        '-A DOCKER-INGRESS -p tcp -m tcp --dport 8443 -j DNAT --to-destination 172.18.0.2:8443',
        '-A DOCKER-INGRESS -p tcp -m tcp --dport 8000 -j DNAT --to-destination 172.18.0.2:8000',
        '-A DOCKER-INGRESS -j RETURN',
      ]);
      expect(rulesOf(host, 'filter', 'DOCKER-INGRESS').slice(-3)).toEqual([
        '-A DOCKER-INGRESS -p tcp -m tcp --dport 8000 -j ACCEPT',
        '-A DOCKER-INGRESS -p tcp -m state --state RELATED,ESTABLISHED -m tcp --sport 8000 -j ACCEPT',
        '-A DOCKER-INGRESS -j RETURN',
      ]);
      expect(host.dump.sysctls).toEqual({ 'net.ipv4.ip_forward': '1', 'net.ipv4.conf.docker_gwbridge.route_localnet': '1' });
      expect([...host.optional]).toEqual([]);
    }
  });

  it('have one mark in the sandbox, by port and by VIP', () => {
    const sandbox = namespaceOf(swarm, 'node2', 'ingress_sbox');
    expect(rulesOf(sandbox, 'mangle', 'PREROUTING')).toEqual(
      ['tcp -m tcp --dport 8000', 'tcp -m tcp --dport 8443', 'udp -m udp --dport 5353', 'sctp -m sctp --dport 9999'].map(
        (flow) => `-A PREROUTING -p ${flow} -j MARK --set-xmark 0x100/0xffffffff`,
      ),
    );
    expect(rulesOf(sandbox, 'mangle', 'INPUT')).toEqual(['-A INPUT -d 10.0.0.9/32 -j MARK --set-xmark 0x100/0xffffffff']);
    expect(serversOf(sandbox)).toEqual(['-A -f 256 -s rr', '-a -f 256 -r 10.0.0.4:0 -m -w 1']);
    expect(addressesOf(sandbox)).toEqual({ lo: ['127.0.0.1/8'], eth0: ['10.0.0.3/24', '10.0.0.9/32'], eth1: ['172.18.0.2/16'] });
  });

  it('are all that a task answers on ingress', () => {
    const task = namespaceOf(swarm, 'node1', sandboxOf('web1'));
    expect(rulesOf(task, 'nat', 'PREROUTING')).toHaveLength(4);
    expect(rulesOf(task, 'nat', 'PREROUTING')[2]).toBe('-A PREROUTING -d 10.0.0.4/32 -p udp -m udp --dport 5353 -j REDIRECT --to-ports 53');
    expect(rulesOf(task, 'filter', 'INPUT')).toEqual([
      '-A INPUT -d 10.0.0.4/32 -p sctp -m sctp --dport 9999 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT',
      '-A INPUT -d 10.0.0.4/32 -p udp -m udp --dport 53 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT',
      '-A INPUT -d 10.0.0.4/32 -p tcp -m tcp --dport 443 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT',
      '-A INPUT -d 10.0.0.4/32 -p tcp -m tcp --dport 80 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT',
      '-A INPUT -d 10.0.0.4/32 -p sctp -j DROP',
      '-A INPUT -d 10.0.0.4/32 -p udp -j DROP',
      '-A INPUT -d 10.0.0.4/32 -p tcp -j DROP',
    ]);
    expect(rulesOf(task, 'filter', 'OUTPUT')[0]).toBe('-A OUTPUT -s 10.0.0.4/32 -p sctp -m sctp --sport 9999 -m conntrack --ctstate ESTABLISHED -j ACCEPT');
    expect(rulesOf(namespaceOf(swarm, 'node1', sandboxOf('rr1')), 'filter', 'INPUT')).toEqual([]);
  });

  it('with one target ask twice for the same rule, which Docker adds twice', () => {
    const twice = swarmOf({ ...base, services: [{ name: 'web', on: { ingress: '10.0.0.9' }, ports: [published(8000, 80), published(8001, 80)] }] });
    const task = namespaceOf(twice, 'node1', sandboxOf('web1'));
    expect(rulesOf(task, 'filter', 'INPUT').filter((text) => text.includes('--dport 80 '))).toHaveLength(2);
  });

  it('come after DOCKER-USER and before what isolates bridges', () => {
    expect(rulesOf(namespaceOf(swarm, 'node1', 'host'), 'filter', 'FORWARD').slice(0, 3)).toEqual([
      '-A FORWARD -j DOCKER-USER',
      '-A FORWARD -j DOCKER-INGRESS',
      '-A FORWARD -j DOCKER-ISOLATION-STAGE-1',
    ]);
  });

  it('come by jumps that Docker may leave twice', () => {
    const { repeatable } = namespaceOf(swarm, 'node1', 'host');
    expect([...repeatable]).toEqual(['rule/filter/FORWARD -j DOCKER-USER', 'rule/filter/FORWARD -j DOCKER-INGRESS']);
  });
});

describe('a swarm without published ports', () => {
  const plain = swarmOf({ ...base, services: [{ name: 'web', on: { front: '10.0.1.9' } }] });
  const host = namespaceOf(plain, 'node1', 'host');

  it('may have what the last one left behind', () => {
    expect(optionalOf(host, 'chain')).toEqual(['nat/DOCKER-INGRESS', 'filter/DOCKER-INGRESS']);
    expect(optionalOf(host, 'sysctl')).toEqual(['net.ipv4.conf.docker_gwbridge.route_localnet']);
    expect(optionalOf(host, 'rule')).toEqual([
      'nat/PREROUTING -m addrtype --dst-type LOCAL -j DOCKER-INGRESS',
      'nat/OUTPUT -m addrtype --dst-type LOCAL -j DOCKER-INGRESS',
      'nat/POSTROUTING -o docker_gwbridge -m addrtype --src-type LOCAL -j MASQUERADE',
      'filter/FORWARD -j DOCKER-INGRESS',
      'nat/DOCKER-INGRESS -j RETURN',
      'filter/DOCKER-INGRESS -j RETURN',
    ]);
    const sandbox = namespaceOf(plain, 'node1', 'ingress_sbox');
    expect(optionalOf(sandbox, 'rule')).toEqual(['nat/POSTROUTING -d 10.0.0.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.0.2']);
    expect(optionalOf(sandbox, 'sysctl')).toEqual(['net.ipv4.vs.conntrack']);
  });

  it('marks and balances nothing there', () => {
    expect(rulesOf(namespaceOf(plain, 'node1', 'ingress_sbox'), 'mangle', 'PREROUTING')).toEqual([]);
    expect(serversOf(namespaceOf(plain, 'node1', 'ingress_sbox'))).toEqual([]);
  });
});

describe('services of a network', () => {
  const balancer = namespaceOf(swarm, 'node1', 'lb_front0000');

  it('are balanced where they have a VIP and a task, and not with dnsrr', () => {
    expect(addressesOf(balancer).eth0).toEqual(['10.0.1.2/24', '10.0.1.9/32']);
    expect(rulesOf(balancer, 'mangle', 'INPUT')).toEqual(['-A INPUT -d 10.0.1.9/32 -j MARK --set-xmark 0x101/0xffffffff']);
    expect(serversOf(balancer)).toEqual(['-A -f 257 -s rr', '-a -f 257 -r 10.0.1.4:0 -m -w 1']);
  });

  it('are on the nodes that the network is on', () => {
    expect(dockerState(swarm, idOf('node1')).map(({ name, role }) => `${role} ${name}`)).toEqual([
      'host host',
      'overlay 1-ingress000',
      'ingress ingress_sbox',
      'overlay 1-front00000',
      'load-balancer lb_front0000',
      `task ${sandboxOf('web1')}`,
      `task ${sandboxOf('rr1')}`,
    ]);
    expect(dockerState(swarm, idOf('node2')).map(({ name }) => name)).toEqual(['host', '1-ingress000', 'ingress_sbox']);
    expect(dockerState(swarm, 'nobody')).toEqual([]);
  });

  it('say what each object is for', () => {
    const web = { serviceId: idOf('web'), networkId: idOf('front') };
    expect(balancer.origins.get('virtual-server/257')).toEqual(web);
    expect(balancer.origins.get('real-server/257/10.0.1.4:0')).toEqual({ ...web, taskId: idOf('web1'), nodeId: idOf('node1') });
    expect(
      namespaceOf(swarm, 'node1', 'ingress_sbox').origins.get('rule/mangle/PREROUTING -p tcp -m tcp --dport 8000 -j MARK --set-xmark 0x100/0xffffffff'),
    ).toEqual({
      serviceId: idOf('web'),
      networkId: idOf('ingress'),
      port: ports[0],
    });
  });
});

describe('a task that leaves', () => {
  const leaving = withTask({ state: 'leaving' });

  it('may be a real server, with weight 0 too', () => {
    const balancer = namespaceOf(leaving, 'node1', 'lb_front0000');
    expect([...balancer.draining]).toEqual(['real-server/257/10.0.1.4:0']);
    expect(optionalOf(balancer, 'real-server')).toEqual(['257/10.0.1.4:0']);
    expect(optionalOf(balancer, 'virtual-server')).toEqual(['257']);
    expect(optionalOf(balancer, 'address')).toEqual(['eth0/10.0.1.9/32']);
  });

  it('may have its namespace, its ports and its peers, and its service may be published', () => {
    const task = dockerState(leaving, idOf('node1')).find(({ name }) => name === sandboxOf('web1'));
    expect(task?.mayBeAbsent).toBe(true);
    const host = namespaceOf(leaving, 'node1', 'host');
    expect(optionalOf(host, 'port')).toEqual(['veth1']);
    expect(optionalOf(host, 'chain')).toHaveLength(2);
    expect(optionalOf(namespaceOf(leaving, 'node2', '1-ingress000'), 'neighbour')).toEqual(['vxlan0/10.0.0.4']);
  });

  it('leaves required what others need', () => {
    const two = swarmOf({
      ...base,
      tasks: [
        { name: 'web1', service: 'web', node: 'node1', state: 'leaving', on: { ingress: '10.0.0.4' } },
        { name: 'web2', service: 'web', node: 'node2', state: 'running', on: { ingress: '10.0.0.5' } },
      ],
    });
    const sandbox = namespaceOf(two, 'node1', 'ingress_sbox');
    expect([...sandbox.optional]).toEqual(['real-server/256/10.0.0.4:0']);
    expect(namespaceOf(two, 'node1', '1-ingress000').mayBeAbsent).toBe(false);
    expect(namespaceOf(two, 'node1', 'lb_front0000').mayBeAbsent).toBe(true);
  });
});

describe('a task that starts', () => {
  it('is a real server with weight 1 or none', () => {
    const balancer = namespaceOf(withTask({ state: 'starting' }), 'node1', 'lb_front0000');
    expect(optionalOf(balancer, 'real-server')).toEqual(['257/10.0.1.4:0']);
    expect([...balancer.draining]).toEqual([]);
  });

  it('may bring its network to the node', () => {
    const first = swarmOf({ ...base, tasks: [{ name: 'web2', service: 'web', node: 'node2', state: 'starting', sandbox: null, on: { front: '10.0.1.6' } }] });
    expect(dockerState(first, idOf('node2')).map(({ name, mayBeAbsent, known }) => [name, mayBeAbsent, known])).toEqual([
      ['host', false, true],
      ['1-ingress000', false, true],
      ['ingress_sbox', false, true],
      ['1-front00000', true, true],
      ['lb_front0000', true, false],
    ]);
  });
});

describe('ports of mode host', () => {
  const hostPort = (number: number, target: number, protocol: 'tcp' | 'sctp' = 'tcp') => published(number, target, { mode: 'host', protocol });
  const edge = {
    ...base,
    services: [{ name: 'web', on: { front: '10.0.1.9' }, ports: [hostPort(9000, 80)] }],
    tasks: [
      {
        name: 'web1',
        service: 'web',
        node: 'node1',
        on: { front: '10.0.1.4' },
        hostPorts: [hostPort(9000, 80), hostPort(9000, 80), hostPort(9001, 80), hostPort(9002, 7, 'sctp'), hostPort(0, 81)],
      },
    ],
  };
  const host = namespaceOf(swarmOf(edge), 'node1', 'host');

  it('are sent to the task on docker_gwbridge of its node', () => {
    expect(rulesOf(host, 'nat', 'DOCKER')).toEqual([
      '-A DOCKER -i docker_gwbridge -j RETURN',
      '-A DOCKER ! -i docker_gwbridge -p tcp -m tcp --dport 9000 -j DNAT --to-destination 172.18.0.3:80',
      '-A DOCKER ! -i docker_gwbridge -p tcp -m tcp --dport 9001 -j DNAT --to-destination 172.18.0.3:80',
      '-A DOCKER ! -i docker_gwbridge -p sctp -m sctp --dport 9002 -j DNAT --to-destination 172.18.0.3:7',
    ]);
    expect(rulesOf(host, 'filter', 'DOCKER')).toEqual(
      ['tcp -m tcp --dport 80', 'sctp -m sctp --dport 7', 'tcp -m tcp --dport 81'].map(
        (flow) => `-A DOCKER -d 172.18.0.3/32 ! -i docker_gwbridge -o docker_gwbridge -p ${flow} -j ACCEPT`,
      ),
    );
    expect(rulesOf(host, 'nat', 'POSTROUTING')).toContain('-A POSTROUTING -s 172.18.0.3/32 -d 172.18.0.3/32 -p tcp -m tcp --dport 80 -j MASQUERADE');
    expect(rulesOf(host, 'mangle', 'POSTROUTING')).toEqual(['-A POSTROUTING -p sctp -m sctp --sport 7 -j CHECKSUM --checksum-fill']);
    expect(rulesOf(namespaceOf(swarmOf(edge), 'node2', 'host'), 'nat', 'DOCKER')).toEqual(['-A DOCKER -i docker_gwbridge -j RETURN']);
  });

  it('make nothing of the routing mesh', () => {
    expect(rulesOf(host, 'nat', 'DOCKER-INGRESS')).toEqual(['-A DOCKER-INGRESS -j RETURN']);
    expect(optionalOf(host, 'chain')).toHaveLength(2);
    expect(serversOf(namespaceOf(swarmOf(edge), 'node1', 'ingress_sbox'))).toEqual([]);
    expect(rulesOf(namespaceOf(swarmOf(edge), 'node1', sandboxOf('web1')), 'nat', 'PREROUTING')).toEqual([]);
  });

  it('count their sandbox among the ports of docker_gwbridge', () => {
    expect(portsOf(host)).toEqual({ docker_gwbridge: 2 });
    expect(host.origins.get('port/veth1')).toMatchObject({ taskId: idOf('web1') });
  });
});
