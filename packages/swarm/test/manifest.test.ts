import { checkSnapshot } from '@portolan/check';
import { applyManifest, parseManifest } from '@portolan/intent';
import type { Snapshot } from '@portolan/model';
import { manifestOfSwarm, readSwarm, type Swarm, type SwarmNetwork, swarmOfSnapshot } from '@portolan/swarm';
import { emptySnapshot, seededIds } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { captured } from './engine-capture.js';

const { swarm } = readSwarm(captured());
const [front, mesh] = swarm.networks as readonly [SwarmNetwork, SwarmNetwork];

/** The manifest, applied to a cluster with nothing in it; it must be one that the control plane takes, and sound. */
function applied(own: Swarm): { readonly snapshot: Snapshot; readonly notes: readonly string[] } {
  const { manifest, notes } = manifestOfSwarm(own);
  const document = parseManifest(JSON.parse(JSON.stringify(manifest)));
  const snapshot = applyManifest(emptySnapshot('swarm'), document, seededIds(1), { now: 0 });
  expect(checkSnapshot(snapshot).filter(({ severity }) => severity === 'block')).toEqual([]);
  return { snapshot, notes };
}

/** The swarm with names instead of the ids that Portolan gives anew, and without what it does not know. */
function settled({ nodes, networks, services, tasks }: Swarm): unknown {
  const nodeName = new Map(nodes.map(({ id, name }) => [id, name]));
  const serviceName = new Map(services.map(({ id, name }) => [id, name]));
  return {
    nodes: nodes.map(({ id: _id, engineVersion: _version, ...node }) => node),
    networks,
    services: services.map(({ id: _id, ...service }) => service),
    tasks: tasks.map(({ nodeId, serviceId, containerId, sandbox, ...task }) => ({
      ...task,
      node: nodeName.get(nodeId),
      service: serviceName.get(serviceId),
      place: sandbox ?? containerId,
    })),
  };
}

const changed = (change: Partial<Swarm>): Swarm => ({ ...swarm, ...change });

