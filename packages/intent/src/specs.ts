import type { Id, NetworkAddress, NounKind, Snapshot } from '@portolan/model';
import type { NounSpecs, Nouns } from './types.js';

/** The object as a spec with every value filled in: sending it back changes nothing. Lists are in the order of names and numbers. */
export function specOf<K extends NounKind>(snapshot: Snapshot, kind: K, noun: Nouns[K]): NounSpecs[K] {
  return specs[kind](snapshot, noun);
}

const specs: { readonly [K in NounKind]: (snapshot: Snapshot, noun: Nouns[K]) => NounSpecs[K] } = {
  node: (_snapshot, { name, role, availability, address, labels }) => ({ name, role, availability, address, ...withLabels(labels) }),
  network: (_snapshot, { name, id, ingress, vni, subnet, gateway, mtu, labels }) => ({ name, id, ingress, vni, subnet, gateway, mtu, ...withLabels(labels) }),
  service: (snapshot, { name, scheduler, vips, ports, labels }) => ({
    name,
    networks: vips.map(({ networkId, address, mark }) => ({ network: networkName(snapshot, networkId), vip: address, mark })).sort(byNetwork),
    ports: ports.map(({ published, target, protocol }) => ({ published, target, protocol })).sort(byPort),
    scheduler,
    ...withLabels(labels),
  }),
  endpoint: (snapshot, { name, serviceId, nodeId, attachment, weight, addresses, labels }) => ({
    name,
    service: snapshot.services.get(serviceId)?.name ?? serviceId,
    node: snapshot.nodes.get(nodeId)?.name ?? nodeId,
    attachment,
    weight,
    addresses: addresses.map(({ networkId, address }: NetworkAddress) => ({ network: networkName(snapshot, networkId), address })).sort(byNetwork),
    ...withLabels(labels),
  }),
};

function networkName(snapshot: Snapshot, id: Id): string {
  return snapshot.networks.get(id)?.name ?? id;
}

function withLabels(labels: Readonly<Record<string, string>>): { labels?: Record<string, string> } {
  return Object.keys(labels).length === 0 ? {} : { labels: { ...labels } };
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
