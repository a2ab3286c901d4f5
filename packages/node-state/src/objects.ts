import type { Attachment, Cidr, HealthCheck, Id, Ipv4, IpvsTimeouts, Mac, Protocol } from '@portolan/model';

/**
 * A network namespace, as the node state names it: the host's own, one that the agent makes for itself
 * (`own:1-…` an overlay, `own:lb_…` its load balancer, `own:ingress_sbox`), or that of an endpoint.
 */
export type Space = 'host' | `own:${string}` | `endpoint:${Id}`;

/** What made an object: shown as the reason in plans, in jobs and by `explain`. */
export interface Origin {
  /** The part of compute that made it. */
  readonly computedBy: 'overlay' | 'load-balancer' | 'ingress' | 'endpoint' | 'gateway' | 'dns' | 'flannel';
  /** Of flannel: the key of the peer's lease in the registry. */
  readonly lease?: string;
  readonly network?: string;
  readonly service?: string;
  readonly endpoint?: string;
}

/** The kinds of kernel object, in the order in which they are made. They are undone in reverse. */
export const objectKinds = [
  'namespace',
  'bridge',
  'vxlan',
  'flannel-vtep',
  'udp-relay',
  'veth',
  'address',
  'sysctl',
  'neighbour',
  'fdb',
  'udp-relay-peer',
  'route',
  'route-rule',
  'ipvs-timeouts',
  'virtual-server',
  'real-server',
  'mark',
  'source-kept',
  'source-rewrite',
  'rule-entry',
  'port-redirect',
  'endpoint-filter',
  'gateway-policy',
  'port-forward',
  'pod-forward',
  'pod-masquerade',
  'file',
  'dns-redirect',
  'dns-server',
  'dns-name',
  'dns-client',
] as const;
export type ObjectKind = (typeof objectKinds)[number];

/** A network namespace of the agent's own, with its `lo` up: IPVS refuses real servers where lo is down. */
export interface NamespaceBody {
  readonly kind: 'namespace';
}

export interface BridgeBody {
  readonly kind: 'bridge';
  readonly name: string;
  readonly mtu: number;
  /**
   * Of each bridge on the host, for it is the gateway of what is behind it. Without one a bridge takes the least of its ports', which
   * changes as they come and go, and neighbours send to the old one until they ask again. Overlays' bridges are nobody's next hop on their
   * own, and the same on every host: none.
   */
  readonly mac?: Mac;
}

/**
 * A VTEP inside an overlay namespace. Its UDP socket stays in the host's namespace. `proxy` answers ARP from the
 * permanent neighbours and lets nothing else out, so every node can carry the same VIP.
 */
export interface VxlanBody {
  readonly kind: 'vxlan';
  readonly name: string;
  readonly vni: number;
  readonly port: number;
  readonly mtu: number;
  readonly master: string;
}

/**
 * flannel's VTEP on the host, made as flanneld makes it: UDP packets from `local` by the interface `underlay`, nothing learnt
 * unless `learning`, IPv6 router advertisements ignored. Peers are neighbours and forwarding entries.
 */
export interface FlannelVtepBody {
  readonly kind: 'flannel-vtep';
  /** flannel.VNI */
  readonly name: string;
  readonly vni: number;
  readonly port: number;
  readonly mtu: number;
  readonly mac: Mac;
  readonly local: Ipv4;
  readonly underlay: string;
  readonly learning: boolean;
  readonly gbp: boolean;
}

/**
 * The relay of flannel's udp backend on the host: a TUN device and a process that carries its packets in UDP, from and to
 * `local`:`port`. It is a program of ours beside the agent, and is observed and changed like what is in the kernel.
 */
export interface UdpRelayBody {
  readonly kind: 'udp-relay';
  /** Of the TUN device: flannel0 */
  readonly name: string;
  readonly mtu: number;
  readonly local: Ipv4;
  readonly port: number;
  /** The host's address in the network, from which it answers packets that nobody takes (ICMP). */
  readonly address: Ipv4;
}

