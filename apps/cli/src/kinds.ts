import type { ClusterAnswer, EndpointAnswer, NetworkAnswer, NodeAnswer, ServiceAnswer } from './answers.js';
import type { Column } from './table.js';

/** The nouns that `get`, `describe` and `delete` know, with the other names that people type. */
export const kinds = {
  nodes: ['node', 'nodes', 'no'],
  networks: ['network', 'networks', 'net'],
  services: ['service', 'services', 'svc'],
  endpoints: ['endpoint', 'endpoints', 'ep'],
  clusters: ['cluster', 'clusters'],
} as const;
export type Kind = keyof typeof kinds;

/** Every spelling, for usage and completion. */
export const kindNames: readonly string[] = Object.values(kinds).flat();

export function kindOf(spelling: string): Kind | undefined {
  return (Object.keys(kinds) as Kind[]).find((kind) => (kinds[kind] as readonly string[]).includes(spelling));
}

export function singular(kind: Kind): string {
  return kinds[kind][0];
}

const comma = (words: readonly string[]): string | undefined => (words.length === 0 ? undefined : words.join(', '));

function attachmentText(attachment: EndpointAnswer['attachment']): string {
  if ('netns' in attachment) return attachment.netns;
  return 'pid' in attachment ? `pid ${attachment.pid}` : `container ${attachment.container}`;
}

function portText(port: ServiceAnswer['ports'][number]): string {
  return `${port.published}->${port.target}/${port.protocol}`;
}

export function agentWord(alive: boolean | null): string {
  return alive === null ? 'unknown' : alive ? 'up' : 'down';
}

export function agentStyle(alive: boolean | null): 'green' | 'yellow' | 'red' {
  return alive === null ? 'yellow' : alive ? 'green' : 'red';
}

const nodeColumns: readonly Column<NodeAnswer>[] = [
  { title: 'NAME', value: (node) => node.name },
  { title: 'ROLE', value: (node) => node.role },
  { title: 'AVAILABILITY', value: (node) => node.availability, style: (node) => (node.availability === 'active' ? undefined : 'yellow') },
  { title: 'ADDRESS', value: (node) => node.address },
  { title: 'AGENT', value: ({ status }) => status && agentWord(status.alive), style: ({ status }) => status && agentStyle(status.alive) },
  { title: 'APPLIED', value: (node) => node.status?.appliedRevision, align: 'right' },
];

const networkColumns: readonly Column<NetworkAnswer>[] = [
  { title: 'NAME', value: (network) => network.name },
  { title: 'SUBNET', value: (network) => network.subnet },
  { title: 'GATEWAY', value: (network) => network.gateway },
  { title: 'VNI', value: (network) => network.vni, align: 'right' },
  { title: 'MTU', value: (network) => network.mtu, align: 'right' },
  { title: 'INGRESS', value: (network) => (network.ingress ? 'yes' : undefined) },
];

const serviceColumns: readonly Column<ServiceAnswer>[] = [
  { title: 'NAME', value: (service) => service.name },
  { title: 'VIPS', value: (service) => comma(service.networks.map(({ network, vip, mark }) => `${vip} (${network}, mark ${mark})`)) },
  { title: 'PORTS', value: (service) => comma(service.ports.map(portText)) },
  { title: 'SCHEDULER', value: (service) => service.scheduler },
];

const endpointColumns: readonly Column<EndpointAnswer>[] = [
  { title: 'NAME', value: (endpoint) => endpoint.name },
  { title: 'SERVICE', value: (endpoint) => endpoint.service },
  { title: 'NODE', value: (endpoint) => endpoint.node },
  { title: 'ADDRESSES', value: (endpoint) => comma(endpoint.addresses.map(({ network, address }) => `${address} (${network})`)) },
  { title: 'WEIGHT', value: (endpoint) => endpoint.weight, align: 'right' },
  { title: 'NAMESPACE', value: (endpoint) => attachmentText(endpoint.attachment) },
  {
    title: 'PRESENCE',
    value: (endpoint) => endpoint.presence,
    style: (endpoint) => (endpoint.presence === 'absent' ? 'red' : endpoint.presence === 'present' ? 'green' : 'dim'),
  },
];

const clusterColumns: readonly Column<ClusterAnswer>[] = [
  { title: 'NAME', value: (cluster) => cluster.name },
  { title: 'REVISION', value: (cluster) => cluster.revision, align: 'right' },
];

export const kindColumns = {
  nodes: nodeColumns,
  networks: networkColumns,
  services: serviceColumns,
  endpoints: endpointColumns,
  clusters: clusterColumns,
} as const;
