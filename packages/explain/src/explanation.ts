import type { Ipv4 } from '@portolan/model';
import type { ObjectKind, Origin, Space } from '@portolan/node-state';

/** Everything that `explain` answers; plain data, so that REST, GraphQL and `--json` show the same. */

/** desired: what the kernels should hold; observed: what the agents last saw in them. */
export type View = 'desired' | 'observed';

export const transports = ['tcp', 'udp', 'icmp'] as const;
export type Transport = (typeof transports)[number];

/** Where a hop happens. */
export interface Place {
  /** Name of the host; null: outside the cluster, or between hosts. */
  readonly node: string | null;
  /** `outside`: a client that is none of our hosts; `underlay`: the network between hosts. */
  readonly space: Space | 'outside' | 'underlay';
  /** As people call it: host, overlay bjdt_overlay, load balancer of bjdt_overlay, ingress sandbox, endpoint web.1, underlay, outside. */
  readonly title: string;
}

/** The packet around a packet. */
export interface OuterHeaders {
  readonly kind: 'vxlan' | 'relay';
  readonly source: Ipv4;
  readonly destination: Ipv4;
  /** Destination port, UDP. */
  readonly port: number;
  /** Of vxlan; null of the relay. */
  readonly vni: number | null;
  /** Bytes that it adds to the IP packet inside: 50 of VXLAN over IPv4 (with the inner frame's header), 28 of the relay. */
  readonly overhead: number;
  readonly ttl: number;
}

export interface PacketHeaders {
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly transport: Transport;
  /** null of icmp. */
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
  readonly ttl: number;
  /** Firewall mark, which only this kernel sees; 0: none. */
  readonly mark: number;
  /** Bytes of the IP packet. */
  readonly size: number;
  /** May not be fragmented. */
  readonly df: boolean;
  readonly outer: OuterHeaders | null;
}

/**
 * What happens to the packet at a hop. `transmit` and `receive` are exactly what a capture on that device of that namespace shows, in that
 * order; the truth test compares them with one.
 */
export const hopKinds = [
  'send',
  'route',
  'neighbour',
  'fdb',
  'rule',
  'virtual-server',
  'real-server',
  'connection',
  'encapsulate',
  'decapsulate',
  'transmit',
  'receive',
  'deliver',
  'drop',
] as const;
export type HopKind = (typeof hopKinds)[number];

export const ruleEffects = ['mark', 'dnat', 'snat', 'masquerade', 'accept', 'drop'] as const;
export type RuleEffect = (typeof ruleEffects)[number];

/** One object of a node state, and what in the intent put it there. */
export interface ObjectRef {
  readonly node: string;
  readonly key: string;
  readonly kind: ObjectKind;
  /** null: the object is in the kernel and in no state. */
  readonly origin: Origin | null;
}

export interface Hop {
  readonly kind: HopKind;
  readonly place: Place;
  /** The link that it is about, such as eth0; null where it is about none. */
  readonly device: string | null;
  /** One sentence for people: what happens, and why. */
  readonly text: string;
  /** Of kind rule. */
  readonly effect: RuleEffect | null;
  readonly before: PacketHeaders;
  readonly after: PacketHeaders;
  /** What in the kernel does it; null: the kernel by itself (a connected route, a local address of the host). */
  readonly object: ObjectRef | null;
}

export const outcomes = ['delivered', 'no-reply', 'asymmetric', 'too-big', 'no-backend', 'dropped', 'unreachable', 'unknown'] as const;
/**
 * - delivered: it arrives, and the answer comes back
 * - no-reply: it arrives, and the answer is lost
 * - asymmetric: the answer arrives by another way or with another address than the client expects
 * - too-big: a device or a path has a smaller MTU and the packet may not be fragmented
 * - no-backend: nothing is behind the VIP, port or name
 * - dropped: a rule, or a rule that is not ours, takes it
 * - unreachable: no route, neighbour, forwarding entry, host, or nobody listens at the address
 * - unknown: the way leads where nothing is known, as to a host that has never reported
 */
export type Outcome = (typeof outcomes)[number];

export interface Verdict {
  readonly outcome: Outcome;
  /** Who gets it, such as `endpoint api.2`; null: nobody. */
  readonly to: string | null;
  /** Index of the hop at which it ends; in `reply` where `inReply`. null: before the first hop, as with a name that nobody has. */
  readonly hop: number | null;
  readonly inReply: boolean;
  /** What is to blame: an object that is there, or one that should be. */
  readonly object: ObjectRef | null;
  /** For people, one sentence. */
  readonly reason: string;
  /** What mends it; null where nothing has to be. */
  readonly fix: string | null;
}

