import { type EngineDocuments, readSwarm } from '@portolan/swarm';
import { describe, expect, it } from 'vitest';
import { captured } from './engine-capture.js';

const OVERLAY = 'mou30nzwnsp30kftxmbcapqw9';
const INGRESS = 'urw018v8vm39cqnbyurhjkpca';
const base = captured();

type Fields = Record<string, unknown>;

/** The capture with the objects of one file changed. */
function changed(file: 'services' | 'tasks' | 'nodes', change: (elements: Fields[]) => unknown): EngineDocuments {
  const elements = JSON.parse(base[file] ?? '') as Fields[];
  return { ...base, [file]: JSON.stringify(change(elements) ?? elements) };
}

function changedNetworks(node: string, change: (elements: Fields[]) => unknown): EngineDocuments {
  const elements = JSON.parse(base.networks.get(node) ?? '') as Fields[];
  return { ...base, networks: new Map([...base.networks, [node, JSON.stringify(change(elements) ?? elements)]]) };
}

const everywhere = (change: (network: Fields) => Fields): EngineDocuments => ({
  ...base,
  networks: new Map([...base.networks].map(([node, text]) => [node, JSON.stringify((JSON.parse(text) as Fields[]).map(change))])),
});

const messages = (documents: EngineDocuments): readonly string[] => readSwarm(documents).faults.map(({ file, message }) => `${file}: ${message}`);
const merge = (target: Fields | undefined, name: string, fields: Fields): void => {
  if (target !== undefined) target[name] = { ...(target[name] as Fields), ...fields };
};

describe('a real swarm', () => {
  const { swarm, faults } = readSwarm(base);

  it('is read whole', () => {
    expect(faults).toEqual([]);
    expect(swarm.nodes.map(({ name, role, availability, state, address }) => [name, role, availability, state, address])).toEqual([
      ['node1', 'manager', 'active', 'ready', '172.16.130.140'],
      ['node2', 'worker', 'active', 'ready', '172.16.130.164'],
      ['node3', 'worker', 'active', 'ready', '172.16.130.170'],
    ]);
    const facts = { internal: false, attachable: false, mtu: 1500, encrypted: false, dsr: false };
    expect(swarm.networks).toEqual([
      { id: OVERLAY, name: 'bjdt_overlay', ingress: false, subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4097 }], ...facts },
      { id: INGRESS, name: 'ingress', ingress: true, subnets: [{ subnet: '10.0.0.0/24', gateway: '10.0.0.1', vni: 4096 }], ...facts },
    ]);
  });

  it('has services with VIPs and ports, tasks with sandboxes and addresses', () => {
    expect(swarm.services).toEqual([
      expect.objectContaining({ name: 'api', mode: 'vip', vips: [{ networkId: OVERLAY, address: '10.0.1.2' }], ports: [] }),
      {
        id: 'mubsdb0nyclbum93fp6vu2qf5',
        name: 'web',
        mode: 'vip',
        vips: [
          { networkId: OVERLAY, address: '10.0.1.9' },
          { networkId: INGRESS, address: '10.0.0.5' },
        ],
        ports: [{ protocol: 'tcp', target: 80, published: 8000, mode: 'ingress' }],
        networks: [{ networkId: OVERLAY, aliases: [] }],
      },
    ]);
    expect(swarm.tasks.map(({ name, state, sandbox }) => [name, state, sandbox])).toEqual([
      ['api.1.uuviex6j14of630u506a2iikc', 'running', '7d8ff9e41bb8'],
      ['api.2.w7thdzi7dsdwtn1iroaq5fmfo', 'running', 'c9cc27225b5a'],
      ['api.3.7l0vbkji8o0e7i8n9ioa2cdtj', 'running', '03f441693a46'],
      ['web.1.nbt9ucn3j6aldvnn349b5zm4n', 'running', '4f17a216a607'],
      ['web.2.sw7bjhl013lsn2ucb2n56qpdt', 'running', '399ae6370db7'],
    ]);
    expect(swarm.tasks[4]?.addresses).toEqual([
      { networkId: OVERLAY, address: '10.0.1.11', prefixLength: 24, mac: '02:42:0a:00:01:0b' },
      { networkId: INGRESS, address: '10.0.0.7', prefixLength: 24, mac: '02:42:0a:00:00:07' },
    ]);
  });

  it("has each node's own addresses and its bridge", () => {
    expect(swarm.nodes[2]?.balancers).toEqual([
      { networkId: OVERLAY, address: '10.0.1.7', mac: '02:42:0a:00:01:07' },
      { networkId: INGRESS, address: '10.0.0.4', mac: '02:42:0a:00:00:04' },
    ]);
    expect(swarm.nodes[2]?.gateway).toEqual({
      subnet: '172.18.0.0/16',
      gateway: '172.18.0.1',
      ingress: '172.18.0.2',
      sandboxes: { c9cc27225b5a: '172.18.0.3' },
    });
  });
});

