import type { Space } from '@portolan/node-state';

/**
 * The tools that a node needs. Each reads a whole batch from standard input, so one process does one namespace; `netns`
 * and `sysctl` are system calls, and `dns` is the name server of the agent: they take no process for each line.
 */
export type Tool = 'netns' | 'ip' | 'bridge' | 'sysctl' | 'iptables-restore' | 'ipvsadm' | 'conntrack' | 'relay' | 'file' | 'dns';

/** Text for one tool in one namespace. */
export interface Batch {
  readonly space: Space;
  readonly tool: Tool;
  /**
   * Standard input of the tool; for the others lines of our own. `netns`: `add NAME`, `delete NAME`. `sysctl`: `NAME = VALUE`.
   * `conntrack`: the arguments of one `conntrack` each, `-D …`, of which none need match. `dns`, `relay` (of flannel's udp backend)
   * and `file`: `set KEY BODY` with the body as JSON, `delete KEY`.
   */
  readonly text: string;
  /** Keys of the objects that it makes, changes or removes. */
  readonly keys: readonly string[];
  /** For each line of the text the keys of the objects that it is for; left out where the text is one transaction. */
  readonly owners?: readonly (readonly string[])[];
  /**
   * Its lines do not depend on each other, and nothing else does on them: the tool goes on after one that fails, and so do the
   * batches that follow. The kernel refuses a route as long as its gateway cannot be reached, and the rest of the node is not to wait for it.
   */
  readonly goesOn?: true;
}

/** Where the namespaces are on this host; rendered text names paths. */
export interface Layout {
  /** Absolute path of the namespace file of a space other than the host. */
  readonly pathOf: (space: Exclude<Space, 'host'>) => string;
  /** False where the kernel runs without IPv6 (no /proc/net/if_inet6); true unless given. Links get no IPv6 address. */
  readonly ipv6?: boolean;
  /** False where iptables or the kernel has no --random-fully for masquerading; true unless given. */
  readonly randomFully?: boolean;
}
