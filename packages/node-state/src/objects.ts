import type { Attachment, Cidr, Id, Ipv4, Mac, Protocol } from '@portolan/model';

/**
 * A network namespace, as the node state names it: the host's own, one that the agent makes for itself
 * (`own:1-…` an overlay, `own:lb_…` its load balancer, `own:ingress_sbox`), or that of an endpoint.
 */
export type Space = 'host' | `own:${string}` | `endpoint:${Id}`;

/** What made an object: shown as the reason in plans, in jobs and by `explain`. */
export interface Origin {
  /** The part of compute that made it. */
  readonly computedBy: 'overlay' | 'load-balancer' | 'ingress' | 'endpoint';
  readonly network?: string;
  readonly service?: string;
  readonly endpoint?: string;
}

/** The kinds of kernel object, in the order in which they are made. They are undone in reverse. */
export const objectKinds = [
  'namespace',
  'bridge',
  'vxlan',
  'veth',
  'address',
  'sysctl',
  'route',
  'neighbour',
  'fdb',
  'virtual-server',
  'real-server',
  'mark',
  'source-rewrite',
  'rule-entry',
  'port-redirect',
  'endpoint-filter',
  'gateway-policy',
  'port-forward',
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

/** A pair; `space` of the object is the side that is named first, `peer` the other. */
export interface VethBody {
  readonly kind: 'veth';
  readonly name: string;
  readonly master?: string;
  readonly mtu: number;
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
  readonly via: Ipv4;
  readonly link: string;
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

/** An IPVS service found by firewall mark: all ports and protocols. */
export interface VirtualServerBody {
  readonly kind: 'virtual-server';
  readonly mark: number;
  readonly scheduler: string;
}

/** A destination of a virtual server; port 0, so the port of the packet stays. */
export interface RealServerBody {
  readonly kind: 'real-server';
  readonly mark: number;
  readonly address: Ipv4;
  readonly forwarding: 'masquerade';
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

/** On the host: a published port of every local address is sent to the ingress sandbox. */
export interface PortForwardBody {
  readonly kind: 'port-forward';
  readonly protocol: Protocol;
  readonly port: number;
  readonly to: Ipv4;
}

export type ObjectBody =
  | NamespaceBody
  | BridgeBody
  | VxlanBody
  | VethBody
  | AddressBody
  | SysctlBody
  | RouteBody
  | NeighbourBody
  | FdbBody
  | VirtualServerBody
  | RealServerBody
  | MarkBody
  | SourceRewriteBody
  | RuleEntryBody
  | PortRedirectBody
  | EndpointFilterBody
  | GatewayPolicyBody
  | PortForwardBody;

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

/** Everything that Portolan wants in the kernel of one node. */
export interface NodeState {
  readonly cluster: string;
  readonly node: string;
  /** Where the namespaces of this node's endpoints are. An agent that does not find one reports it absent. */
  readonly endpoints: Readonly<Record<Id, { readonly name: string; readonly attachment: Attachment }>>;
  /** In canonical order: by kind, then by key. */
  readonly objects: readonly KernelObject[];
  /** Over the keys and hashes of all objects and over the endpoints; equal hashes mean equal states. */
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
