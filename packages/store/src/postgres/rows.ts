import type { Endpoint, Id, Network, NetworkAddress, Node, NounDifference, Service, SnapshotDifference } from '@portolan/model';
import type { AddressRow, NounTable, PortRow } from './tables.js';

export interface RowChanges<Row> {
  readonly inserted: readonly Row[];
  readonly deleted: readonly Row[];
}

/** Rows that a commit writes. Addresses and ports are never updated: a row that differs is deleted and inserted. */
export interface SnapshotRows {
  readonly nouns: Readonly<Record<NounTable, NounRows>>;
  readonly addresses: RowChanges<AddressRow>;
  readonly ports: RowChanges<PortRow>;
}

export interface NounRows {
  readonly deleted: readonly Id[];
  readonly updated: readonly object[];
  readonly inserted: readonly object[];
}

const nodeRow = ({ id, name, role, availability, address, labels, version }: Node): object => ({ id, name, role, availability, address, labels, version });
const networkRow = ({ id, name, ingress, vni, subnet, mtu, labels, version }: Network): object => ({ id, name, ingress, vni, subnet, mtu, labels, version });
const serviceRow = ({ id, name, scheduler, labels, version }: Service): object => ({ id, name, scheduler, labels, version });
const endpointRow = ({ id, serviceId, nodeId, name, attachment, weight, presence, labels, version }: Endpoint): object => ({
  id,
  service_id: serviceId,
  node_id: nodeId,
  name,
  attachment,
  weight,
  presence,
  labels,
  version,
});

const unowned = { node_id: null, service_id: null, endpoint_id: null, mark: null } as const;
const place = ({ networkId, address }: NetworkAddress, position: number): Pick<AddressRow, 'network_id' | 'address' | 'position'> => ({
  network_id: networkId,
  address,
  position,
});

const addressesOfNode = ({ id, loadBalancers }: Node): AddressRow[] =>
  loadBalancers.map((own, i) => ({ ...place(own, i), ...unowned, purpose: 'load_balancer', node_id: id }));
const addressesOfNetwork = ({ id, gateway }: Network): AddressRow[] => [{ ...place({ networkId: id, address: gateway }, 0), ...unowned, purpose: 'gateway' }];
const addressesOfService = ({ id, vips }: Service): AddressRow[] =>
  vips.map((vip, i) => ({ ...place(vip, i), ...unowned, purpose: 'vip', service_id: id, mark: vip.mark }));
const addressesOfEndpoint = ({ id, addresses }: Endpoint): AddressRow[] =>
  addresses.map((own, i) => ({ ...place(own, i), ...unowned, purpose: 'endpoint', endpoint_id: id }));
const portsOfService = ({ id, ports }: Service): PortRow[] =>
  ports.map(({ protocol, published, target }, position) => ({ protocol, published, target, service_id: id, position }));

function nounRows<T extends { readonly id: Id }>({ created, changed, deleted }: NounDifference<T>, row: (noun: T) => object): NounRows {
  return { deleted: deleted.map(({ id }) => id), updated: changed.map(({ after }) => row(after)), inserted: created.map(row) };
}

/**
 * Rows that hang on the nouns of a difference. Those of a deleted noun go with it (ON DELETE CASCADE), except for
 * networks, whose addresses do not cascade (`cascades` false).
 */
function addChildRows<T, Row extends object>(
  changes: { inserted: Row[]; deleted: Row[] },
  { created, changed, deleted }: NounDifference<T>,
  rowsOf: (noun: T) => Row[],
  cascades = true,
): void {
  for (const noun of created) changes.inserted.push(...rowsOf(noun));
  if (!cascades) for (const noun of deleted) changes.deleted.push(...rowsOf(noun));
  for (const { before, after } of changed) {
    const was = new Map(rowsOf(before).map((row) => [JSON.stringify(row), row]));
    for (const row of rowsOf(after)) if (!was.delete(JSON.stringify(row))) changes.inserted.push(row);
    changes.deleted.push(...was.values());
  }
}

export function snapshotRows({ nodes, networks, services, endpoints }: SnapshotDifference): SnapshotRows {
  const addresses: { inserted: AddressRow[]; deleted: AddressRow[] } = { inserted: [], deleted: [] };
  const ports: { inserted: PortRow[]; deleted: PortRow[] } = { inserted: [], deleted: [] };
  addChildRows(addresses, nodes, addressesOfNode);
  // A network must not take addresses of others along, so its own are deleted by name.
  addChildRows(addresses, networks, addressesOfNetwork, false);
  addChildRows(addresses, services, addressesOfService);
  addChildRows(addresses, endpoints, addressesOfEndpoint);
  addChildRows(ports, services, portsOfService);
  return {
    nouns: {
      nodes: nounRows(nodes, nodeRow),
      networks: nounRows(networks, networkRow),
      services: nounRows(services, serviceRow),
      endpoints: nounRows(endpoints, endpointRow),
    },
    addresses,
    ports,
  };
}
