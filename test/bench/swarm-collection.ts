import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { printNamespace, withKernelParts } from '@portolan/dump';
import { dockerState, type EngineDocuments, type ExpectedNamespace, readSwarm, swarmIndex } from '@portolan/swarm';

export interface SwarmSize {
  readonly nodes: number;
  readonly services: number;
  /** Of each service. */
  readonly tasks: number;
  /** Overlays besides ingress; services take turns. */
  readonly networks: number;
}

const capture = fileURLToPath(new URL('../../packages/swarm/test/fixtures/capture', import.meta.url));

/** Settings as a real node of each kind prints them. */
const settingsOf: Readonly<Record<ExpectedNamespace['role'], string>> = {
  host: settingsIn('node1.host.txt'),
  overlay: settingsIn('node1.ns.1-mou30nzwns.txt'),
  'load-balancer': settingsIn('node1.ns.lb_mou30nzwn.txt'),
  ingress: settingsIn('node1.ns.ingress_sbox.txt'),
  task: settingsIn('node1.ns.03f441693a46.txt'),
};

function settingsIn(file: string): string {
  const text = readFileSync(join(capture, file), 'utf8');
  return text.slice(text.indexOf('# sysctl'));
}

/**
 * Writes the collection of a large swarm to a directory, as `portolan swarm collect` would have on each of its nodes: half of its services publish a port. Returns
 * how many files there are and what they hold, in bytes.
 */
export function writeLargeSwarm(directory: string, size: SwarmSize): { readonly files: number; readonly bytes: number } {
  mkdirSync(directory, { recursive: true });
  const documents = engineDocuments(size);
  const { swarm, faults } = readSwarm(documents);
  if (faults.length > 0) throw new Error(`the swarm of the bench is not whole: ${faults[0]?.file}: ${faults[0]?.message}`);
  let files = 0;
  let bytes = 0;
  const write = (name: string, text: string): void => {
    writeFileSync(join(directory, name), text);
    files++;
    bytes += Buffer.byteLength(text);
  };
  for (const name of ['services', 'tasks', 'nodes'] as const) write(`${name}.json`, documents[name] ?? '[]');
  for (const [node, text] of documents.networks) write(`${node}.networks.json`, text);
  const index = swarmIndex(swarm);
  for (const { id, name } of swarm.nodes) {
    for (const { name: namespace, role, dump } of dockerState(index, id)) {
      const text = printNamespace(withKernelParts(dump));
      const file = role === 'host' ? `${name}.host.txt` : `${name}.ns.${namespace}.txt`;
      write(file, text.slice(0, text.indexOf('# sysctl')) + settingsOf[role]);
    }
  }
  return { files, bytes };
}

/** Different in the first nine characters, which Docker names namespaces by. */
const idOf = (kind: string, number: number): string => `${String(number).padStart(4, '0')}${kind}`.padEnd(25, 'x');
const hexOf = (kind: number, number: number, length: number): string => `${kind}${number.toString(16).padStart(11, '0')}`.padEnd(length, '0');
/** Node 3 on network 2 has 10.2.0.13; VIPs and tasks follow in ranges of their own. */
const address = (network: number, range: number, number: number): string => `10.${network}.${range * 40 + (number >> 8)}.${number & 255}`;
const inNetwork = (network: number, range: number, number: number): string => `${address(network, range, number + 10)}/16`;
const macOf = (ipv4: string): string =>
  `02:42:${ipv4
    .split('.')
    .map((octet) => Number(octet).toString(16).padStart(2, '0'))
    .join(':')}`;