/** The way by one real server; of a flow without load balancing there is one. */
export interface Path {
  /** Name of the endpoint that the path leads to; null: none, or not one of ours. */
  readonly backend: string | null;
  /** Share of new connections that go this way, 0 to 1: evenly with the schedulers rr and lc, by weights with the others; of a name each address is as likely. */
  readonly share: number;
  readonly forward: readonly Hop[];
  /** Empty where nothing arrived. */
  readonly reply: readonly Hop[];
  readonly verdict: Verdict;
}

/** How the name was turned into addresses, by the name server of the client's node. */
export interface Resolution {
  readonly name: string;
  /** In ascending order; more than one with dnsrr and `tasks.…`. */
  readonly addresses: readonly Ipv4[];
  /** The record; null: a name that nobody has, or one that was asked for elsewhere. */
  readonly object: ObjectRef | null;
  readonly text: string;
}

/** How a node knows where a container of flannel's network lives: one chain for each crossing of the path. */
export interface LeaseTrail {
  /** The node that asks itself. */
  readonly node: string;
  /** Key in the registry. */
  readonly registryKey: string;
  readonly subnet: string;
  /** Host of the lease. */
  readonly host: Ipv4;
  readonly backend: string;
  readonly route: ObjectRef | null;
  readonly neighbour: ObjectRef | null;
  readonly fdb: ObjectRef | null;
  readonly relay: ObjectRef | null;
  /** One line for each link of the chain, for people. */
  readonly lines: readonly string[];
}

/** A place on the way at which the kernels are not as they should be. */
export interface Divergence {
  readonly object: ObjectRef;
  readonly difference: 'missing' | 'different' | 'unexpected' | 'obstructed';
  /** For people: what should be there and what is. */
  readonly text: string;
  /** Whether the verdict changes by it: false for what lies on the way without effect on it. */
  readonly decisive: boolean;
}

export interface Explanation {
  readonly cluster: string;
  readonly revision: number;
  readonly view: View;
  /** As they were asked for. */
  readonly from: string;
  readonly to: string;
  readonly transport: Transport;
  /** null: an address was asked for. */
  readonly resolution: Resolution | null;
  readonly paths: readonly Path[];
  /** The worst of all paths, with how many of them share its outcome in the reason. */
  readonly verdict: Verdict;
  /** Only of view observed: what on the desired way is not there, or other than it should be. Decisive ones first. */
  readonly divergences: readonly Divergence[];
  readonly trails: readonly LeaseTrail[];
}

/** What is asked. */
export interface Question {
  /** `endpoint:NAME`, `node:NAME` (a process on the host), `outside` or `outside:ADDRESS`. */
  readonly from: string;
  /**
   * `NAME[:PORT][/tcp|/udp|/icmp]` (a name that the client's name server knows, or a service with a published port for clients on hosts and outside),
   * `ADDRESS[:PORT][/…]`, `node:NAME:PORT[/…]`, `endpoint:NAME[:PORT][/…]`.
   */
  readonly to: string;
  /** The node that a client outside dials, where `to` is a service. The first in the order of names unless given. */
  readonly node?: string | undefined;
  /** Only the path by this endpoint. */
  readonly backend?: string | undefined;
  /** Bytes of the IP packet; 60 (a TCP SYN) unless given. */
  readonly size?: number | undefined;
  /** May not be fragmented; true unless given. */
  readonly df?: boolean | undefined;
}

/** One client and one destination of `reach`. */
export interface Reached {
  readonly from: string;
  readonly to: string;
  /** That a client outside dials; null of the others. */
  readonly node: string | null;
  readonly outcome: Outcome;
  readonly reason: string;
  /** Of the paths: how many are delivered, and how many there are. */
  readonly delivered: number;
  readonly paths: number;
  /** Names of the endpoints that it is delivered to, sorted. */
  readonly backends: readonly string[];
}

/** A flow that a change ends, begins or moves. */
export interface FlowChange extends Pick<Reached, 'from' | 'to' | 'node'> {
  /** null: there was, or will be, no such flow. */
  readonly before: Outcome | null;
  readonly after: Outcome | null;
  /** Backends that it gains and loses, by name. */
  readonly gained: readonly string[];
  readonly lost: readonly string[];
  readonly text: string;
}