describe('the manifest of a real swarm', () => {
  it('keeps every address, VNI and port when it is applied: the cluster is the same swarm again', () => {
    const { snapshot, notes } = applied(swarm);
    expect(notes).toEqual([]);
    expect(settled(swarmOfSnapshot(snapshot))).toEqual(settled(swarm));
    expect(snapshot.cluster.settings).toMatchObject({ gatewaySubnet: '172.18.0.0/16', ipvsTimeouts: { tcp: 900, tcpFin: 120, udp: 300 } });
  });

  it('has what its objects are called and attached by', () => {
    const { manifest } = manifestOfSwarm(swarm);
    expect(manifest.nodes?.[0]).toEqual({
      name: 'node1',
      role: 'manager',
      address: '172.16.130.140',
      addresses: [
        { network: 'bjdt_overlay', address: '10.0.1.8' },
        { network: 'ingress', address: '10.0.0.2' },
      ],
    });
    expect(manifest.endpoints?.[4]).toEqual({
      name: 'web.2.sw7bjhl013lsn2ucb2n56qpdt',
      service: 'web',
      node: 'node1',
      attachment: { netns: '/var/run/docker/netns/399ae6370db7' },
      addresses: [
        { network: 'bjdt_overlay', address: '10.0.1.11' },
        { network: 'ingress', address: '10.0.0.7' },
      ],
      gateway: { address: '172.18.0.3' },
    });
    expect(manifest.services?.[1]).toEqual({
      name: 'web',
      networks: [
        { network: 'bjdt_overlay', vip: '10.0.1.9' },
        { network: 'ingress', vip: '10.0.0.5' },
      ],
      ports: [{ target: 80, published: 8000 }],
    });
  });

  it('keeps what networks and services can be besides', () => {
    const rich = changed({
      networks: [{ ...front, attachable: true, mtu: 1400, dsr: true, subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.254', vni: 5000 }] }, mesh],
      services: swarm.services.map((service) => ({
        ...service,
        networks: service.networks.map((own) => ({ ...own, aliases: ['www'] })),
        ...(service.name === 'api'
          ? { mode: 'dnsrr' as const, vips: [], ports: [{ protocol: 'udp' as const, target: 53, published: 5353, mode: 'host' as const }] }
          : {}),
      })),
      tasks: swarm.tasks.map((task) => ({
        ...task,
        hostPorts: task.name.startsWith('api') ? [{ protocol: 'udp' as const, target: 53, published: 5353, mode: 'host' as const }] : [],
      })),
      nodes: swarm.nodes.map((node, i) =>
        i === 2
          ? {
              ...node,
              availability: 'pause' as const,
              gateway: node.gateway === null ? null : { ...node.gateway, sandboxes: { ...node.gateway.sandboxes, feedfeedfeed: '172.18.0.9' } },
              containers: [
                {
                  containerId: 'f'.repeat(64),
                  sandbox: 'feedfeedfeed',
                  addresses: [{ networkId: front.id, address: '10.0.1.99', prefixLength: 24, mac: '02:42:0a:00:01:63' }],
                },
              ],
            }
          : node,
      ),
    });
    const { snapshot, notes } = applied(rich);
    expect(notes).toEqual([]);
    const back = swarmOfSnapshot(snapshot);
    // The id of a container stands nowhere where its namespace does.
    const containers = back.nodes[2]?.containers.map((container) => ({ ...container, containerId: 'f'.repeat(64) }));
    expect(settled({ ...back, nodes: back.nodes.map((node, i) => (i === 2 ? { ...node, containers: containers ?? [] } : node)) })).toEqual(settled(rich));
  });

  it('attaches tasks of internal networks by their containers', () => {
    const inside = changed({
      networks: [{ ...front, internal: true }, mesh],
      tasks: swarm.tasks.map((task) => ({ ...task, sandbox: null })),
      nodes: swarm.nodes.map((node) => ({ ...node, gateway: node.gateway === null ? null : { ...node.gateway, sandboxes: {} } })),
    });
    const { snapshot, notes } = applied(inside);
    expect(notes).toEqual([]);
    expect(settled(swarmOfSnapshot(snapshot))).toEqual(settled(inside));
  });
});

describe('what Portolan cannot express', () => {
  const notesOf = (own: Swarm): readonly string[] => applied(own).notes;

  it('is a note: encryption, IPv6, subnets of which Portolan has one', () => {
    const extra = { subnet: '10.0.9.0/24', gateway: '10.0.9.1', vni: 4200 };
    const odd = changed({
      networks: [
        { ...front, encrypted: true, ipv6: true, dsr: true, subnets: [...front.subnets, extra] },
        { ...mesh, mtu: 300, dsr: true },
      ],
    });
    expect(notesOf(odd)).toEqual([
      'the network "bjdt_overlay" is encrypted: Portolan sends its packets as they are',
      'the network "bjdt_overlay" has IPv6: Portolan carries IPv4 only',
      'the network "bjdt_overlay" has several subnets, with which Portolan has no direct server return: it is off',
      'the network "ingress" has an MTU of 300 bytes, which is out of range: it is computed',
      'the network "ingress" is the ingress network, of which Portolan has no direct server return: it is off',
    ]);
  });

  it('is a note: VIPs outside the first subnet, ports that Docker chooses, services on no overlay, aliases', () => {
    const extra = { subnet: '10.0.9.0/24', gateway: '10.0.9.1', vni: 4200 };
    const [api, web] = swarm.services as readonly [Swarm['services'][number], Swarm['services'][number]];
    const odd = changed({
      networks: [{ ...front, subnets: [...front.subnets, extra] }, mesh],
      services: [
        {
          ...api,
          vips: [{ networkId: front.id, address: '10.0.9.7' }],
          networks: [{ networkId: front.id, aliases: ['ok', 'not ok'] }],
          ports: [{ protocol: 'tcp', target: 80, published: 0, mode: 'host' }],
        },
        web,
        { id: 'h'.repeat(25), name: 'hosted', mode: 'dnsrr', vips: [], ports: [{ protocol: 'tcp', target: 1, published: 9, mode: 'host' }], networks: [] },
      ],
    });
    expect(notesOf(odd)).toEqual([
      'the service "api" publishes 80/tcp on ports that Docker chooses for each task: Portolan chooses one for all',
      'the service "api" has the VIP 10.0.9.7 on "bjdt_overlay", which is not in its first subnet: it gets another one',
      'the service "api" loses the alias "not ok" on "bjdt_overlay": Portolan does not take it',
      'the service "hosted" publishes 9/tcp on its nodes, but has no overlay network with a way out: the port is left out',
      'the service "hosted" is on no overlay network: it is left out',
    ]);
  });

  it('is a note: tasks that come and go, nodes of which nothing is known, and host-local addresses that others have', () => {
    const [node1, node2, node3] = swarm.nodes as readonly [Swarm['nodes'][number], Swarm['nodes'][number], Swarm['nodes'][number]];
    const gateway = { subnet: '172.19.0.0/16', gateway: '172.19.0.1', ingress: '172.19.0.2', sandboxes: { c9cc27225b5a: '172.19.0.3' } };
    const swapped = { subnet: '172.18.0.0/16', gateway: '172.18.0.1', ingress: '172.18.0.4', sandboxes: { '399ae6370db7': '172.18.0.2' } };
    const odd = changed({
      nodes: [
        { ...node1, gateway: swapped },
        { ...node2, balancers: null, gateway: null },
        { ...node3, gateway },
      ],
      tasks: swarm.tasks.flatMap((task, i) =>
        i === 0 ? [{ ...task, state: 'leaving' as const }] : i === 1 ? [{ ...task, containerId: null, sandbox: null }] : [task],
      ),
    });
    const { snapshot, notes } = applied(odd);
    expect(notes).toEqual([
      'the ingress sandbox of the node "node1" has the host-local address 172.18.0.4: it becomes 172.18.0.2',
      'docker_gwbridge of the node "node3" has 172.19.0.0/16: its host-local addresses become others, in 172.18.0.0/16',
      'the task "api.1.uuviex6j14of630u506a2iikc" leaves: it is left out',
      'the task "api.2.w7thdzi7dsdwtn1iroaq5fmfo" has no container yet: it is left out',
      `the task "web.2.sw7bjhl013lsn2ucb2n56qpdt" has the host-local address 172.18.0.2, which is the ingress sandbox's in Portolan: it gets another one`,
      'nothing was collected of the node "node2": its own addresses on networks are allocated anew',
    ]);
    expect(snapshot.endpoints.size).toBe(3);
  });

  it('is a note: names that do not fit, or fit twice', () => {
    const long = `${'x'.repeat(60)}.1.${swarm.tasks[0]?.id}`;
    const odd = changed({
      networks: [{ ...front, name: 'my network' }, mesh],
      nodes: swarm.nodes.map((node) => ({ ...node, name: 'host' })),
      tasks: swarm.tasks.map((task, i) => (i === 0 ? { ...task, name: long } : task)),
    });
    const { snapshot, notes } = applied(odd);
    expect([...snapshot.nodes.values()].map(({ name }) => name)).toEqual(['host', 'host-2', 'host-3']);
    const [first] = [...snapshot.endpoints.values()].filter(({ name }) => name.startsWith('xxx'));
    expect(first?.name).toHaveLength(63);
    expect(swarmOfSnapshot(snapshot).tasks.map(({ id }) => id)).toContain(swarm.tasks[0]?.id);
    expect(notes).toHaveLength(4);
    expect(notes[2]).toMatch(/^the network "my network" is called "my-network"/);
  });
});