/** Packets to `subnet` go to the relay at `host`. */
export interface UdpRelayPeerBody {
  readonly kind: 'udp-relay-peer';
  readonly relay: string;
  readonly subnet: Cidr;
  readonly host: Ipv4;
}

/** A pair; `space` of the object is the side that is named first, `peer` the other. */
export interface VethBody {
  readonly kind: 'veth';
  readonly name: string;
  readonly master?: string;
  readonly mtu: number;
  /** Of the named side, which is a bridge port then: it exchanges no frames with other isolated ports. */
  readonly isolated?: true;
  readonly peer: { readonly space: Space; readonly name: string; readonly mac: Mac };
}

export interface AddressBody {
  readonly kind: 'address';
  readonly link: string;
  readonly address: Ipv4;
  readonly prefixLength: number;
}

export interface SysctlBody {
  readonly kind: 'sysctl' /** with dots, such as net.ipv4.ip_forward */;
  readonly name: string;
  readonly value: string;
}

/** A unicast route with our own protocol number. */
export interface RouteBody {
  readonly kind: 'route';
  readonly destination: Cidr | 'default';
  /** Missing where the destination is on the link itself. */
  readonly via?: Ipv4;
  readonly link: string;
  /** The main table unless given. */
  readonly table?: number;
  /** Among routes to the same destination the least counts; 0 unless given. */
  readonly metric?: number;
  /** `via` is taken for a neighbour on the link, whatever addresses that has. */
  readonly onlink?: true;
  /** Valid everywhere although it has no `via`, as flannel's route to its TUN device; else such a route is valid on the link. */
  readonly scope?: 'global';
}

/** Packets with that source address are routed by a table of their own; with our own protocol number. */
export interface RouteRuleBody {
  readonly kind: 'route-rule';
  readonly from: Ipv4;
  readonly table: number;
}

/** A permanent neighbour: the MAC behind an address of another node. */
export interface NeighbourBody {
  readonly kind: 'neighbour';
  readonly link: string;
  readonly address: Ipv4;
  readonly mac: Mac;
}

/** A permanent forwarding entry: the host (VTEP) behind a MAC. */
export interface FdbBody {
  readonly kind: 'fdb';
  readonly link: string;
  readonly mac: Mac;
  readonly vtep: Ipv4;
}

/** After so many seconds without a packet IPVS forgets a connection; one set for a namespace. */
export interface IpvsTimeoutsBody extends IpvsTimeouts {
  readonly kind: 'ipvs-timeouts';
}

/** An IPVS service found by firewall mark: all ports and protocols. */
export interface VirtualServerBody {
  readonly kind: 'virtual-server';
  readonly mark: number;
  readonly scheduler: string;
  /** Seconds that a client stays with its real server; none unless given. */
  readonly persistence?: number;
}

/** A destination of a virtual server; port 0, so the port of the packet stays. */
export interface RealServerBody {
  readonly kind: 'real-server';
  readonly mark: number;
  readonly address: Ipv4;
  /** masquerade: the address is rewritten (NAT); direct: only the frame is sent there (direct server return). */
  readonly forwarding: 'masquerade' | 'direct';
  readonly weight: number;
}

/** Marks packets: by destination address before local delivery, or by port before routing. */
export interface MarkBody {
  readonly kind: 'mark';
  readonly match:
    | { readonly stage: 'input'; readonly destination: Ipv4 }
    | { readonly stage: 'prerouting'; readonly protocol: Protocol; readonly port: number };
  readonly mark: number;
}

/** Balanced packets with that mark keep the source that they came with: no source rewrite. */
export interface SourceKeptBody {
  readonly kind: 'source-kept';
  readonly mark: number;
}

/** Gives balanced packets the load balancer's own address as source, so that the replies come back to it. */
export interface SourceRewriteBody {
  readonly kind: 'source-rewrite';
  readonly destination: Cidr;
  readonly source: Ipv4;
}

