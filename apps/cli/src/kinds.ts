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

/** What is as usual is not said. */
function portText({ published, target, protocol, mode, externalTrafficPolicy }: ServiceAnswer['ports'][number]): string {
  const said = [...(mode === 'ingress' ? [] : [mode]), ...(externalTrafficPolicy === 'cluster' ? [] : [externalTrafficPolicy])];
  return `${published}->${target}/${protocol}${said.length === 0 ? '' : ` (${said.join(', ')})`}`;
}

function networkText({ network, vip, mark }: ServiceAnswer['networks'][number]): string {
  return vip === undefined ? network : `${vip} (${network}, mark ${mark})`;
}

function addressesText({ addresses, flannelAddress }: EndpointAnswer): string | undefined {
  const pod = typeof flannelAddress === 'string' ? [`${flannelAddress} (flannel)`] : [];
  return comma([...addresses.map(({ network, address }) => `${address} (${network})`), ...pod]);
}

function trafficText({ traffic, drain }: EndpointAnswer): string {
  if (drain === null) return traffic;
  if (drain.drained) return `${traffic}, drained`;
  return `${traffic}, draining${drain.connections === null ? '' : ` (${drain.connections} connections)`}`;
}

const trafficStyles: Readonly<Record<string, 'green' | 'yellow' | 'red'>> = { all: 'green', established: 'yellow', nothing: 'red' };
const conditionStyles = { unknown: 'dim', up: 'green', silent: 'yellow', unreachable: 'red' } as const;
const healthStyles: Readonly<Record<string, 'green' | 'dim' | 'red'>> = { healthy: 'green', unhealthy: 'red' };

export function agentWord(alive: boolean | null): string {
  return alive === null ? 'unknown' : alive ? 'up' : 'down';
}

export function agentStyle(alive: boolean | null): 'green' | 'yellow' | 'red' {
  return alive === null ? 'yellow' : alive ? 'green' : 'red';
}

function degradedText(status: NodeAnswer['status']): string | undefined {
  const degraded = status?.degraded ?? null;
  return degraded === null ? undefined : `${degraded.failures} failures since ${degraded.since}`;
}

const nodeColumns: readonly Column<NodeAnswer>[] = [
  { title: 'NAME', value: (node) => node.name },
  { title: 'ROLE', value: (node) => node.role },
  { title: 'AVAILABILITY', value: (node) => node.availability, style: (node) => (node.availability === 'active' ? undefined : 'yellow') },
  { title: 'ADDRESS', value: (node) => node.address },
  { title: 'CONDITION', value: (node) => node.condition, style: (node) => conditionStyles[node.condition] },
  { title: 'AGENT', value: ({ status }) => status && agentWord(status.alive), style: ({ status }) => status && agentStyle(status.alive) },
  { title: 'APPLIED', value: (node) => node.status?.appliedRevision, align: 'right' },
  { title: 'DEGRADED', value: ({ status }) => degradedText(status), style: () => 'red' },
];

const networkColumns: readonly Column<NetworkAnswer>[] = [
  { title: 'NAME', value: (network) => network.name },
  { title: 'SUBNET', value: ({ subnet, extraSubnets = [] }) => comma([subnet, ...extraSubnets.map((extra) => extra.subnet)]) },
  { title: 'GATEWAY', value: (network) => network.gateway },
  { title: 'VNI', value: (network) => network.vni, align: 'right' },
  { title: 'MTU', value: (network) => network.effectiveMtu, align: 'right' },
  {
    title: 'USED',
    value: ({ usage }) => `${usage.used}/${usage.size}`,
    align: 'right',
    style: ({ usage }) => (usage.free === 0 ? 'red' : undefined),
  },
  { title: 'IS', value: (network) => comma((['ingress', 'internal', 'attachable', 'dsr'] as const).filter((flag) => network[flag])) },
];

const serviceColumns: readonly Column<ServiceAnswer>[] = [
  { title: 'NAME', value: (service) => service.name },
  { title: 'MODE', value: (service) => service.endpointMode },
  { title: 'VIPS', value: (service) => comma(service.networks.map(networkText)) },
  { title: 'PORTS', value: (service) => comma(service.ports.map(portText)) },
  { title: 'SCHEDULER', value: (service) => service.scheduler },
];

const endpointColumns: readonly Column<EndpointAnswer>[] = [
  { title: 'NAME', value: (endpoint) => endpoint.name },
  { title: 'SERVICE', value: (endpoint) => endpoint.service },
  { title: 'NODE', value: (endpoint) => endpoint.node },
  { title: 'ADDRESSES', value: addressesText },
  { title: 'WEIGHT', value: (endpoint) => endpoint.weight, align: 'right' },
  { title: 'NAMESPACE', value: (endpoint) => attachmentText(endpoint.attachment) },
  {
    title: 'PRESENCE',
    value: (endpoint) => endpoint.presence,
    style: (endpoint) => (endpoint.presence === 'absent' ? 'red' : endpoint.presence === 'present' ? 'green' : 'dim'),
  },
  { title: 'HEALTH', value: (endpoint) => endpoint.health, style: (endpoint) => healthStyles[endpoint.health] ?? 'dim' },
  { title: 'TRAFFIC', value: trafficText, style: (endpoint) => trafficStyles[endpoint.traffic] },
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