describe('what a node says of its networks', () => {
  it('counts before what the managers say of its address', () => {
    const documents = changed('nodes', ([node1, node2]) => {
      merge(node1, 'Status', { Addr: '0.0.0.0' });
      merge(node2, 'Status', { Addr: '192.0.2.77' });
    });
    expect(readSwarm(documents).swarm.nodes.map(({ address }) => address)).toEqual(['172.16.130.140', '172.16.130.164', '172.16.130.170']);
  });

  it('is missing: then the manager address counts where the status has none, and nothing of the node is known', () => {
    const documents = changed('nodes', ([node1]) => merge(node1, 'Status', { Addr: '0.0.0.0' }));
    const [node1] = readSwarm({ ...documents, networks: new Map([...base.networks].filter(([node]) => node !== 'node1')) }).swarm.nodes;
    expect([node1?.address, node1?.balancers, node1?.gateway]).toEqual(['172.16.130.140', null, null]);
  });

  it('tells networks that a manager lists from those that are there', () => {
    const documents = changedNetworks('node1', (networks) =>
      networks.map((network) => (network.Id === OVERLAY ? { ...network, IPAM: { Config: null }, Containers: null, Peers: null, Services: null } : network)),
    );
    const { swarm, faults } = readSwarm(documents);
    expect(swarm.nodes[0]?.balancers?.map(({ networkId }) => networkId)).toEqual([INGRESS]);
    expect(swarm.networks[0]?.subnets).toEqual([{ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4097 }]);
    expect(faults).toEqual([]);
  });

  it('names containers that are no tasks, and tasks that the manager has forgotten', () => {
    const id = 'e'.repeat(64);
    const place = { Name: 'probe', EndpointID: 'f', MacAddress: '02:42:0A:00:01:63', IPv4Address: '10.0.1.99/24' };
    const added = readSwarm(
      changedNetworks('node3', (networks) => {
        merge(networks[0], 'Containers', { [id]: place });
      }),
    ).swarm;
    const address = { networkId: OVERLAY, address: '10.0.1.99', prefixLength: 24, mac: '02:42:0a:00:01:63' };
    expect(added.nodes[2]?.containers).toEqual([{ containerId: id, sandbox: null, addresses: [address] }]);

    const left = readSwarm(changed('tasks', (tasks) => tasks.slice(1))).swarm;
    expect(left.tasks.find(({ id: taskId }) => taskId === 'uuviex6j14of630u506a2iikc')).toMatchObject({
      name: 'api.1.uuviex6j14of630u506a2iikc',
      serviceId: 'ia69keu94mmbbz3kwree2vf28',
      state: 'leaving',
      sandbox: '7d8ff9e41bb8',
      addresses: [{ address: '10.0.1.3' }],
    });
  });

  it('is a fault where containers are on a network without its load balancer', () => {
    const documents = changedNetworks('node3', ([overlay]) => {
      if (overlay !== undefined)
        overlay.Containers = Object.fromEntries(Object.entries(overlay.Containers as Fields).filter(([key]) => key !== 'lb-bjdt_overlay'));
    });
    expect(messages(documents)).toEqual(['node3.networks.json: /0/Containers: containers of the node are on "bjdt_overlay", but "lb-bjdt_overlay" is not']);
  });

  it('takes the options of a network, several subnets, and a gateway of a name of its own', () => {
    const { swarm } = readSwarm(
      everywhere((network) =>
        network.Id !== OVERLAY
          ? network
          : {
              ...network,
              Internal: true,
              Attachable: true,
              EnableIPv6: true,
              IPAM: { Config: [{ Subnet: '10.0.1.0/24' }, { Subnet: 'fd00::/64' }, { Subnet: '10.0.9.7/25', Gateway: '10.0.9.5' }] },
              Options: {
                'com.docker.network.driver.overlay.vxlanid_list': '4097,4105',
                'com.docker.network.driver.mtu': '1400',
                encrypted: '',
                dsr: '',
              },
            },
      ),
    );
    expect(swarm.networks[0]).toEqual({
      id: OVERLAY,
      name: 'bjdt_overlay',
      ingress: false,
      subnets: [
        { subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4097 },
        { subnet: '10.0.9.0/25', gateway: '10.0.9.5', vni: 4105 },
      ],
      mtu: 1400,
      encrypted: true,
      dsr: true,
      internal: true,
      attachable: true,
      ipv6: true,
    });
  });
});