/**
 * In a namespace that is not ours alone: a point at which packets visit our rules. Without it our rules are there but
 * without effect, as after another program has emptied the tables; so it is an object that can be missing.
 */
export interface RuleEntryBody {
  readonly kind: 'rule-entry';
  readonly table: 'nat' | 'filter';
  readonly stage: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';
}

/** In an endpoint's namespace: what arrives on the published port goes to the target port. */
export interface PortRedirectBody {
  readonly kind: 'port-redirect';
  readonly destination: Ipv4;
  readonly protocol: Protocol;
  readonly port: number;
  readonly toPort: number;
}

/** In an endpoint's namespace: on its ingress address only published ports answer. */
export interface EndpointFilterBody {
  readonly kind: 'endpoint-filter';
  readonly address: Ipv4;
  readonly open: readonly { readonly protocol: Protocol; readonly port: number }[];
}

/**
 * On the host: what the bridge to the ingress sandbox may do (reach out masqueraded, be answered, no traffic
 * between its ports), and that local processes reach published ports too.
 */
export interface GatewayPolicyBody {
  readonly kind: 'gateway-policy';
  readonly link: string;
  readonly subnet: Cidr;
}

/** On the host: a published port of its local addresses is sent to the ingress sandbox, or to an endpoint. */
export interface PortForwardBody {
  readonly kind: 'port-forward';
  readonly protocol: Protocol;
  readonly port: number;
  readonly to: Ipv4;
  readonly toPort: number;
  /** Only packets to these addresses or subnets, sorted; all unless given. */
  readonly addresses?: readonly string[];
  /** Only packets that come in by these interfaces, sorted; all unless given. */
  readonly interfaces?: readonly string[];
}

/** On the host: packets from and to flannel's network are let through. */
export interface PodForwardBody {
  readonly kind: 'pod-forward';
  readonly network: Cidr;
}

/**
 * On the host: what leaves flannel's network, and what enters it from elsewhere to other nodes, gets the address of the host;
 * packets within it, and those that kube-proxy marks, keep theirs.
 */
export interface PodMasqueradeBody {
  readonly kind: 'pod-masquerade';
  readonly network: Cidr;
  /** The node's own. */
  readonly subnet: Cidr;
}

/** A file on the host, below the agent's root for files; mode 0644, replaced at once (rename). */
export interface FileBody {
  readonly kind: 'file';
  /** Absolute. */
  readonly path: string;
  readonly content: string;
}

/** In an endpoint's namespace: what is asked of 127.0.0.11:53 goes to the port at which our name server listens there. */
export interface DnsRedirectBody {
  readonly kind: 'dns-redirect';
  readonly port: number;
}

/** How the name server of the node answers. It is part of the agent, in no kernel, and is observed and changed like what is in one. */
export interface DnsServerBody {
  readonly kind: 'dns-server';
  /** TTL of the names of the cluster, in seconds. */
  readonly ttl: number;
  /** Other names are asked of these in turn; of the host's own servers when empty. */
  readonly upstreams: readonly Ipv4[];
}

/** A name on one network, in lower case. */
export interface DnsNameBody {
  readonly kind: 'dns-name';
  readonly network: string;
  readonly name: string;
  /** In ascending order. None: the name exists and has no address. */
  readonly addresses: readonly Ipv4[];
  /** What endpoints of `service` are told instead: its members that are not yet healthy, too. */
  readonly own?: { readonly service: string; readonly addresses: readonly Ipv4[] };
  /** The addresses lead back to this name (PTR). */
  readonly reverse?: true;
}

/** An endpoint that asks: our name server listens in its namespace at 127.0.0.11. */
export interface DnsClientBody {
  readonly kind: 'dns-client';
  readonly port: number;
  /** The networks whose names it sees, in the order in which they are searched. */
  readonly networks: readonly string[];
  readonly service?: string;
  /** Whether names that are not of the cluster are asked for elsewhere; not where all its networks are internal. */
  readonly forwards: boolean;
}

