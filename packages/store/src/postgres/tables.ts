import type { FlannelLease, NetworkAddress, PublishedPort, Retired } from '@portolan/model';
import type { AddressPurpose } from '../generated/prisma/client.js';

/** The tables of intent that a commit writes, and their columns. */
export const tables = {
  nodes: ['id', 'cluster_id', 'name', 'role', 'availability', 'address', 'underlay_mtu', 'underlay_link', 'on_link', 'condition', 'labels', 'version'],
  networks: ['id', 'cluster_id', 'name', 'ingress', 'mtu', 'internal', 'attachable', 'dsr', 'ipvs_timeouts', 'labels', 'version'],
  services: ['id', 'cluster_id', 'name', 'endpoint_mode', 'scheduler', 'persistence', 'health_check', 'drain_seconds', 'labels', 'version'],
  endpoints: [
    'id',
    'cluster_id',
    'service_id',
    'node_id',
    'name',
    'attachment',
    'weight',
    'aliases',
    'gateway_address',
    'presence',
    'health',
    'drain',
    'pod_address',
    'pod_fixed',
    'labels',
    'version',
  ],
  network_subnets: ['network_id', 'position', 'cluster_id', 'vni', 'subnet'],
  addresses: ['network_id', 'address', 'cluster_id', 'purpose', 'node_id', 'service_id', 'endpoint_id', 'position'],
  service_networks: ['service_id', 'network_id', 'cluster_id', 'aliases', 'position'],
  marks: ['cluster_id', 'mark', 'service_id', 'network_id', 'local'],
  published_ports: ['service_id', 'protocol', 'published', 'cluster_id', 'target', 'mode', 'external_traffic_policy', 'addresses', 'interfaces', 'position'],
  retired: ['cluster_id', 'pool', 'network_id', 'value', 'revision', 'holder'],
  flannel_leases: ['cluster_id', 'key', 'subnet', 'public_address', 'backend_type', 'vni', 'vtep_mac', 'node_id', 'reserved', 'fault'],
} as const;

export type Table = keyof typeof tables;
/** Their rows are identified by `id`, and updated. */
export type NounTable = 'nodes' | 'networks' | 'services' | 'endpoints';
/** Their rows are never updated: one that differs is deleted and inserted. */
export type ChildTable = Exclude<Table, NounTable>;

/** The columns that identify a row of a child table within its cluster. */
export const childKeys = {
  network_subnets: ['network_id', 'position'],
  addresses: ['network_id', 'address'],
  service_networks: ['service_id', 'network_id'],
  marks: ['mark'],
  published_ports: ['service_id', 'protocol', 'published'],
  retired: ['pool', 'network_id', 'value'],
  flannel_leases: ['key'],
} as const satisfies Record<ChildTable, readonly string[]>;

export interface AddressRow {
  readonly network_id: string;
  readonly address: string;
  readonly purpose: AddressPurpose;
  readonly node_id: string | null;
  readonly service_id: string | null;
  readonly endpoint_id: string | null;
  readonly position: number;
}

export interface SubnetRow {
  readonly network_id: string;
  readonly position: number;
  readonly vni: number;
  readonly subnet: string;
}

export interface ServiceNetworkRow extends Pick<AddressRow, 'network_id' | 'position'> {
  readonly service_id: string;
  readonly aliases: readonly string[];
}

export interface MarkRow {
  readonly mark: number;
  readonly service_id: string;
  readonly network_id: NetworkAddress['networkId'];
  readonly local: boolean;
}

export interface PortRow extends Omit<PublishedPort, 'externalTrafficPolicy'> {
  readonly external_traffic_policy: PublishedPort['externalTrafficPolicy'];
  readonly service_id: string;
  readonly position: number;
}

export interface RetiredRow extends Omit<Retired, 'networkId'> {
  /** '' for what belongs to no network. */
  readonly network_id: string;
}

export interface LeaseRow extends Pick<FlannelLease, 'key' | 'subnet' | 'vni' | 'reserved' | 'fault'> {
  readonly public_address: FlannelLease['publicAddress'];
  readonly backend_type: FlannelLease['backendType'];
  readonly vtep_mac: FlannelLease['vtepMac'];
  readonly node_id: FlannelLease['nodeId'];
}

export interface ChildRows {
  readonly network_subnets: SubnetRow;
  readonly addresses: AddressRow;
  readonly service_networks: ServiceNetworkRow;
  readonly marks: MarkRow;
  readonly published_ports: PortRow;
  readonly retired: RetiredRow;
  readonly flannel_leases: LeaseRow;
}