describe('tasks and services', () => {
  const states = (desired: string, state: string): readonly string[] =>
    readSwarm(
      changed('tasks', ([first]) => {
        if (first !== undefined) first.DesiredState = desired;
        merge(first, 'Status', { State: state });
      }),
    )
      .swarm.tasks.filter(({ id }) => id === 'uuviex6j14of630u506a2iikc')
      .map((task) => task.state);

  it.each([
    ['running', 'running', 'running'],
    ['complete', 'running', 'running'],
    ['running', 'preparing', 'starting'],
    ['ready', 'ready', 'starting'],
    ['shutdown', 'running', 'leaving'],
    ['remove', 'starting', 'leaving'],
    // It has ended, but its node has not removed it yet.
    ['shutdown', 'complete', 'leaving'],
  ])('desired %s and in state %s is %s', (desired, state, expected) => {
    expect(states(desired, state)).toEqual([expected]);
  });

  it('leaves out a task that has ended and that no node has', () => {
    const tasks = changed('tasks', ([first]) => merge(first, 'Status', { State: 'failed' }));
    expect(readSwarm({ ...tasks, networks: new Map([...base.networks].filter(([node]) => node !== 'node2')) }).swarm.tasks).not.toContainEqual(
      expect.objectContaining({ id: 'uuviex6j14of630u506a2iikc' }),
    );
  });

  it('takes ports as they are allocated, targets by name, aliases, and host ports of tasks', () => {
    const documents = changed('services', ([, web]) => {
      const ports = [
        { Protocol: 'udp', TargetPort: 53, PublishedPort: 30000, PublishMode: 'ingress' },
        { Protocol: 'tcp', TargetPort: 80, PublishMode: 'host' },
      ];
      merge(web, 'Endpoint', { Ports: ports });
      merge(web, 'Spec', { TaskTemplate: { Networks: [{ Target: 'bjdt_overlay', Aliases: ['www', 'site'] }, { Target: 'host' }] } });
    });
    const [, web] = readSwarm(documents).swarm.services;
    expect(web?.ports).toEqual([
      { protocol: 'tcp', target: 80, published: 0, mode: 'host' },
      { protocol: 'udp', target: 53, published: 30000, mode: 'ingress' },
    ]);
    expect(web?.networks).toEqual([{ networkId: OVERLAY, aliases: ['site', 'www'] }]);
    // One for IPv4 and one for IPv6.
    const port = { Protocol: 'tcp', TargetPort: 80, PublishedPort: 32768, PublishMode: 'host' };
    const held = changed('tasks', ([first]) => merge(first, 'Status', { PortStatus: { Ports: [port, port] } }));
    expect(readSwarm(held).swarm.tasks[0]?.hostPorts).toEqual([{ protocol: 'tcp', target: 80, published: 32768, mode: 'host' }]);
  });

  it('reads the networks of a service where old clients wrote them, and dnsrr without addresses', () => {
    const documents = changed('services', ([api]) => {
      merge(api, 'Spec', { TaskTemplate: {}, Networks: [{ Target: OVERLAY }] });
      merge(api, 'Endpoint', { Spec: { Mode: 'dnsrr' }, VirtualIPs: [{ NetworkID: OVERLAY, Addr: '' }] });
    });
    expect(readSwarm(documents).swarm.services[0]).toMatchObject({ mode: 'dnsrr', vips: [], networks: [{ networkId: OVERLAY, aliases: [] }] });
  });

  it('names the tasks of a global service by their nodes', () => {
    const documents = changed('tasks', ([first]) => {
      delete first?.Slot;
    });
    expect(readSwarm(documents).swarm.tasks.map(({ name }) => name)).toContain('api.7q0kj82n5aavckbxrve9ubz7h.uuviex6j14of630u506a2iikc');
  });

  it('knows a network by its tasks alone', () => {
    const without = everywhere((network) => network);
    const networks = new Map(
      [...without.networks].map(([node, text]) => [node, JSON.stringify((JSON.parse(text) as Fields[]).filter(({ Id }) => Id !== OVERLAY))]),
    );
    expect(readSwarm({ ...base, networks }).swarm.networks[0]).toMatchObject({
      id: OVERLAY,
      name: 'bjdt_overlay',
      subnets: [{ vni: 4097, gateway: '10.0.1.1' }],
    });
  });
});

