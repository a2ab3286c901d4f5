import {
  type Cluster,
  type ClusterSettings,
  defaultClusterSettings,
  type Endpoint,
  type Flannel,
  type FlannelLease,
  type Network,
  type Node,
  type PublishedPort,
  type Service,
  type Snapshot,
} from '@portolan/model';
import { endpointDefaults, flannelDefaults, networkDefaults, nodeDefaults, portDefaults, serviceDefaults } from '@portolan/testkit';

/** A published port as a test says it; mode ingress, policy cluster, everywhere unless told. */
type PortSketch = Pick<PublishedPort, 'published' | 'target'> & Partial<PublishedPort>;

/** What a test says of a cluster; the rest is filled in: every endpoint is present. Ids are names, stretched. */
export interface ClusterSketch {
  readonly settings?: Partial<ClusterSettings>;
  readonly nodes: readonly (Pick<Node, 'name' | 'address'> & Partial<Node> & { readonly on: Readonly<Record<string, string>> })[];
  readonly networks: readonly (Pick<Network, 'name' | 'vni' | 'subnet' | 'gateway'> & Partial<Network>)[];
  readonly services: readonly (Pick<Service, 'name'> &
    Partial<Omit<Service, 'networks' | 'ports'>> & {
      /** By network its VIP and mark, or nothing with dnsrr. */
      readonly on: Readonly<Record<string, readonly [] | readonly [vip: string, mark: number, localMark?: number]>>;
      readonly aliases?: Readonly<Record<string, readonly string[]>>;
      readonly ports?: readonly PortSketch[];
    })[];
  readonly endpoints: readonly (Pick<Endpoint, 'name'> &
    Partial<Endpoint> & {
      /** null: by itself. */
      readonly service: string | null;
      readonly node: string;
      readonly on: Readonly<Record<string, string>>;
    })[];
  readonly flannel?: Pick<Flannel, 'network' | 'backend'> & Partial<Flannel>;
  readonly leases?: readonly FlannelLease[];
}

/** A lease of backend vxlan and VNI 1 unless told; of a foreign node unless `node` names one of ours. */
export function leaseOf(subnet: string, publicAddress: string, lease: Partial<FlannelLease> & { readonly node?: string } = {}): FlannelLease {
  const { node, ...rest } = lease;
  const backendType = rest.backendType ?? 'vxlan';
  const vni = backendType === 'vxlan' ? 1 : null;
  const key = subnet.replace('/', '-');
  return { key, subnet, publicAddress, backendType, vni, vtepMac: null, nodeId: node === undefined ? null : idOf(node), reserved: false, fault: null, ...rest };
}

/** An id of 25 characters that starts with what tells names apart. */
export function idOf(name: string): string {
  return name
    .replace(/[^a-z0-9]/g, '')
    .padEnd(25, '0')
    .slice(0, 25);
}

export function snapshotOf(sketch: ClusterSketch): Snapshot {
  const cluster: Cluster = { id: idOf('cluster'), name: 'lab', settings: { ...defaultClusterSettings, ...sketch.settings }, revision: 1 };
  const networkIds = new Map(sketch.networks.map(({ name, id }) => [name, id ?? idOf(name)]));
  const networkId = (name: string) => networkIds.get(name) ?? idOf(name);
  const addresses = (on: Readonly<Record<string, string>>) => Object.entries(on).map(([name, address]) => ({ networkId: networkId(name), address }));
  return {
    cluster,
    nodes: byId(
      sketch.nodes.map(({ on, ...node }) => ({
        ...nodeDefaults,
        id: idOf(node.name),
        condition: 'up',
        loadBalancers: addresses(on),
        ...node,
      })),
    ),
    networks: byId(sketch.networks.map((network) => ({ ...networkDefaults, id: idOf(network.name), ...network }))),
    services: byId(
      sketch.services.map(({ on, aliases = {}, ports = [], ...service }) => ({
        ...serviceDefaults,
        id: idOf(service.name),
        networks: Object.entries(on).map(([name, [address = null, mark = null, localMark = null]]) => ({
          networkId: networkId(name),
          address,
          mark,
          localMark,
          aliases: aliases[name] ?? [],
        })),
        ports: ports.map((port) => ({ ...portDefaults, ...port })),
        ...service,
      })),
    ),
    endpoints: byId(
      sketch.endpoints.map(({ on, service, node, ...endpoint }) => ({
        ...endpointDefaults,
        id: idOf(endpoint.name),
        serviceId: service === null ? null : idOf(service),
        nodeId: idOf(node),
        attachment: { netns: `/run/netns/${endpoint.name}` },
        addresses: addresses(on),
        presence: 'present',
        ...endpoint,
      })),
    ),
    retired: [],
    flannel: sketch.flannel === undefined ? null : { ...flannelDefaults, ...sketch.flannel },
    flannelLeases: new Map((sketch.leases ?? []).map((lease) => [lease.key, lease])),
  };
}

