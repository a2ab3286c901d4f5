import type { HealthCheck, HealthCheckSpec, Id, NetworkAddress, NounKind, PublishedPort, ServiceNetwork, Snapshot } from '@portolan/model';
import type { NounSpecs, Nouns } from './types.js';

/**
 * The object as a spec with every value filled in: sending it back changes nothing, but that it keeps an endpoint that
 * was leaving. What is computed, what follows from the cluster, and what is empty is left out. Lists are in the order
 * of names and numbers where theirs means nothing.
 */
export function specOf<K extends NounKind>(snapshot: Snapshot, kind: K, noun: Nouns[K]): NounSpecs[K] {
  return specs[kind](snapshot, noun);
}

const specs: { readonly [K in NounKind]: (snapshot: Snapshot, noun: Nouns[K]) => NounSpecs[K] } = {
  node: (_snapshot, { name, role, availability, address, labels }) => ({ name, role, availability, address, ...withLabels(labels) }),
  network: (_snapshot, { name, id, ingress, vni, subnet, gateway, extraSubnets, mtu, internal, attachable, dsr, ipvsTimeouts, labels }) => ({
    name,
    id,
    ingress,
    vni,
    subnet,
    gateway,
    ...(extraSubnets.length === 0 ? {} : { extraSubnets: extraSubnets.map((own) => ({ subnet: own.subnet, gateway: own.gateway, vni: own.vni })) }),
    ...(mtu === null ? {} : { mtu }),
    internal,
    attachable,
    dsr,
    ...(ipvsTimeouts === null ? {} : { ipvsTimeouts: { ...ipvsTimeouts } }),
    ...withLabels(labels),
  }),
  service: (snapshot, { name, endpointMode, scheduler, persistence, networks, ports, healthCheck, drainSeconds, labels }) => ({
    name,
    networks: networks.map((own) => serviceNetwork(snapshot, own)).sort(byNetwork),
    ports: ports.map(publishedPort).sort(byPort),
    endpointMode,
    scheduler,
    persistence,
    ...(healthCheck === null ? {} : { healthCheck: healthCheckSpec(healthCheck) }),
    ...(drainSeconds === null ? {} : { drainSeconds }),
    ...withLabels(labels),
  }),
  endpoint: (snapshot, { name, serviceId, nodeId, attachment, weight, addresses, aliases, flannel, labels }) => ({
    name,
    ...membership(snapshot, serviceId, addresses),
    node: snapshot.nodes.get(nodeId)?.name ?? nodeId,
    attachment,
    weight,
    addresses: addresses.map(({ networkId, address }: NetworkAddress) => ({ network: networkName(snapshot, networkId), address })).sort(byNetwork),
    ...withAliases(aliases),
    // An address that nobody chose follows the subnet of the node: written down it would be chosen.
    ...(flannel === null ? {} : { flannel: flannel.fixed && flannel.address !== null ? { address: flannel.address } : {} }),
    ...withLabels(labels),
  }),
};

/** The service of an endpoint, or the networks that it joins by itself; neither when it is in the flannel network alone. */
function membership(snapshot: Snapshot, serviceId: Id | null, addresses: readonly NetworkAddress[]): { service?: string; networks?: string[] } {
  if (serviceId !== null) return { service: snapshot.services.get(serviceId)?.name ?? serviceId };
  return addresses.length === 0 ? {} : { networks: addresses.map(({ networkId }) => networkName(snapshot, networkId)).sort() };
}

function serviceNetwork(snapshot: Snapshot, { networkId, address, mark, aliases }: ServiceNetwork) {
  return {
    network: networkName(snapshot, networkId),
    ...(address === null ? {} : { vip: address }),
    ...(mark === null ? {} : { mark }),
    ...withAliases(aliases),
  };
}

function publishedPort({ published, target, protocol, mode, externalTrafficPolicy, addresses, interfaces }: PublishedPort) {
  return {
    published,
    target,
    protocol,
    mode,
    externalTrafficPolicy,
    ...(addresses.length === 0 ? {} : { addresses: [...addresses] }),
    ...(interfaces.length === 0 ? {} : { interfaces: [...interfaces] }),
  };
}

function healthCheckSpec({ kind, port, path, intervalMs, timeoutMs, failures, successes }: HealthCheck): HealthCheckSpec {
  const probe = { port, intervalMs, timeoutMs, failures, successes };
  return kind === 'http' ? { kind, path, ...probe } : { kind, ...probe };
}

function networkName(snapshot: Snapshot, id: Id): string {
  return snapshot.networks.get(id)?.name ?? id;
}

function withLabels(labels: Readonly<Record<string, string>>): { labels?: Record<string, string> } {
  return Object.keys(labels).length === 0 ? {} : { labels: { ...labels } };
}

function withAliases(aliases: readonly string[]): { aliases?: string[] } {
  return aliases.length === 0 ? {} : { aliases: [...aliases].sort() };
}

function byNetwork(a: { readonly network: string }, b: { readonly network: string }): number {
  return a.network < b.network ? -1 : a.network > b.network ? 1 : 0;
}

interface Port {
  readonly protocol: string;
  readonly published: number;
}

function byPort(a: Port, b: Port): number {
  return a.protocol === b.protocol ? a.published - b.published : a.protocol < b.protocol ? -1 : 1;
}
