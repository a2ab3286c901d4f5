import type { Attachment, Cidr, Id, Problem } from '@portolan/model';
import type { NodeState, ObservedObject, ObservedState, Space, SysctlNames } from '@portolan/node-state';
import type { Batch, Layout, Obstruction } from '@portolan/render';
import type { Written } from './written.js';

/** A process that ran to its end. */
export interface Executed {
  readonly command: string;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;
}

export interface RunOptions {
  /** Standard input; empty unless given. */
  readonly input?: string;
  /** Path of the network namespace that it runs in; that of this process unless given. */
  readonly namespace?: string | undefined;
}

/** Starts processes. The only way in which this package reaches tools, so a test can count and fake them. */
export interface Exec {
  run(argv: readonly [string, ...string[]], options?: RunOptions): Promise<Executed>;
  /** Processes started so far. */
  readonly started: number;
}

/** A line of a batch that failed. */
export interface FailedLine {
  /** From 0. */
  readonly line: number;
  /** What the tool said of it. */
  readonly said: string;
}

/** How far a batch that failed came, where its lines were carried out one by one. */
export interface Stop {
  readonly failed: readonly FailedLine[];
  /** The first line that was not tried; the number of lines where all were. */
  readonly next: number;
}

export interface AppliedBatch extends Executed {
  readonly batch: Batch;
  /** Left out where the batch is carried out as a whole, or failed as a whole. */
  readonly stop?: Stop;
}

/** The namespace of an endpoint. */
export interface FoundNamespace {
  /** Path that tools open it by. */
  readonly path: string;
  /** Changes when another namespace stands behind the same attachment. */
  readonly incarnation: string;
}

export interface ResolvedEndpoints {
  /** Those that are there; the others are absent. */
  readonly found: Readonly<Record<Id, FoundNamespace>>;
  /** Those that are there but must not or cannot be attached, such as one in the host's own namespace. Treated as absent. */
  readonly refused: Readonly<Record<Id, Problem>>;
}

export type Attachments = Readonly<Record<Id, { readonly attachment: Attachment }>>;

/** The name server of the agent, as far as a plan is carried out by it. */
export interface NameServer {
  /** Carries out lines as `Batch` has them, all or none; `found` holds the namespaces of the clients. Fails with `apply-failed`. */
  change(text: string, found: ResolvedEndpoints['found']): Promise<void>;
  /** What it answers by, as objects of the kinds `dns-server`, `dns-name` and `dns-client`; a client whose sockets are gone is left out. */
  observed(found: ResolvedEndpoints['found']): readonly ObservedObject[];
}

/** The relay of flannel's udp backend, as far as a plan is carried out by it. */
export interface UdpRelay {
  /** Carries out lines as `Batch` has them, in order. Fails with `apply-failed`. */
  change(text: string): Promise<void>;
  /** The TUN device and the peers that it has, as objects of the kinds `udp-relay` and `udp-relay-peer`; none where no relay runs. */
  observed(): Promise<readonly ObservedObject[]>;
}

export interface ObserveRequest {
  readonly endpoints: NodeState['endpoints'];
  /** The sysctls to read. */
  readonly sysctls: SysctlNames;
  /** Paths of the files to read, beside those that were written by us and are still there; none unless given. */
  readonly files?: readonly string[];
  /** Keys of the links that are wanted on the host: one of such a name is ours even without our alias, and damaged then. None unless given. */
  readonly links?: readonly string[];
  /**
   * Destinations of the routes that are wanted in the main table of the host: foreign ones to them are looked for. With none the
   * routes of other programs are not read.
   */
  readonly destinations?: readonly Cidr[];
  /** Only these tables are read, and those of namespaces that are new; the rest of the answer is that of the last observation by this object. */
  readonly written?: Written;
}

export interface Observation extends ObservedState {
  /** Foreign rules that may swallow packets before ours see them. */
  readonly obstructions: readonly (Obstruction & { readonly space: Space })[];
  /** Of the namespaces of endpoints that are there: changes when another one stands behind the same attachment. */
  readonly incarnations: Readonly<Record<Id, string>>;
  /** Endpoints whose namespaces are there but must not or cannot be attached; they are `absent`. */
  readonly refused: ResolvedEndpoints['refused'];
}

/** A host's kernel, or a fake of one. */
export interface Kernel {
  readonly layout: Layout;
  /**
   * What the host has: kernel release, versions of tools. Throws `tool-missing` or `kernel-feature-missing`, naming it and the package to
   * install. What only balancing needs (IPVS, ipvsadm) is asked for where `balances` is true.
   */
  probe(needs: { readonly balances: boolean }): Promise<Readonly<Record<string, string>>>;
  /** Finds the namespaces of endpoints. Of two endpoints in one namespace the first is found and the other refused. */
  resolve(endpoints: Attachments): Promise<ResolvedEndpoints>;
  /** Reads back everything that is recognisably ours, after resolving the endpoints. Fails with `apply-failed` when a namespace cannot be read. */
  observe(request: ObserveRequest): Promise<Observation>;
  /**
   * Tables that others may have changed since they were read by `observe`: of packet filters, of IPVS, and of links in namespaces of our own. By a few
   * system calls a namespace; what it does not see, a whole observation finds.
   */
  doubts(): Written;
  /**
   * Runs the batches in order and stops at the first that fails, which is the last of the answer then. One that fails in
   * the namespace of an endpoint ends only the batches there: the rest of the node does not wait for it. One that `goesOn` ends none:
   * it fails when one of its lines does, and its standard error names each of them.
   */
  apply(batches: readonly Batch[]): Promise<readonly AppliedBatch[]>;
  /** The rules of a namespace, as iptables-save printed them at the last observation that read them; '' where none did. */
  rulesOf(space: Space): string;
  /** Removes everything of ours from this host, endpoints' namespaces included. Fails with `apply-failed` when something stays. */
  purge(endpoints: NodeState['endpoints']): Promise<void>;
}