function byId<T extends { readonly id: string }>(nouns: readonly T[]): Map<string, T> {
  return new Map(nouns.map((noun) => [noun.id, noun]));
}

/** The example of `examples/bjdt.yaml`, with everything allocated. */
export const bjdt: ClusterSketch = {
  nodes: [
    { name: 'node1', address: '172.16.130.140', on: { ingress: '10.255.0.2', bjdt_overlay: '10.0.0.5' } },
    { name: 'node2', address: '172.16.130.164', on: { ingress: '10.255.0.3', bjdt_overlay: '10.0.0.6' } },
    { name: 'node3', address: '172.16.130.170', on: { ingress: '10.255.0.4', bjdt_overlay: '10.0.0.7' } },
  ],
  networks: [
    { name: 'ingress', id: '0fkrpfqbcpqxtcfxj5p8z9ngr', ingress: true, vni: 4096, subnet: '10.255.0.0/16', gateway: '10.255.0.1' },
    { name: 'bjdt_overlay', id: '5mckih8b5jx0wvz3d2tqf7rsa', vni: 4097, subnet: '10.0.0.0/24', gateway: '10.0.0.1' },
  ],
  services: [
    {
      name: 'bjdt_bjdt-dzwl',
      id: idOf('bjdtbjdtdzwl'),
      on: { bjdt_overlay: ['10.0.0.20', 0x149], ingress: ['10.255.0.41', 0x14a] },
      ports: [{ published: 8080, target: 8080 }],
    },
    {
      name: 'bjdt_bjdt-dzwl-web',
      id: idOf('bjdtbjdtdzwlweb'),
      on: { bjdt_overlay: ['10.0.0.30', 0x14b], ingress: ['10.255.0.42', 0x14c] },
      ports: [{ published: 8000, target: 80 }],
    },
  ],
  endpoints: [
    { name: 'dzwl-1', service: 'bjdtbjdtdzwl', node: 'node1', gatewayAddress: '192.168.240.3', on: { bjdt_overlay: '10.0.0.21', ingress: '10.255.0.51' } },
    { name: 'dzwl-2', service: 'bjdtbjdtdzwl', node: 'node2', gatewayAddress: '192.168.240.3', on: { bjdt_overlay: '10.0.0.22', ingress: '10.255.0.52' } },
    { name: 'dzwl-3', service: 'bjdtbjdtdzwl', node: 'node3', gatewayAddress: '192.168.240.3', on: { bjdt_overlay: '10.0.0.23', ingress: '10.255.0.53' } },
    { name: 'web-1', service: 'bjdtbjdtdzwlweb', node: 'node1', gatewayAddress: '192.168.240.4', on: { bjdt_overlay: '10.0.0.31', ingress: '10.255.0.61' } },
    { name: 'web-2', service: 'bjdtbjdtdzwlweb', node: 'node2', gatewayAddress: '192.168.240.4', on: { bjdt_overlay: '10.0.0.32', ingress: '10.255.0.62' } },
  ],
};
