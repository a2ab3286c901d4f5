import { type Static, Type } from 'typebox';
import { IPV4_PATTERN } from './ipv4.js';

/** 25 characters of base 36, as Swarm's own ids. */
export const IdSchema = Type.String({ pattern: '^[a-z0-9]{25}$', description: 'Identity of an object: 25 characters a-z0-9.' });
export type Id = string;

export const NameSchema = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$',
  description: 'Unique within a cluster and kind; 1 to 63 letters, digits, "_", "." and "-", starting with a letter or digit.',
});
export const Ipv4Schema = Type.String({ pattern: IPV4_PATTERN, description: 'An IPv4 address, such as 10.0.0.20.' });
export const CidrSchema = Type.String({ minLength: 9, maxLength: 18, description: 'An IPv4 subnet without host bits, such as 10.0.0.0/24.' });
export const MarkSchema = Type.Integer({ minimum: 1, maximum: 0x7fffffff, description: 'Firewall mark (fwmark) that IPVS balances by.' });
export const VniSchema = Type.Integer({ minimum: 1, maximum: 0xffffff, description: 'VXLAN network identifier, 24 bit.' });
export const PortSchema = Type.Integer({ minimum: 1, maximum: 65535 });
export const LabelsSchema = Type.Record(Type.String({ maxLength: 128 }), Type.String({ maxLength: 256 }));
const closed = { additionalProperties: false } as const;

export const protocols = ['tcp', 'udp', 'sctp'] as const;
export type Protocol = (typeof protocols)[number];
export const ProtocolSchema = Type.Union(
  protocols.map((p) => Type.Literal(p)) as [
    ReturnType<typeof Type.Literal<'tcp'>>,
    ReturnType<typeof Type.Literal<'udp'>>,
    ReturnType<typeof Type.Literal<'sctp'>>,
  ],
);

export const DrainSecondsSchema = Type.Integer({
  minimum: 0,
  maximum: 86400,
  default: 30,
  description: 'How long connections to a leaving endpoint may last at most, in seconds.',
});
const TimeoutSchema = Type.Integer({ minimum: 1, maximum: 2147483 });
export const IpvsTimeoutsSchema = Type.Object(
  { tcp: TimeoutSchema, tcpFin: TimeoutSchema, udp: TimeoutSchema },
  {
    additionalProperties: false,
    default: { tcp: 7800, tcpFin: 120, udp: 300 },
    description:
      'After so many seconds without a packet IPVS forgets a connection: established TCP, TCP after FIN, UDP. The kernel, and so Swarm, has 900, 120 and 300; 7,800 outlasts the keep-alive of Linux.',
  },
);
export type IpvsTimeouts = Static<typeof IpvsTimeoutsSchema>;

// ── cluster ────────────────────────────────────────────────────────────────────────────────────────────────────────
export const ClusterSettingsSchema = Type.Object(
  {
    addressPools: Type.Array(CidrSchema, { minItems: 1, maxItems: 64, default: ['10.0.0.0/8'], description: 'Pools that subnets are taken from.' }),
    subnetPrefixLength: Type.Integer({ minimum: 8, maximum: 29, default: 24, description: 'Length of an allocated subnet, in bits.' }),
    vniRange: Type.Tuple([VniSchema, VniSchema], {
      default: [4096, 0xffffff],
      description: 'First and last VNI to allocate; below 4096 collides with VLAN ids on Windows.',
    }),
    markRange: Type.Tuple([MarkSchema, MarkSchema], {
      default: [0x10000, 0x13fff],
      description: 'First and last mark to allocate. The default has neither the bits of Kubernetes (0x4000, 0x8000) nor the numbers of Docker (from 256).',
    }),
    dynamicPortRange: Type.Tuple([PortSchema, PortSchema], { default: [30000, 32767], description: 'Published ports that are left out are taken from here.' }),
    dataPathPort: Type.Integer({ minimum: 1024, maximum: 49151, default: 4789, description: 'UDP port of the VXLAN data path.' }),
    underlayMtu: Type.Integer({
      minimum: 626,
      maximum: 9216,
      default: 1500,
      description: 'Largest MTU between the hosts, in bytes. Where a node reports less, that counts; overlays get 50 bytes less.',
    }),
    gatewaySubnet: Type.String({
      default: '192.168.240.0/20',
      description: 'Host-local subnet between a host, its ingress sandbox and its endpoints, by which they reach out; the same on every host.',
    }),
    drainSeconds: DrainSecondsSchema,
    ipvsTimeouts: IpvsTimeoutsSchema,
    tcpKeepalive: Type.Integer({
      minimum: 0,
      maximum: 32767,
      default: 0,
      description: 'net.ipv4.tcp_keepalive_time in the namespaces of endpoints, in seconds; 0 leaves it as it is (7,200 in Linux).',
    }),
    dnsTtl: Type.Integer({ minimum: 0, maximum: 86400, default: 5, description: 'TTL of the names of the cluster, in seconds; Docker gives 600.' }),
    dnsServers: Type.Array(Type.String({ pattern: IPV4_PATTERN }), {
      maxItems: 3,
      default: [],
      description: 'Name servers that other names are asked of, in this order; those of the host (/etc/resolv.conf) when empty.',
    }),
    driftPolicy: Type.Union([Type.Literal('repair'), Type.Literal('report')], {
      default: 'repair',
      description: 'What agents do where a kernel is not as it was applied: mend it and say so, or say so only.',
    }),
  },
  closed,
);
export type ClusterSettings = Static<typeof ClusterSettingsSchema>;