export type ObjectBody =
  | NamespaceBody
  | BridgeBody
  | VxlanBody
  | FlannelVtepBody
  | UdpRelayBody
  | UdpRelayPeerBody
  | VethBody
  | AddressBody
  | SysctlBody
  | RouteBody
  | RouteRuleBody
  | NeighbourBody
  | FdbBody
  | IpvsTimeoutsBody
  | VirtualServerBody
  | RealServerBody
  | MarkBody
  | SourceKeptBody
  | SourceRewriteBody
  | RuleEntryBody
  | PortRedirectBody
  | EndpointFilterBody
  | GatewayPolicyBody
  | PortForwardBody
  | PodForwardBody
  | PodMasqueradeBody
  | FileBody
  | DnsRedirectBody
  | DnsServerBody
  | DnsNameBody
  | DnsClientBody;

/** One thing in a kernel, in words that name no tool. */
export interface KernelObject<B extends ObjectBody = ObjectBody> {
  /** Identity on the node: `KIND/SPACE/REST`, see `objectKey`. */
  readonly key: string;
  /** Content: 16 hexadecimal digits over `body`; equal hashes mean nothing to do. */
  readonly hash: string;
  readonly space: Space;
  readonly body: B;
  readonly origin: Origin;
}

/** What an agent looks at besides its kernel, and reports. */
export interface Watch {
  /** Endpoints of this node with a health check: probed from `space`, the load balancer's namespace, at `address`. */
  readonly probes: Readonly<Record<Id, HealthProbe>>;
  /** Silent nodes: does the host at that address still answer? */
  readonly nodes: Readonly<Record<Id, Ipv4>>;
  /** Endpoints of this node that leave: how many connections has each? */
  readonly draining: readonly Id[];
  /** The kernel is looked at every so many seconds; left out: as the agent is set. */
  readonly everySeconds?: number;
  /** `report`: what others did to the kernel is told and left as it is; left out: it is repaired. */
  readonly driftPolicy?: 'report';
  /** VIPs and published ports over TCP that a container or a client can reach from this node, by `SERVICE-ID/NETWORK-ID/PORT`; the agent dials those whose way it has changed. */
  readonly vips?: Readonly<Record<string, VipProbe>>;
}

export interface VipProbe {
  /** Namespace to dial from. */
  readonly space: Space;
  readonly address: Ipv4;
  readonly port: number;
}

export interface HealthProbe extends HealthCheck {
  readonly space: Space;
  readonly address: Ipv4;
}

/** Everything that Portolan wants in the kernel of one node. */
export interface NodeState {
  readonly cluster: string;
  readonly node: string;
  /** Of the host on the underlay (VTEP). */
  readonly address: Ipv4;
  /** Where the namespaces of this node's endpoints are. An agent that does not find one reports it absent. */
  readonly endpoints: Readonly<Record<Id, { readonly name: string; readonly attachment: Attachment }>>;
  readonly watch: Watch;
  /** In canonical order: by kind, then by key. */
  readonly objects: readonly KernelObject[];
  /** Over all of it but cluster and node; equal hashes mean equal states. */
  readonly hash: string;
}

/** One thing that was read back from a kernel and is recognisably ours. */
export interface ObservedObject {
  readonly key: string;
  /** Hash of the body that was read, or of the comment that the rule carries; '' when it is damaged or incomplete. */
  readonly hash: string;
  readonly space: Space;
  readonly kind: ObjectKind;
  /** Missing for rules, which are recognised by their comment and never parsed. */
  readonly body?: ObjectBody;
}

export interface ObservedState {
  /** In canonical order. */
  readonly objects: readonly ObservedObject[];
  /** Presence of each endpoint's namespace that was asked for. */
  readonly endpoints: Readonly<Record<Id, 'present' | 'absent'>>;
  /** Things in our own namespaces that we did not make, as the tool prints them. They are reported, and removed where a rewrite removes them. */
  readonly foreign: readonly { readonly space: Space; readonly text: string }[];
  /** Over the keys and hashes of all objects. */
  readonly hash: string;
}
