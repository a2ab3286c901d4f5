import type { Attachment, Id, Problem } from '@portolan/model';
import type { NodeState, ObservedState } from '@portolan/node-state';
import type { Batch, Layout } from '@portolan/render';
import type { Written } from './written.js';

/** A process that ran to its end. */
export interface Executed {
  readonly command: string;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;
}

/** Starts processes. The only way in which this package reaches tools, so a test can count and fake them. */
export interface Exec {
  run(argv: readonly [string, ...string[]], input?: string): Promise<Executed>;
  /** Processes started so far. */
  readonly started: number;
}

export interface AppliedBatch extends Executed {
  readonly batch: Batch;
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

/** A host's kernel, or a fake of one. */
export interface Kernel {
  readonly layout: Layout;
  /** What the host has: kernel release, versions of tools. Throws `tool-missing` or `kernel-feature-missing`, naming it and the package to install. */
  probe(): Promise<Readonly<Record<string, string>>>;
  /** Finds the namespaces of endpoints. Of two endpoints in one namespace the first is found and the other refused. */
  resolve(endpoints: Attachments): Promise<ResolvedEndpoints>;
  /**
   * Reads back everything that is recognisably ours, after resolving the endpoints. With `written`, only these tables
   * are read, and those of namespaces that are new; the rest of the answer is that of the last observation by this
   * object. Fails with `apply-failed` when a namespace cannot be read.
   */
  observe(endpoints: NodeState['endpoints'], written?: Written): Promise<ObservedState>;
  /** Runs the batches in order and stops at the first that fails, which is the last of the answer then. */
  apply(batches: readonly Batch[]): Promise<readonly AppliedBatch[]>;
  /** Removes everything of ours from this host, endpoints' namespaces included. Fails with `apply-failed` when something stays. */
  purge(endpoints: NodeState['endpoints']): Promise<void>;
}