/** What a cluster has that was made without settings. */
export const defaultClusterSettings: ClusterSettings = {
  addressPools: ['10.0.0.0/8'],
  subnetPrefixLength: 24,
  vniRange: [4096, 0xffffff],
  markRange: [0x10000, 0x13fff],
  dynamicPortRange: [30000, 32767],
  dataPathPort: 4789,
  underlayMtu: 1500,
  gatewaySubnet: '192.168.240.0/20',
  drainSeconds: 30,
  ipvsTimeouts: { tcp: 7800, tcpFin: 120, udp: 300 },
  tcpKeepalive: 0,
  dnsTtl: 5,
  dnsServers: [],
  driftPolicy: 'repair',
};

export const ClusterSpecSchema = Type.Object({ name: NameSchema, settings: Type.Optional(Type.Partial(ClusterSettingsSchema, closed)) }, closed);
export type ClusterSpec = Static<typeof ClusterSpecSchema>;

// ── node ───────────────────────────────────────────────────────────────────────────────────────────────────────────
export const RoleSchema = Type.Union([Type.Literal('manager'), Type.Literal('worker')], { default: 'worker' });
export const AvailabilitySchema = Type.Union([Type.Literal('active'), Type.Literal('pause'), Type.Literal('drain')], {
  default: 'active',
  description: 'pause: no new endpoints; drain: its endpoints receive no traffic.',
});
export const NodeSpecSchema = Type.Object(
  {
    name: NameSchema,
    role: Type.Optional(RoleSchema),
    availability: Type.Optional(AvailabilitySchema),
    address: Type.String({ pattern: IPV4_PATTERN, description: 'Address of the host on the underlay: the other hosts send VXLAN packets there (VTEP).' }),
    addresses: Type.Optional(
      Type.Array(Type.Object({ network: NameSchema, address: Ipv4Schema }, closed), {
        maxItems: 1000,
        description:
          'Its own addresses, which its load balancers send from: on networks that an endpoint of it is in, and on the ingress network. Allocated unless given; exports leave them out, as they follow from the endpoints.',
      }),
    ),
    labels: Type.Optional(LabelsSchema),
  },
  closed,
);
export type NodeSpec = Static<typeof NodeSpecSchema>;

// ── network ────────────────────────────────────────────────────────────────────────────────────────────────────────
export const ExtraSubnetSpecSchema = Type.Object(
  { subnet: CidrSchema, gateway: Type.Optional(Type.String({ pattern: IPV4_PATTERN })), vni: Type.Optional(VniSchema) },
  closed,
);
export const NetworkSpecSchema = Type.Object(
  {
    name: NameSchema,
    id: Type.Optional(IdSchema),
    ingress: Type.Optional(Type.Boolean({ default: false, description: 'The network of the routing mesh; one a cluster.' })),
    vni: Type.Optional(VniSchema),
    subnet: Type.Optional(CidrSchema),
    gateway: Type.Optional(Type.String({ pattern: IPV4_PATTERN, description: 'Address of the bridge br0; the first of the subnet unless given.' })),
    extraSubnets: Type.Optional(
      Type.Array(ExtraSubnetSpecSchema, {
        maxItems: 16,
        description: 'More subnets of the network. Addresses come from the first subnet as long as it has any.',
      }),
    ),
    mtu: Type.Optional(
      Type.Integer({ minimum: 576, maximum: 9216, description: 'MTU inside the overlay in bytes; computed from the underlay (50 less) unless given.' }),
    ),
    internal: Type.Optional(Type.Boolean({ default: false, description: 'Its endpoints get no way out of the cluster by this network.' })),
    attachable: Type.Optional(Type.Boolean({ default: false, description: 'Endpoints without a service may join.' })),
    dsr: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'Direct server return: endpoints see the address of the client and answer it directly. Not for the ingress network.',
      }),
    ),
    ipvsTimeouts: Type.Optional(IpvsTimeoutsSchema),
    labels: Type.Optional(LabelsSchema),
  },
  closed,
);
export type NetworkSpec = Static<typeof NetworkSpecSchema>;

