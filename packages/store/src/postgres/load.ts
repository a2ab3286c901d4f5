import type {
  Cluster,
  ClusterSettings,
  Endpoint,
  Flannel,
  FlannelLease,
  Id,
  Ipv4,
  Network,
  NetworkAddress,
  Node,
  PublishedPort,
  Retired,
  Service,
  ServiceNetwork,
  Snapshot,
} from '@portolan/model';
import type { Connections, Transaction } from './connections.js';
import type { AddressRow, MarkRow, PortRow, RetiredRow, ServiceNetworkRow, SubnetRow } from './tables.js';

type NodeRow = Omit<Node, 'loadBalancers'>;
type NetworkRow = Omit<Network, 'vni' | 'subnet' | 'gateway' | 'extraSubnets'>;
type ServiceRow = Omit<Service, 'networks' | 'ports'>;
interface EndpointRow extends Omit<Endpoint, 'addresses' | 'flannel'> {
  readonly podAddress: Ipv4 | null;
  readonly podFixed: boolean | null;
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
  readonly subnets: string;
  readonly addresses: string;
  readonly placings: string;
  readonly marks: string;
  readonly ports: string;
  readonly retired: string;
  readonly flannel: string | null;
  readonly leases: string;
}

function rowsSql(table: string, columns: string, order: string): string {
  return `(SELECT coalesce(json_agg(r), '[]')::text FROM (SELECT ${columns} FROM ${table} WHERE cluster_id = c.id ORDER BY ${order}) r)`;
}

/**
 * The whole cluster in one statement, hence of one moment, whatever commits beside it. Text that JSON.parse reads is
 * several times faster than rows.
 */
