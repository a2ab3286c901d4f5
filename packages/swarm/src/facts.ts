import type { Cidr, Ipv4, Mac, Protocol } from '@portolan/model';

/**
 * What a Docker swarm is, as the Engine API of its managers and nodes tells it: everything that decides what Docker programs on each
 * node. Read from JSON (`readSwarm`) or made from a cluster of Portolan's (`swarmOfSnapshot`); what each node should have is made of it
 * (`dockerState`), and a manifest (`manifestOfSwarm`).
 */
export interface Swarm {
  readonly nodes: readonly SwarmNode[];
  readonly networks: readonly SwarmNetwork[];
  readonly services: readonly SwarmService[];
  readonly tasks: readonly SwarmTask[];
}

export interface SwarmNode {
  readonly id: string;
  /** Host name, and the NODE of the files of a collection. */
  readonly name: string;
  readonly role: 'manager' | 'worker';
  readonly availability: 'active' | 'pause' | 'drain';
  /** ready, down, disconnected, unknown */
  readonly state: string;
  /** VTEP address. */
  readonly address: Ipv4;
  readonly engineVersion: string;
  /** Its load balancers: the networks that are there (instantiated) on the node, each with the node's own address. null: not collected. */
  readonly balancers: readonly SwarmBalancer[] | null;
  /** docker_gwbridge of the node; null: not collected, or not there. */
  readonly gateway: SwarmGateway | null;
  /** Containers on overlays of the node that are no tasks (attachable networks). */
  readonly containers: readonly SwarmContainer[];
}

export interface SwarmBalancer {
  readonly networkId: string;
  readonly address: Ipv4;
  readonly mac: Mac;
}

export interface SwarmGateway {
  readonly subnet: Cidr;
  readonly gateway: Ipv4;
  /** Of the ingress sandbox (172.18.0.2 as a rule); null when it has none. */
  readonly ingress: Ipv4 | null;
  /** Addresses of the others on the bridge, by the first 12 characters of their sandbox id, which is the name of their namespace. */
  readonly sandboxes: Readonly<Record<string, Ipv4>>;
}

export interface SwarmContainer {
  readonly containerId: string;
  /** Name of its namespace: the first 12 characters of its sandbox id; null when it cannot be told. */
  readonly sandbox: string | null;
  readonly addresses: readonly SwarmAddress[];
}

export interface SwarmAddress {
  readonly networkId: string;
  readonly address: Ipv4;
  readonly prefixLength: number;
  readonly mac: Mac;
}

export interface SwarmNetwork {
  readonly id: string;
  readonly name: string;
  readonly ingress: boolean;
  readonly subnets: readonly { readonly subnet: Cidr; readonly gateway: Ipv4; readonly vni: number }[];
  /** Option com.docker.network.driver.mtu; 1500 unless given. That of the devices is 50 less, 76 (and a multiple of four) when encrypted. */
  readonly mtu: number;
  readonly encrypted: boolean;
  readonly dsr: boolean;
  readonly internal: boolean;
  readonly attachable: boolean;
  /** It has IPv6 too, of which nothing else is said here. */
  readonly ipv6?: boolean;
}

export interface SwarmService {
  readonly id: string;
  readonly name: string;
  readonly mode: 'vip' | 'dnsrr';
  readonly vips: readonly { readonly networkId: string; readonly address: Ipv4 }[];
  readonly ports: readonly SwarmPort[];
  /** Networks of its tasks with their aliases, without ingress. */
  readonly networks: readonly { readonly networkId: string; readonly aliases: readonly string[] }[];
}

export interface SwarmPort {
  readonly protocol: Protocol;
  readonly target: number;
  /** 0 of a port of mode `host` that Docker chose. */
  readonly published: number;
  readonly mode: 'ingress' | 'host';
}

export interface SwarmTask {
  readonly id: string;
  /** `web.1.nbt9ucn3j6aldvnn349b5zm4n`; of a global service `web.NODE-ID.TASK-ID`. */
  readonly name: string;
  /** '' of a task that leaves and whose service is gone. */
  readonly serviceId: string;
  readonly nodeId: string;
  readonly containerId: string | null;
  /**
   * running: Docker has programmed it everywhere. starting, leaving: it may be programmed, or not yet, or not any more. Tasks that have
   * ended are not in the list.
   */
  readonly state: 'running' | 'starting' | 'leaving';
  /** Name of its namespace, as of a container; null when it cannot be told. */
  readonly sandbox: string | null;
  readonly addresses: readonly SwarmAddress[];
  /** Ports of mode `host` that it holds on its node. */
  readonly hostPorts: readonly SwarmPort[];
  /** Where these lead when it is on no network of the swarm: its place on docker0. No answer of the API tells it; the audit finds it in the rules of its node. */
  readonly bridge?: { readonly name: string; readonly address: Ipv4 };
}