// ── service ────────────────────────────────────────────────────────────────────────────────────────────────────────
export const SchedulerSchema = Type.Union(
  [Type.Literal('rr'), Type.Literal('wrr'), Type.Literal('lc'), Type.Literal('wlc'), Type.Literal('sh'), Type.Literal('mh')],
  {
    default: 'rr',
    description: 'IPVS scheduler.',
  },
);
export const EndpointModeSchema = Type.Union([Type.Literal('vip'), Type.Literal('dnsrr')], {
  default: 'vip',
  description: 'vip: the name leads to one address that is balanced; dnsrr: the name leads to the addresses of the endpoints.',
});
const AliasSchema = Type.String({ pattern: '^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$', description: 'Another name in DNS.' });
export const AliasesSchema = Type.Array(AliasSchema, { maxItems: 64 });

const probe = {
  intervalMs: Type.Optional(Type.Integer({ minimum: 100, maximum: 3600000, default: 1000, description: 'Between two probes.' })),
  timeoutMs: Type.Optional(Type.Integer({ minimum: 50, maximum: 60000, default: 500, description: 'A probe that takes longer has failed.' })),
  failures: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 2, description: 'So many failures in a row take the endpoint out.' })),
  successes: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 100, default: 2, description: 'So many successes in a row let it in again; the first lets a new one in.' }),
  ),
};
/** How the agent of its node finds out whether an endpoint answers. `port` is the target port. */
export const HealthCheckSpecSchema = Type.Union([
  Type.Object({ kind: Type.Literal('tcp'), port: PortSchema, ...probe }, closed),
  Type.Object(
    {
      kind: Type.Literal('http'),
      port: PortSchema,
      path: Type.Optional(Type.String({ pattern: '^/', maxLength: 1024, default: '/', description: 'Healthy when GET answers 200 to 399.' })),
      ...probe,
    },
    closed,
  ),
]);
export type HealthCheckSpec = Static<typeof HealthCheckSpecSchema>;
export const ServiceNetworkSpecSchema = Type.Object(
  { network: NameSchema, vip: Type.Optional(Ipv4Schema), mark: Type.Optional(MarkSchema), aliases: Type.Optional(AliasesSchema) },
  closed,
);
/** The kernel takes more, but iptables gives a meaning to `+`, `!` and quotes. */
const INTERFACE_PATTERN = '^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}$';
export const PublishedPortSpecSchema = Type.Object(
  {
    published: Type.Optional(PortSchema),
    target: PortSchema,
    protocol: Type.Optional(ProtocolSchema),
    mode: Type.Optional(
      Type.Union([Type.Literal('ingress'), Type.Literal('host')], {
        default: 'ingress',
        description: 'ingress: every node answers (routing mesh); host: only the nodes with an endpoint, which is reached directly.',
      }),
    ),
    externalTrafficPolicy: Type.Optional(
      Type.Union([Type.Literal('cluster'), Type.Literal('local')], {
        default: 'cluster',
        description: 'local: only nodes with an endpoint answer, by their own endpoints, which see the address of the client.',
      }),
    ),
    addresses: Type.Optional(
      Type.Array(Type.String({ minLength: 7, maxLength: 18 }), {
        maxItems: 32,
        description: 'Addresses or subnets of the hosts that the port is published on, such as 192.0.2.10 or 192.0.2.0/24; all unless given.',
      }),
    ),
    interfaces: Type.Optional(
      Type.Array(Type.String({ pattern: INTERFACE_PATTERN }), {
        maxItems: 32,
        description: 'Interfaces of the hosts that the port is published on; all unless given. It does not answer local processes then.',
      }),
    ),
  },
  closed,
);
export const ServiceSpecSchema = Type.Object(
  {
    name: NameSchema,
    networks: Type.Optional(
      Type.Array(ServiceNetworkSpecSchema, {
        maxItems: 64,
        description: 'Networks of its endpoints, with a VIP each (none with dnsrr). The ingress network is added by itself when a port is published.',
      }),
    ),
    ports: Type.Optional(Type.Array(PublishedPortSpecSchema, { maxItems: 256 })),
    endpointMode: Type.Optional(EndpointModeSchema),
    scheduler: Type.Optional(SchedulerSchema),
    persistence: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 86400,
        default: 0,
        description: 'Session affinity: a client stays with its endpoint for so many seconds; 0 is off.',
      }),
    ),
    healthCheck: Type.Optional(HealthCheckSpecSchema),
    drainSeconds: Type.Optional(DrainSecondsSchema),
    labels: Type.Optional(LabelsSchema),
  },
  closed,
);
export type ServiceSpec = Static<typeof ServiceSpecSchema>;

