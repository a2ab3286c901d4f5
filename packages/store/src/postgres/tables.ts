import type { AddressPurpose } from '../generated/prisma/client.js';

/** The tables of intent that a commit writes, and their columns. `id` or the whole row identifies a row. */
export const tables = {
  nodes: ['id', 'cluster_id', 'name', 'role', 'availability', 'address', 'labels', 'version'],
  networks: ['id', 'cluster_id', 'name', 'ingress', 'vni', 'subnet', 'mtu', 'labels', 'version'],
  services: ['id', 'cluster_id', 'name', 'scheduler', 'labels', 'version'],
  endpoints: ['id', 'cluster_id', 'service_id', 'node_id', 'name', 'attachment', 'weight', 'presence', 'labels', 'version'],
  addresses: ['network_id', 'address', 'cluster_id', 'purpose', 'node_id', 'service_id', 'endpoint_id', 'mark', 'position'],
  published_ports: ['cluster_id', 'protocol', 'published', 'target', 'service_id', 'position'],
} as const;

export type Table = keyof typeof tables;
export type NounTable = 'nodes' | 'networks' | 'services' | 'endpoints';

export interface AddressRow {
  readonly network_id: string;
  readonly address: string;
  readonly purpose: AddressPurpose;
  readonly node_id: string | null;
  readonly service_id: string | null;
  readonly endpoint_id: string | null;
  readonly mark: number | null;
  readonly position: number;
}

export interface PortRow {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly published: number;
  readonly target: number;
  readonly service_id: string;
  readonly position: number;
}