function engineDocuments({ nodes, services, tasks, networks }: SwarmSize): EngineDocuments {
  const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
  const networkNames = ['ingress', ...numbers(networks).map((i) => `net${i}`)];
  const isPublished = (service: number): boolean => service % 2 === 0;
  const networksOf = (service: number): readonly number[] => [...(isPublished(service) ? [0] : []), 1 + (service % networks)];
  const ports = (service: number): readonly object[] =>
    isPublished(service) ? [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8000 + service, PublishMode: 'ingress' }] : [];
  const overlay = (network: number): object => ({ Configs: [{ Subnet: `10.${network}.0.0/16`, Gateway: address(network, 0, 1) }] });
  const vni = (network: number): object => ({ 'com.docker.network.driver.overlay.vxlanid_list': String(4096 + network) });
  const all = numbers(services * tasks).map((task) => {
    const service = task % services;
    return { task, service, node: (task * 7) % nodes, name: `s${service}.${Math.floor(task / services) + 1}.${idOf('task', task)}` };
  });
  const networkFiles = numbers(nodes).map((node): [string, string] => {
    const here = all.filter((task) => task.node === node);
    const overlays = networkNames.flatMap((name, network) => {
      const members = here.filter(({ service }) => networksOf(service).includes(network));
      if (network > 0 && members.length === 0) return [];
      const entry = (range: number, number: number, rest: object): object => ({
        ...rest,
        MacAddress: macOf(inNetwork(network, range, number).split('/')[0] ?? ''),
        IPv4Address: inNetwork(network, range, number),
      });
      const containers = Object.fromEntries(
        members.map(({ task, name: of }) => [hexOf(1, task, 64), entry(2, task, { Name: of, EndpointID: hexOf(2, task, 64) })]),
      );
      const balancer = { [network === 0 ? 'ingress-sbox' : `lb-${name}`]: entry(0, node, { Name: `${name}-endpoint` }) };
      const ipam = { Config: [{ Subnet: `10.${network}.0.0/16`, Gateway: address(network, 0, 1) }] };
      return [
        {
          Name: name,
          Id: idOf('network', network),
          Driver: 'overlay',
          Scope: 'swarm',
          Ingress: network === 0,
          IPAM: ipam,
          Containers: { ...containers, ...balancer },
          Options: vni(network),
        },
      ];
    });
    const onBridge = Object.fromEntries(
      here.map(({ task }, i) => [hexOf(1, task, 64), { Name: `gateway_${hexOf(3, task, 12)}`, IPv4Address: `172.18.0.${i + 3}/16` }]),
    );
    const bridge = {
      Name: 'docker_gwbridge',
      Id: 'bridge',
      Driver: 'bridge',
      Scope: 'local',
      IPAM: { Config: [{ Subnet: '172.18.0.0/16', Gateway: '172.18.0.1' }] },
      Containers: { ...onBridge, 'ingress-sbox': { Name: 'gateway_ingress-sbox', IPv4Address: '172.18.0.2/16' } },
    };
    return [`node${node}`, JSON.stringify([...overlays, bridge])];
  });
  return {
    nodes: JSON.stringify(
      numbers(nodes).map((node) => ({
        ID: idOf('node', node),
        Spec: { Role: node < 3 ? 'manager' : 'worker', Availability: 'active' },
        Description: { Hostname: `node${node}`, Engine: { EngineVersion: '20.10.24' } },
        Status: { State: 'ready', Addr: `192.168.${node >> 8}.${(node & 255) + 1}` },
      })),
    ),
    services: JSON.stringify(
      numbers(services).map((service) => ({
        ID: idOf('service', service),
        Spec: {
          Name: `s${service}`,
          TaskTemplate: { Networks: [{ Target: idOf('network', 1 + (service % networks)) }] },
          EndpointSpec: { Mode: 'vip', Ports: ports(service) },
        },
        Endpoint: {
          Spec: { Mode: 'vip', Ports: ports(service) },
          Ports: ports(service),
          VirtualIPs: networksOf(service).map((network) => ({ NetworkID: idOf('network', network), Addr: inNetwork(network, 1, service) })),
        },
      })),
    ),
    tasks: JSON.stringify(
      all.map(({ task, service, node }) => ({
        ID: idOf('task', task),
        ServiceID: idOf('service', service),
        Slot: Math.floor(task / services) + 1,
        NodeID: idOf('node', node),
        DesiredState: 'running',
        Status: { State: 'running', ContainerStatus: { ContainerID: hexOf(1, task, 64) } },
        NetworksAttachments: networksOf(service).map((network) => ({
          Network: {
            ID: idOf('network', network),
            Spec: { Name: networkNames[network], Ingress: network === 0 },
            DriverState: { Name: 'overlay', Options: vni(network) },
            IPAMOptions: overlay(network),
          },
          Addresses: [inNetwork(network, 2, task)],
        })),
      })),
    ),
    networks: new Map(networkFiles),
  };
}