// ── endpoint ───────────────────────────────────────────────────────────────────────────────────────────────────────
/**
 * A path without what the tools of Linux would not take for a part of it, and without steps back. Agents hold to it, too: `isNamespacePath`.
 */
const NAMESPACE_PATH_PATTERN = '^(/(?!\\.{1,2}(/|$))[A-Za-z0-9_.:@+=,~-]+)+$';
const namespacePath = new RegExp(NAMESPACE_PATH_PATTERN);

export function isNamespacePath(path: string): boolean {
  return namespacePath.test(path);
}

/** How an agent finds the network namespace of an endpoint on its host. */
export const AttachmentSchema = Type.Union(
  [
    Type.Object(
      { netns: Type.String({ pattern: NAMESPACE_PATH_PATTERN, maxLength: 4096, description: 'Path of a network namespace, such as /run/netns/web-1.' }) },
      closed,
    ),
    Type.Object({ pid: Type.Integer({ minimum: 2, maximum: 4194304, description: 'A process of the container.' }) }, closed),
    Type.Object(
      { container: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$', description: 'Name or id of a Docker or podman container.' }) },
      closed,
    ),
  ],
  { description: 'Where the network namespace of the endpoint is: exactly one of netns, pid and container.' },
);
export type Attachment = Static<typeof AttachmentSchema>;

export const EndpointSpecSchema = Type.Object(
  {
    name: NameSchema,
    service: Type.Optional(NameSchema),
    networks: Type.Optional(
      Type.Array(NameSchema, { minItems: 1, maxItems: 64, description: 'Of an endpoint without a service: the attachable networks that it joins.' }),
    ),
    node: NameSchema,
    attachment: AttachmentSchema,
    weight: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535, default: 1, description: 'IPVS weight; 0 takes no new connections.' })),
    addresses: Type.Optional(Type.Array(Type.Object({ network: NameSchema, address: Ipv4Schema }, closed), { maxItems: 64 })),
    aliases: Type.Optional(AliasesSchema),
    gateway: Type.Optional(
      Type.Object(
        { address: Ipv4Schema },
        {
          additionalProperties: false,
          description: 'Its host-local address, from the third of the gateway subnet on. Allocated unless given; exports leave it out.',
        },
      ),
    ),
    flannel: Type.Optional(
      Type.Object(
        { address: Type.Optional(Type.String({ pattern: IPV4_PATTERN, description: 'In the subnet of its node; allocated there unless given.' })) },
        { additionalProperties: false, description: 'It joins the flannel network, on the bridge of its node.' },
      ),
    ),
    labels: Type.Optional(LabelsSchema),
  },
  closed,
);
export type EndpointSpec = Static<typeof EndpointSpecSchema>;

// ── flannel ────────────────────────────────────────────────────────────────────────────────────────────────────────
/** UDP ports of flannel: the kernel's own for vxlan, flanneld's for udp. */
export const flannelPorts = { vxlan: 8472, udp: 8285 } as const;

/**
 * How packets cross between hosts, with the options that flannel has. What is left out is left out of the registry, too, so
 * that flanneld takes its own defaults; these are the same as ours.
 */
