import type { Cidr, Ipv4, Mac } from '@portolan/model';

/**
 * The kernel state of one network namespace, as `ip -d addr`, `ip route show table all`, `ip neigh`, `bridge fdb`,
 * `iptables-save`, `ipvsadm -Sn` and `sysctl -a` print it. Each list is in the order of the text: rules and routes are read by the kernel in it.
 */
export interface NamespaceDump {
  readonly links: readonly DumpedLink[];
  /** IPv4, of all tables. */
  readonly routes: readonly DumpedRoute[];
  readonly neighbours: readonly DumpedNeighbour[];
  readonly forwarding: readonly DumpedForwarding[];
  readonly chains: readonly DumpedChain[];
  readonly rules: readonly DumpedRule[];
  readonly virtualServers: readonly DumpedVirtualServer[];
  readonly realServers: readonly DumpedRealServer[];
  /** By name with dots, such as net.ipv4.ip_forward. */
  readonly sysctls: Readonly<Record<string, string>>;
}

export type DumpSection = 'addr' | 'route' | 'neigh' | 'fdb' | 'iptables' | 'ipvs' | 'sysctl';
/** Sections of a dump, in the order of its text; each begins with a line `# NAME`. */
export const dumpSections: readonly DumpSection[] = ['addr', 'route', 'neigh', 'fdb', 'iptables', 'ipvs', 'sysctl'];

export interface DumpedLink {
  /** Without the peer: `eth0` of `eth0@if7`. */
  readonly name: string;
  /** As the kernel calls it: loopback (for lo), bridge, vxlan, veth, dummy, … ; `device` where the text names none. */
  readonly kind: string;
  /** Administratively up: the flag UP. */
  readonly up: boolean;
  /** In bytes. */
  readonly mtu: number;
  /** null where the text has none, as of tunnels. */
  readonly mac: Mac | null;
  /** The bridge that it is a port of. */
  readonly master: string | null;
  readonly vxlan: DumpedVxlan | null;
  /** IPv4 only, in the order of the text. */
  readonly addresses: readonly DumpedAddress[];
}

export interface DumpedVxlan {
  readonly vni: number;
  /** UDP port. */
  readonly port: number;
  /** Answers ARP from the permanent neighbours. */
  readonly proxy: boolean;
  readonly learning: boolean;
  readonly l2miss: boolean;
  readonly l3miss: boolean;
}

export interface DumpedAddress {
  readonly address: Ipv4;
  readonly prefixLength: number;
  readonly scope: string;
}

export interface DumpedRoute {
  /** `unicast` where the text names no type; local, broadcast, … */
  readonly type: string;
  readonly destination: Cidr | Ipv4 | 'default';
  readonly via: Ipv4 | null;
  readonly link: string | null;
  /** `main` where the text names none. */
  readonly table: string;
  readonly protocol: string | null;
  readonly metric: number;
}

export interface DumpedNeighbour {
  readonly address: Ipv4;
  readonly link: string;
  readonly mac: Mac | null;
  /** In capitals: PERMANENT, REACHABLE, STALE, FAILED, … */
  readonly state: string;
}

export interface DumpedForwarding {
  readonly mac: Mac;
  readonly link: string;
  /** The host behind the MAC, of an entry `self` of a VXLAN device. */
  readonly vtep: Ipv4 | null;
  readonly master: string | null;
  readonly permanent: boolean;
}

export interface DumpedChain {
  readonly table: string;
  readonly chain: string;
  /** ACCEPT or DROP of a built-in chain; null of others. */
  readonly policy: string | null;
}

/** A rule as iptables-save prints it, cut into what it matches and what it does. */
export interface DumpedRule {
  readonly table: string;
  readonly chain: string;
  /** What stands between the chain and `-j`, without comments: `-d 10.0.0.5/32`; '' when it matches everything. */
  readonly match: string;
  /** After `-j` (or `-g`): DNAT, MARK, DOCKER-USER …; null when there is none. */
  readonly target: string | null;
  /** What follows the target: `--to-destination 172.18.0.2:8000`. */
  readonly options: string;
}

export interface DumpedVirtualServer {
  readonly mark: number;
  readonly scheduler: string;
  /** Persistence in seconds; 0: none. */
  readonly persistence: number;
}

export interface DumpedRealServer {
  readonly mark: number;
  readonly address: Ipv4;
  /** 0: the port of the packet stays. */
  readonly port: number;
  /** -m masquerade, -g direct, -i tunnel */
  readonly forwarding: 'masquerade' | 'direct' | 'tunnel';
  readonly weight: number;
}