describe('what other versions of Docker write', () => {
  it('null, nothing or an empty text where 20.10 has something: all of it is nothing', () => {
    const strip = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.length === 0 ? null : value.map(strip);
      if (value === null || typeof value !== 'object') return value;
      return Object.fromEntries(
        Object.entries(value)
          .filter(([, member]) => member !== '' && member !== false && !(typeof member === 'object' && member !== null && Object.keys(member).length === 0))
          .map(([name, member]) => [name, strip(member)]),
      );
    };
    const stripped = (text: string): string => JSON.stringify(strip(JSON.parse(text)));
    const networks = new Map([...base.networks].map(([node, text]) => [node, stripped(text)]));
    const sparse = { services: stripped(base.services ?? ''), tasks: stripped(base.tasks ?? ''), nodes: stripped(base.nodes ?? ''), networks };
    expect(readSwarm(sparse)).toEqual(readSwarm(base));
  });

  it('more fields, IPv6 addresses beside the others, and endpoints without a sandbox', () => {
    const documents = everywhere((network) => ({
      ...network,
      EnableIPv4: true,
      Status: { IPAM: {} },
      Containers: { ...(network.Containers as Fields), 'ep-0123': { Name: 'half', IPv4Address: '10.0.1.77/24' } },
    }));
    const tasks = (JSON.parse(base.tasks ?? '') as { NetworksAttachments: { Addresses: string[] }[] }[]).map((task) => ({
      ...task,
      NetworksAttachments: task.NetworksAttachments.map((attachment) => ({ ...attachment, Addresses: ['fd00::3/64', ...attachment.Addresses] })),
    }));
    expect(readSwarm({ ...documents, tasks: JSON.stringify(tasks) })).toEqual(readSwarm(base));
  });

  it('other drivers are left out', () => {
    const documents = everywhere((network) => (network.Id === INGRESS ? network : { ...network, Driver: 'weave' }));
    expect(readSwarm(documents).swarm.nodes.map(({ balancers }) => balancers?.length)).toEqual([1, 1, 1]);
  });
});

