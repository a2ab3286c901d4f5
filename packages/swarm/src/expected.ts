import type { NamespaceDump } from '@portolan/dump';
import type { Ipv4 } from '@portolan/model';
import type { SwarmPort } from './facts.js';

/** What Docker 20.10 programs in one namespace of a node. */
export interface ExpectedNamespace {
  /**
   * As in the files of a collection: `host`, or the name in /var/run/docker/netns: `1-mou30nzwns`, `lb_mou30nzwn`, `ingress_sbox`, `399ae6370db7`.
   * An overlay's begins with `1-` here, and with `2-` … there when its network was made anew while the daemon ran.
   */
  readonly name: string;
  readonly role: ExpectedRole;
  /** The network of an overlay and of a load balancer. */
  readonly networkId: string | null;
  /** Of a task's or a container's namespace. */
  readonly taskId: string | null;
  /** It may be gone, or not be there yet: nothing that runs for certain needs it. */
  readonly mayBeAbsent: boolean;
  /** false: what decides its content was not collected of this node, so the dump holds little or nothing and no difference from it means anything. */
  readonly known: boolean;
  /** Of an overlay: VTEPs of nodes of which nothing was collected. Peers behind them that are not in the dump may be right all the same. */
  readonly unknownPeers: readonly Ipv4[];
  /**
   * What is there. Of names that Docker draws at random there is one at most of each object, with a name of ours (`veth0`, …, see the comments in
   * `docker/`); what Docker does not decide (counters, other programs' rules, IPv6) is not in it. Marks are numbers of ours, from 256.
   */
  readonly dump: NamespaceDump;
  /** Keys (`objectKey` of `object.ts`) of what may be there or not: of tasks that start or leave. */
  readonly optional: ReadonlySet<string>;
  /** Keys of real servers whose weight may be 0 as well as 1: of tasks that leave, to which Docker sends no new connections. */
  readonly draining: ReadonlySet<string>;
  /** Keys of rules that Docker sometimes leaves twice, the first in its place, where two of its threads take one away and add it again. */
  readonly repeatable: ReadonlySet<string>;
  /**
   * Keys of what Docker makes together and leaves for good. Without a published port, or a service that is balanced, it is optional, for nothing tells
   * whether there ever was one; a rule or a chain of it that is there does tell, and so asks for the rest.
   */
  readonly lasting: ReadonlySet<string>;
  /** What each object is for, by its key. */
  readonly origins: ReadonlyMap<string, DockerOrigin>;
}

/** What of a swarm an object of the kernel was programmed for; what does not apply is left out. */
export interface DockerOrigin {
  readonly networkId?: string;
  readonly serviceId?: string;
  /** Whose sandbox it is in, who is the real server, or the peer. */
  readonly taskId?: string;
  readonly containerId?: string;
  /** Whose load balancer the peer is; the node behind which a peer is. */
  readonly nodeId?: string;
  readonly port?: SwarmPort;
}
export type ExpectedRole = 'host' | 'overlay' | 'load-balancer' | 'ingress' | 'task';
