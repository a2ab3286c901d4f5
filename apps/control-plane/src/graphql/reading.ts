import type { Context } from '../application/context.js';
import type { ClusterStatus } from '../application/status.js';
import { gapForNode } from './gaps.js';
import type { StatusReads } from './status-reads.js';
import { ClusterView } from './views.js';

/** A cluster that was read, as it was. */
export interface Source {
  readonly cluster: string;
  readonly clusterId: string;
  readonly revision: number;
  /** Undefined: nobody looked at the status of its nodes. */
  status: ClusterStatus | undefined;
}

/**
 * What one query reads. A cluster at a revision and the status of its nodes are noted; for everything else a resolver needs the context,
 * and whoever takes it makes the answer one that cannot be given again, whatever it is taken for.
 */
export class Reading {
  readonly sources: Source[] = [];
  #isRepeatable = true;

  /** `leavesGaps`: when nodes last reported is filled into the answer later (see `GappedBody`). */
  constructor(
    readonly untold: Context,
    private readonly statuses: StatusReads,
    private readonly leavesGaps: boolean,
  ) {}

  /** Whether the same query would be answered alike as long as its sources are the same. */
  get isRepeatable(): boolean {
    return this.#isRepeatable && this.sources.length > 0;
  }

  /** The context, for what is not noted. */
  get ctx(): Context {
    this.#isRepeatable = false;
    return this.untold;
  }

  async cluster(name: string): Promise<ClusterView> {
    const snapshot = await this.untold.store.snapshot(name);
    const source: Source = { cluster: name, clusterId: snapshot.cluster.id, revision: snapshot.cluster.revision, status: undefined };
    this.sources.push(source);
    return new ClusterView(this, snapshot, async () => {
      source.status = await this.statuses.of(snapshot);
      return this.leavesGaps ? withGaps(source.status) : source.status;
    });
  }

  /** An error may be of the moment. */
  failed(): void {
    this.#isRepeatable = false;
  }
}

function withGaps(status: ClusterStatus): ClusterStatus {
  return { ...status, nodes: status.nodes.map((node) => ({ ...node, lastReportAt: gapForNode(node.id) })) };
}

/** The status that was looked at of each source. */
export function statusesOf(sources: readonly Source[]): ClusterStatus[] {
  return sources.flatMap(({ status }) => status ?? []);
}

/** The sources as they are now; undefined where something of them differs, other than when nodes last reported. */
export async function readAgain(ctx: Context, statuses: StatusReads, sources: readonly Source[]): Promise<readonly Source[] | undefined> {
  const now: Source[] = [];
  for (const source of sources) {
    const snapshot = await ctx.store.snapshot(source.cluster);
    if (snapshot.cluster.id !== source.clusterId || snapshot.cluster.revision !== source.revision) return undefined;
    const status = source.status === undefined ? undefined : await statuses.of(snapshot);
    if (status !== undefined && source.status !== undefined && !statuses.areAlike(status, source.status)) return undefined;
    now.push({ ...source, status });
  }
  return now;
}