const snapshotSql = `SELECT c.id, c.name, c.revision, c.settings::text AS settings, c.flannel::text AS flannel,
  ${rowsSql('nodes', 'id, name, role, availability, host(address) AS address, underlay_mtu AS "underlayMtu", underlay_link AS "underlayLink", on_link AS "onLink", condition, labels, version', 'name COLLATE "C"')} AS nodes,
  ${rowsSql('networks', 'id, name, ingress, mtu, internal, attachable, dsr, ipvs_timeouts AS "ipvsTimeouts", labels, version', 'name COLLATE "C"')} AS networks,
  ${rowsSql(
    'services',
    'id, name, endpoint_mode AS "endpointMode", scheduler, persistence, health_check AS "healthCheck", drain_seconds AS "drainSeconds", labels, version',
    'name COLLATE "C"',
  )} AS services,
  ${rowsSql(
    'endpoints',
    'id, name, service_id AS "serviceId", node_id AS "nodeId", attachment, weight, aliases, host(gateway_address) AS "gatewayAddress", presence, health, drain, host(pod_address) AS "podAddress", pod_fixed AS "podFixed", labels, version',
    'name COLLATE "C"',
  )} AS endpoints,
  ${rowsSql('network_subnets', 'network_id, position, vni, text(subnet) AS subnet', 'position')} AS subnets,
  ${rowsSql('addresses', 'network_id, host(address) AS address, purpose, node_id, service_id, endpoint_id, position', 'position')} AS addresses,
  ${rowsSql('service_networks', 'service_id, network_id, aliases, position', 'position')} AS placings,
  ${rowsSql('marks', 'mark, service_id, network_id, local', 'mark')} AS marks,
  ${rowsSql('published_ports', 'protocol, published, target, mode, external_traffic_policy, addresses, interfaces, service_id, position', 'position')} AS ports,
  ${rowsSql('retired', 'pool, network_id, value, revision, holder', 'sequence')} AS retired,
  ${rowsSql(
    'flannel_leases',
    'key, text(subnet) AS subnet, host(public_address) AS "publicAddress", backend_type AS "backendType", vni, vtep_mac AS "vtepMac", node_id AS "nodeId", reserved, fault',
    'key COLLATE "C"',
  )} AS leases
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

function serviceNetworksOf(texts: SnapshotTexts, vips: readonly AddressRow[]): (id: Id) => readonly ServiceNetwork[] {
  const place = (row: { readonly service_id: Id | null; readonly network_id: Id }): string => `${row.service_id} ${row.network_id}`;
  const addresses = new Map(vips.map((row) => [place(row), row.address]));
  const marks = new Map(parseRows<MarkRow>(texts.marks).map((row) => [`${place(row)} ${row.local}`, row.mark]));
  return grouped(
    parseRows<ServiceNetworkRow>(texts.placings),
    (row) => row.service_id,
    (row): ServiceNetwork => ({
      networkId: row.network_id,
      address: addresses.get(place(row)) ?? null,
      mark: marks.get(`${place(row)} false`) ?? null,
      localMark: marks.get(`${place(row)} true`) ?? null,
      aliases: row.aliases,
    }),
  );
}

/** The subnets of networks, each with its gateway. */
function subnetsOf(
  texts: SnapshotTexts,
  gateways: readonly AddressRow[],
): (network: NetworkRow) => Pick<Network, 'vni' | 'subnet' | 'gateway' | 'extraSubnets'> {
  const gateway = new Map(gateways.map((row) => [`${row.network_id} ${row.position}`, row.address]));
  const subnets = grouped(
    parseRows<SubnetRow>(texts.subnets),
    (row) => row.network_id,
    ({ network_id, position, vni, subnet }) => {
      const address = gateway.get(`${network_id} ${position}`);
      if (address === undefined) throw new Error(`the subnet ${subnet} has no gateway in the database`);
      return { vni, subnet, gateway: address };
    },
  );
  return ({ id, name }) => {
    const [first, ...extraSubnets] = subnets(id);
    if (first === undefined) throw new Error(`the network ${name} has no subnet in the database`);
    return { ...first, extraSubnets };
  };
}

function snapshotOf(texts: SnapshotTexts): Snapshot {
  const addresses = parseRows<AddressRow>(texts.addresses);
  const loadBalancers = grouped(addresses, (row) => row.node_id, networkAddress);
  const ofEndpoints = grouped(addresses, (row) => row.endpoint_id, networkAddress);
  const subnets = subnetsOf(
    texts,
    addresses.filter(({ purpose }) => purpose === 'gateway'),
  );
  const networks = serviceNetworksOf(
    texts,
    addresses.filter(({ purpose }) => purpose === 'vip'),
  );
  const ports = grouped(
    parseRows<PortRow>(texts.ports),
    (row) => row.service_id,
    ({ external_traffic_policy, service_id: _service, position: _position, ...port }): PublishedPort => ({
      ...port,
      externalTrafficPolicy: external_traffic_policy,
    }),
  );
  const cluster: Cluster = { id: texts.id, name: texts.name, settings: JSON.parse(texts.settings) as ClusterSettings, revision: texts.revision };
  return {
    cluster,
    nodes: byId(parseRows<NodeRow>(texts.nodes).map((row): Node => ({ ...row, loadBalancers: loadBalancers(row.id) }))),
    networks: byId(parseRows<NetworkRow>(texts.networks).map((row): Network => ({ ...row, ...subnets(row) }))),
    services: byId(parseRows<ServiceRow>(texts.services).map((row): Service => ({ ...row, networks: networks(row.id), ports: ports(row.id) }))),
    endpoints: byId(
      parseRows<EndpointRow>(texts.endpoints).map(
        ({ podAddress, podFixed, ...row }): Endpoint => ({
          ...row,
          addresses: ofEndpoints(row.id),
          flannel: podFixed === null ? null : { address: podAddress, fixed: podFixed },
        }),
      ),
    ),
    retired: parseRows<RetiredRow>(texts.retired).map(({ network_id, ...row }): Retired => ({ ...row, networkId: network_id === '' ? null : network_id })),
    flannel: texts.flannel === null ? null : (JSON.parse(texts.flannel) as Flannel),
    flannelLeases: new Map(parseRows<FlannelLease>(texts.leases).map((lease) => [lease.key, lease])),
  };
}

export async function loadSnapshot(connection: Connections['prisma'] | Transaction, cluster: string): Promise<Snapshot | undefined> {
  const [texts] = await connection.$queryRawUnsafe<SnapshotTexts[]>(snapshotSql, cluster);
  return texts === undefined ? undefined : snapshotOf(texts);
}