export const FlannelBackendSchema = Type.Union([
  Type.Object(
    {
      type: Type.Literal('vxlan'),
      vni: Type.Optional(Type.Integer({ minimum: 1, maximum: 0xffffff, default: 1 })),
      port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, default: flannelPorts.vxlan, description: 'UDP port of the VXLAN packets.' })),
      gbp: Type.Optional(Type.Boolean({ default: false, description: 'VXLAN Group Based Policy.' })),
      learning: Type.Optional(Type.Boolean({ default: false })),
      directRouting: Type.Optional(
        Type.Boolean({ default: false, description: 'Peers in a subnet of the host are reached by a route, without encapsulation; the others by VXLAN.' }),
      ),
      mtu: Type.Optional(
        Type.Integer({ minimum: 626, maximum: 9216, description: 'MTU outside, in bytes; that of the interface unless given. Inside it is 50 less.' }),
      ),
    },
    closed,
  ),
  Type.Object({ type: Type.Literal('host-gw') }, closed),
  Type.Object({ type: Type.Literal('udp'), port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, default: flannelPorts.udp })) }, closed),
]);
export type FlannelBackend = Static<typeof FlannelBackendSchema>;

/** The flannel network of a cluster: one at most. Names are those of flannel's own configuration. */
export const FlannelSpecSchema = Type.Object(
  {
    prefix: Type.Optional(
      Type.String({
        pattern: '^/[!-~]{1,254}$',
        default: '/coreos.com/network',
        description: 'Prefix of the registry in etcd, as flanneld has it in -etcd-prefix. It cannot be changed while the network is there.',
      }),
    ),
    network: CidrSchema,
    subnetLen: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 30, description: 'Length of the subnet of a node; 24, or two more than that of a network smaller than /22.' }),
    ),
    subnetMin: Type.Optional(Type.String({ pattern: IPV4_PATTERN, description: 'First subnet to give; the second of the network unless given.' })),
    subnetMax: Type.Optional(Type.String({ pattern: IPV4_PATTERN, description: 'Last subnet to give; the last of the network unless given.' })),
    backend: FlannelBackendSchema,
    masquerade: Type.Optional(Type.Boolean({ default: true, description: 'What leaves the network gets the address of the host, as with flanneld -ip-masq.' })),
    cni: Type.Optional(
      Type.Boolean({
        default: true,
        description: 'Writes a CNI configuration on each node. CNI gives the addresses of the lower half of the subnet, Portolan those of the upper half.',
      }),
    ),
    reservations: Type.Optional(
      Type.Array(Type.Object({ node: NameSchema, subnet: CidrSchema }, closed), {
        maxItems: 10000,
        description: 'Subnets that are kept for a node, without a TTL.',
      }),
    ),
    registry: Type.Optional(
      Type.Record(Type.String({ maxLength: 64 }), Type.Any(), {
        description: 'Further fields of the configuration in etcd, kept as they are: EnableIPv6, IPv6Network, IPv6SubnetLen, EnableNFTables …',
      }),
    ),
  },
  closed,
);
export type FlannelSpec = Static<typeof FlannelSpecSchema>;

// ── manifest ───────────────────────────────────────────────────────────────────────────────────────────────────────
/**
 * A whole cluster as one document. A section that is present is complete: what it does not name is deleted.
 * A section that is left out is left alone. Values that are left out keep what was allocated before.
 */
export const ManifestSchema = Type.Object(
  {
    settings: Type.Optional(Type.Partial(ClusterSettingsSchema, closed)),
    nodes: Type.Optional(Type.Array(NodeSpecSchema)),
    networks: Type.Optional(Type.Array(NetworkSpecSchema)),
    services: Type.Optional(Type.Array(ServiceSpecSchema)),
    endpoints: Type.Optional(Type.Array(EndpointSpecSchema)),
    flannel: Type.Optional(Type.Union([FlannelSpecSchema, Type.Null()], { description: 'null removes the network and gives its subnets back.' })),
  },
  closed,
);
export type Manifest = Static<typeof ManifestSchema>;

export const nounKinds = ['node', 'network', 'service', 'endpoint'] as const;
/** The kinds of object inside a cluster. */
export type NounKind = (typeof nounKinds)[number];
export const nounSchemas = { node: NodeSpecSchema, network: NetworkSpecSchema, service: ServiceSpecSchema, endpoint: EndpointSpecSchema } as const;
