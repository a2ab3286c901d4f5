import {
  type Endpoint,
  type FlannelLease,
  type Id,
  type Network,
  type Node,
  type NounDifference,
  type Retired,
  type Service,
  type SnapshotDifference,
  subnetsOf,
} from '@portolan/model';
import type { AddressRow, ChildRows, ChildTable, LeaseRow, MarkRow, NounTable, PortRow, RetiredRow, ServiceNetworkRow, SubnetRow } from './tables.js';

export interface RowChanges<Row> {
  readonly inserted: readonly Row[];
  readonly deleted: readonly Row[];
}

/** Rows that a commit writes. Those that hang on a noun are never updated: a row that differs is deleted and inserted. */
export interface SnapshotRows {
  readonly nouns: Readonly<Record<NounTable, NounRows>>;
  readonly children: { readonly [T in ChildTable]: RowChanges<ChildRows[T]> };
}

export interface NounRows {
  readonly deleted: readonly Id[];
  readonly updated: readonly object[];
  readonly inserted: readonly object[];
}

const nodeRow = ({ loadBalancers: _loadBalancers, underlayMtu, underlayLink, onLink, ...node }: Node): object => ({
  ...node,
  underlay_mtu: underlayMtu,
  underlay_link: underlayLink,
  on_link: onLink,
});
const networkRow = ({ vni: _vni, subnet: _subnet, gateway: _gateway, extraSubnets: _extraSubnets, ipvsTimeouts, ...network }: Network): object => ({
  ...network,
  ipvs_timeouts: ipvsTimeouts,
});
const serviceRow = ({ networks: _networks, ports: _ports, endpointMode, healthCheck, drainSeconds, ...service }: Service): object => ({
  ...service,
  endpoint_mode: endpointMode,
  health_check: healthCheck,
  drain_seconds: drainSeconds,
});
const endpointRow = ({ addresses: _addresses, serviceId, nodeId, gatewayAddress, flannel, ...endpoint }: Endpoint): object => ({
  ...endpoint,
  service_id: serviceId,
  node_id: nodeId,
  gateway_address: gatewayAddress,
  pod_address: flannel?.address ?? null,
  pod_fixed: flannel?.fixed ?? null,
});

const unowned = { node_id: null, service_id: null, endpoint_id: null } as const;

const addressesOfNode = ({ id, loadBalancers }: Node): AddressRow[] =>
  loadBalancers.map(({ networkId, address }, position) => ({ ...unowned, network_id: networkId, address, position, purpose: 'load_balancer', node_id: id }));
const gatewaysOfNetwork = (network: Network): AddressRow[] =>
  subnetsOf(network).map(({ gateway }, position) => ({ ...unowned, network_id: network.id, address: gateway, position, purpose: 'gateway' }));
const subnetsOfNetwork = (network: Network): SubnetRow[] =>
  subnetsOf(network).map(({ vni, subnet }, position) => ({ network_id: network.id, position, vni, subnet }));
const vipsOfService = ({ id, networks }: Service): AddressRow[] =>
  networks.flatMap(({ networkId, address }, position) =>
    address === null ? [] : [{ ...unowned, network_id: networkId, address, position, purpose: 'vip' as const, service_id: id }],
  );
const networksOfService = ({ id, networks }: Service): ServiceNetworkRow[] =>
  networks.map(({ networkId, aliases }, position) => ({ service_id: id, network_id: networkId, aliases, position }));
const marksOfService = ({ id, networks }: Service): MarkRow[] =>
  networks.flatMap(({ networkId, mark, localMark }) =>
    [
      { mark, local: false },
      { mark: localMark, local: true },
    ].flatMap((row) => (row.mark === null ? [] : [{ mark: row.mark, service_id: id, network_id: networkId, local: row.local }])),
  );
const portsOfService = ({ id, ports }: Service): PortRow[] =>
  ports.map(({ externalTrafficPolicy, ...port }, position) => ({ ...port, external_traffic_policy: externalTrafficPolicy, service_id: id, position }));
const addressesOfEndpoint = ({ id, addresses }: Endpoint): AddressRow[] =>
  addresses.map(({ networkId, address }, position) => ({ ...unowned, network_id: networkId, address, position, purpose: 'endpoint', endpoint_id: id }));
const leaseRow = ({ publicAddress, backendType, vtepMac, nodeId, ...lease }: FlannelLease): LeaseRow => ({
  ...lease,
  public_address: publicAddress,
  backend_type: backendType,
  vtep_mac: vtepMac,
  node_id: nodeId,
});
const retiredRow = ({ networkId, ...rest }: Retired): RetiredRow => ({ ...rest, network_id: networkId ?? '' });

function nounRows<T extends { readonly id: Id }>({ created, changed, deleted }: NounDifference<T>, row: (noun: T) => object): NounRows {
  return { deleted: deleted.map(({ id }) => id), updated: changed.map(({ after }) => row(after)), inserted: created.map(row) };
}

/**
 * Rows that hang on the nouns of a difference. Those of a deleted noun go with it (ON DELETE CASCADE), except for the
 * gateways of networks, because a network must not take addresses of others along (`cascades` false).
 */
function childRows<T, Row extends object>({ created, changed, deleted }: NounDifference<T>, rowsOf: (noun: T) => Row[], cascades = true): RowChanges<Row> {
  const inserted = created.flatMap(rowsOf);
  const gone = cascades ? [] : deleted.flatMap(rowsOf);
  for (const { before, after } of changed) {
    const was = new Map(rowsOf(before).map((row) => [JSON.stringify(row), row]));
    for (const row of rowsOf(after)) if (!was.delete(JSON.stringify(row))) inserted.push(row);
    gone.push(...was.values());
  }
  return { inserted, deleted: gone };
}

function together<Row>(...changes: readonly RowChanges<Row>[]): RowChanges<Row> {
  return { inserted: changes.flatMap(({ inserted }) => inserted), deleted: changes.flatMap(({ deleted }) => deleted) };
}

export function snapshotRows({ nodes, networks, services, endpoints, retired, flannelLeases }: SnapshotDifference): SnapshotRows {
  return {
    nouns: {
      nodes: nounRows(nodes, nodeRow),
      networks: nounRows(networks, networkRow),
      services: nounRows(services, serviceRow),
      endpoints: nounRows(endpoints, endpointRow),
    },
    children: {
      network_subnets: childRows(networks, subnetsOfNetwork),
      addresses: together(
        childRows(nodes, addressesOfNode),
        childRows(networks, gatewaysOfNetwork, false),
        childRows(services, vipsOfService),
        childRows(endpoints, addressesOfEndpoint),
      ),
      service_networks: childRows(services, networksOfService),
      marks: childRows(services, marksOfService),
      published_ports: childRows(services, portsOfService),
      retired: { inserted: retired.created.map(retiredRow), deleted: retired.deleted.map(retiredRow) },
      flannel_leases: childRows(flannelLeases, (lease) => [leaseRow(lease)], false),
    },
  };
}
