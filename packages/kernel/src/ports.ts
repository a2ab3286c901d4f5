import type { Attachment, Id } from '@portolan/model';
import type { NodeState, ObservedState, Space } from '@portolan/node-state';
import type { Batch, Layout } from '@portolan/render';

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

/** A host's kernel, or a fake of one. */
export interface Kernel {
  readonly layout: Layout;
  /** What the host has: kernel release, versions of tools. Throws `tool-missing` or `kernel-feature-missing`, naming it and the package to install. */
  probe(): Promise<Readonly<Record<string, string>>>;
  /** Finds the namespaces of endpoints; absent ones are missing in the answer. */
  resolve(endpoints: Readonly<Record<Id, { readonly attachment: Attachment }>>): Promise<Readonly<Record<Id, string>>>;
  /** Reads back everything that is recognisably ours; `spaces` limits it to some namespaces. */
  observe(endpoints: NodeState['endpoints'], spaces?: ReadonlySet<Space>): Promise<ObservedState>;
  /** Runs the batches in order and stops at the first that fails. */
  apply(batches: readonly Batch[]): Promise<readonly AppliedBatch[]>;
  /** Removes everything of ours from this host, endpoints' namespaces included. */
  purge(endpoints: NodeState['endpoints']): Promise<void>;
}
