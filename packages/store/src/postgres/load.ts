import type {
  Attachment,
  Cluster,
  ClusterSettings,
  Endpoint,
  Id,
  Network,
  NetworkAddress,
  Node,
  PublishedPort,
  Service,
  Snapshot,
  VirtualIp,
} from '@portolan/model';
import type { Connections, Transaction } from './connections.js';
import type { AddressRow, PortRow } from './tables.js';

type Labels = Readonly<Record<string, string>>;
interface NodeRow extends Pick<Node, 'id' | 'name' | 'role' | 'availability' | 'address' | 'version'> {
  readonly labels: Labels;
}
interface NetworkRow extends Pick<Network, 'id' | 'name' | 'ingress' | 'vni' | 'subnet' | 'mtu' | 'version'> {
  readonly labels: Labels;
}
interface ServiceRow extends Pick<Service, 'id' | 'name' | 'scheduler' | 'version'> {
  readonly labels: Labels;
}
interface EndpointRow extends Pick<Endpoint, 'id' | 'name' | 'weight' | 'presence' | 'version'> {
  readonly service_id: Id;
  readonly node_id: Id;
  readonly attachment: Attachment;
  readonly labels: Labels;
}

interface SnapshotTexts {
  readonly id: Id;
  readonly name: string;
  readonly revision: number;
  readonly settings: string;
  readonly nodes: string;
  readonly networks: string;
  readonly services: string;
  readonly endpoints: string;
  readonly addresses: string;
  readonly ports: string;
}

function rowsSql(table: string, columns: string, order: string): string {
  return `(SELECT coalesce(json_agg(r), '[]')::text FROM (SELECT ${columns} FROM ${table} WHERE cluster_id = c.id ORDER BY ${order}) r)`;
}

/**
 * The whole cluster in one statement, hence of one moment, whatever commits beside it. Text that JSON.parse reads is
 * several times faster than rows.
 */
const snapshotSql = `SELECT c.id, c.name, c.revision, c.settings::text AS settings,
  ${rowsSql('nodes', 'id, name, role, availability, host(address) AS address, labels, version', 'name COLLATE "C"')} AS nodes,
  ${rowsSql('networks', 'id, name, ingress, vni, text(subnet) AS subnet, mtu, labels, version', 'name COLLATE "C"')} AS networks,
  ${rowsSql('services', 'id, name, scheduler, labels, version', 'name COLLATE "C"')} AS services,
  ${rowsSql('endpoints', 'id, name, service_id, node_id, attachment, weight, presence, labels, version', 'name COLLATE "C"')} AS endpoints,
  ${rowsSql('addresses', 'network_id, host(address) AS address, purpose, node_id, service_id, endpoint_id, mark, position', 'position')} AS addresses,
  ${rowsSql('published_ports', 'protocol, published, target, service_id, position', 'position')} AS ports
  FROM clusters c WHERE c.name = $1`;

function parseRows<Row>(text: string): readonly Row[] {
  return JSON.parse(text) as readonly Row[];
}

function byId<Noun extends { readonly id: Id }>(nouns: readonly Noun[]): ReadonlyMap<Id, Noun> {
  return new Map(nouns.map((noun) => [noun.id, noun]));
}

/** Lists by owner. */
function grouped<Row, Value>(rows: readonly Row[], owner: (row: Row) => Id | null, value: (row: Row) => Value): (id: Id) => readonly Value[] {
  const groups = new Map<Id, Value[]>();
  for (const row of rows) {
    const id = owner(row);
    if (id === null) continue;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [value(row)]);
    else group.push(value(row));
  }
  return (id) => groups.get(id) ?? [];
}

const networkAddress = ({ network_id, address }: AddressRow): NetworkAddress => ({ networkId: network_id, address });

function snapshotOf(texts: SnapshotTexts): Snapshot {
  const addresses = parseRows<AddressRow>(texts.addresses);
  const gateways = grouped(
    addresses.filter(({ purpose }) => purpose === 'gateway'),
    (row) => row.network_id,
    (row) => row.address,
  );
  const loadBalancers = grouped(addresses, (row) => row.node_id, networkAddress);
  const vips = grouped(
    addresses,
    (row) => row.service_id,
    // The database gives every VIP a mark (addresses_owner_check).
    (row): VirtualIp => ({ ...networkAddress(row), mark: row.mark ?? 0 }),
  );
  const ofEndpoints = grouped(addresses, (row) => row.endpoint_id, networkAddress);
  const ports = grouped(
    parseRows<PortRow>(texts.ports),
    (row) => row.service_id,
    ({ protocol, published, target }): PublishedPort => ({ protocol, published, target }),
  );
  const cluster: Cluster = { id: texts.id, name: texts.name, settings: JSON.parse(texts.settings) as ClusterSettings, revision: texts.revision };
  return {
    cluster,
    nodes: byId(parseRows<NodeRow>(texts.nodes).map((row): Node => ({ ...row, loadBalancers: loadBalancers(row.id) }))),
    networks: byId(
      parseRows<NetworkRow>(texts.networks).map((row): Network => {
        const [gateway] = gateways(row.id);
        if (gateway === undefined) throw new Error(`the network ${row.name} has no gateway in the database`);
        return { ...row, gateway };
      }),
    ),
    services: byId(parseRows<ServiceRow>(texts.services).map((row): Service => ({ ...row, vips: vips(row.id), ports: ports(row.id) }))),
    endpoints: byId(
      parseRows<EndpointRow>(texts.endpoints).map(
        ({ service_id, node_id, ...row }): Endpoint => ({ ...row, serviceId: service_id, nodeId: node_id, addresses: ofEndpoints(row.id) }),
      ),
    ),
  };
}

export async function loadSnapshot(connection: Connections['prisma'] | Transaction, cluster: string): Promise<Snapshot | undefined> {
  const [texts] = await connection.$queryRawUnsafe<SnapshotTexts[]>(snapshotSql, cluster);
  return texts === undefined ? undefined : snapshotOf(texts);
}