describe('what cannot be read is named, and the rest counts', () => {
  it('half-written JSON, with the place', () => {
    const half = (base.services ?? '').slice(0, 2000);
    const lines = half.trimEnd().split('\n');
    expect(messages({ ...base, services: half })).toEqual([
      `services.json: is cut off: the JSON ends at line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`,
    ]);
    expect(messages({ ...base, services: '[\n  {"ID": nonsense}\n]' })).toEqual(['services.json: is no JSON from line 2, column 11 on']);
    expect(messages({ ...base, services: '<html>' })).toEqual(['services.json: is no JSON from line 1, column 1 on']);
    expect(messages({ ...base, services: '[1]]' })).toEqual(['services.json: is no JSON from line 1, column 4 on']);
    expect(readSwarm({ ...base, services: half }).swarm.tasks).toHaveLength(5);
  });

  it('at every place where it can be cut', () => {
    const text = base.networks.get('node3') ?? '';
    for (let end = 1; end < text.trimEnd().length; end += 97) {
      const { faults, swarm } = readSwarm({ ...base, networks: new Map([...base.networks, ['node3', text.slice(0, end)]]) });
      expect(faults.map(({ file }) => file)).toEqual(['node3.networks.json']);
      expect(swarm.nodes[2]?.balancers).toBeNull();
    }
  });

  it('files that are not there, and an error of Docker instead of a list', () => {
    expect(messages({ services: null, tasks: null, nodes: null, networks: new Map() })).toEqual([
      'nodes.json: is missing',
      'services.json: is missing',
      'tasks.json: is missing',
      'NODE.networks.json: there is none',
    ]);
    expect(messages({ ...base, nodes: '{"message":"This node is not a swarm manager."}' })[0]).toBe(
      'nodes.json: is no list but an error of Docker: This node is not a swarm manager.',
    );
  });

  it('wrong types by their paths', () => {
    const documents = changed('services', (services) => merge(services[1], 'Endpoint', { VirtualIPs: [{ NetworkID: INGRESS, Addr: 5 }] }));
    expect(messages(documents)).toEqual(['services.json: /1/Endpoint/VirtualIPs/0/Addr: must be string']);
    expect(readSwarm(documents).swarm.services.map(({ name }) => name)).toEqual(['api']);
    const vip = changed('services', (services) => merge(services[1], 'Endpoint', { VirtualIPs: [{ NetworkID: INGRESS, Addr: '10.0.0.5' }] }));
    expect(messages(vip)).toEqual(['services.json: /1/Endpoint/VirtualIPs/0/Addr: "10.0.0.5" is no IPv4 address with a prefix length']);
    const vni = everywhere((network) => (network.Id === OVERLAY ? { ...network, Options: {} } : network));
    expect(readSwarm({ ...vni, tasks: '[]' }).faults.map(({ message }) => message)).toContain('no node says which subnets the network "bjdt_overlay" has');
  });

  it('an empty file is no services, no tasks; unless somebody knows some', () => {
    const empty = everywhere((network) => ({ ...network, Services: {}, Containers: pickSandboxes(network.Containers) }));
    expect(readSwarm({ ...empty, services: '', tasks: '\n' }).faults).toEqual([]);
    expect(readSwarm({ ...empty, services: '', tasks: '\n' }).swarm).toMatchObject({ services: [], tasks: [] });
    expect(messages({ ...base, services: '' })).toEqual([expect.stringContaining('services.json: is empty, but tasks.json has the task')]);
    expect(messages({ ...base, tasks: '' })).toEqual([expect.stringMatching(/^tasks\.json: is empty, but node1\.networks\.json has the task web\.2\./)]);
    expect(messages({ ...base, nodes: '' })[0]).toBe('nodes.json: is empty, but a swarm has a manager at least');
    expect(messages({ ...base, networks: new Map([...base.networks, ['node2', '']]) })).toEqual(['node2.networks.json: is empty']);
  });

  it('nodes of no address, of one name, and of no swarm', () => {
    const lost = changed('nodes', (nodes) => merge(nodes[2], 'Status', { Addr: 'fd00::1' }));
    const networks = new Map([...base.networks].filter(([node]) => node !== 'node3'));
    expect(messages({ ...lost, networks })).toEqual(['nodes.json: /2/Status/Addr: the node "node3" has no IPv4 address: fd00::1']);
    expect(messages({ ...base, networks: new Map([...base.networks, ['node9', '[]']]) })).toEqual([
      'node9.networks.json: no node of nodes.json is called "node9"',
    ]);
    const twins = changed('nodes', (nodes) => merge(nodes[2], 'Description', { Hostname: 'node2' }));
    expect(messages(twins)).toEqual([
      'node2.networks.json: 2 nodes of nodes.json are called "node2"',
      'node3.networks.json: no node of nodes.json is called "node3"',
    ]);
    const byId = new Map([...base.networks].map(([node, text]) => [node === 'node3' ? 'th4tl3nbtog7y5vb5mfgx9zhp' : node, text]));
    expect(readSwarm({ ...base, networks: byId }).swarm.nodes.map(({ name, balancers }) => [name, balancers?.length])).toEqual([
      ['node1', 2],
      ['node2', 2],
      ['th4tl3nbtog7y5vb5mfgx9zhp', 2],
    ]);
  });
});

/** Without the containers of tasks. */
function pickSandboxes(containers: unknown): Fields {
  return Object.fromEntries(Object.entries((containers ?? {}) as Fields).filter(([key]) => key.startsWith('lb-') || key === 'ingress-sbox'));
}
