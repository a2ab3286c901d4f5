import type { Snapshot } from '@portolan/model';
import type { Context } from '../application/context.js';
import type { ClusterStatus } from '../application/status.js';
import type { StatusReads } from './status-reads.js';
import { ClusterView } from './views.js';

/** A cluster that was read, as it was. */
export interface Source {
  readonly cluster: string;
  readonly clusterId: string;
  readonly revision: number;
  /** Undefined: nobody looked at the status of its nodes. */
  status: ClusterStatus | undefined;
  /** Somebody looked at when nodes last reported, which changes with each report. */
  showsTimes: boolean;
}

/**
 * What one query reads. A cluster at a revision and the status of its nodes are noted; for everything else a resolver needs the context,
 * and whoever takes it makes the answer one that cannot be given again, whatever it is taken for.
 */
export class Reading {
  readonly sources: Source[] = [];
  #isRepeatable = true;

  constructor(
    readonly untold: Context,
    private readonly statuses: StatusReads,
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
    const source: Source = { cluster: name, clusterId: snapshot.cluster.id, revision: snapshot.cluster.revision, status: undefined, showsTimes: false };
    this.sources.push(source);
    return new ClusterView(this, snapshot, async () => {
      source.status = await this.statuses.of(snapshot);
      return watched(source.status, source);
    });
  }

  /** An error may be of the moment. */
  failed(): void {
    this.#isRepeatable = false;
  }
}

/** The status, which notes when somebody looks at a time in it. */
function watched(status: ClusterStatus, source: Source): ClusterStatus {
  const nodes = status.nodes.map((node) => ({
    ...node,
    get lastReportAt() {
      source.showsTimes = true;
      return node.lastReportAt;
    },
  }));
  return { ...status, nodes };
}

/** Whether everything that an answer was made of is still so. */
export async function isCurrent(ctx: Context, statuses: StatusReads, sources: readonly Source[]): Promise<boolean> {
  for (const source of sources) {
    const snapshot: Snapshot = await ctx.store.snapshot(source.cluster);
    if (snapshot.cluster.id !== source.clusterId || snapshot.cluster.revision !== source.revision) return false;
    if (source.status === undefined) continue;
    const status = await statuses.of(snapshot);
    if (status === source.status) continue;
    if (source.showsTimes || statuses.timeless(status) === undefined || statuses.timeless(status) !== statuses.timeless(source.status)) return false;
  }
  return true;
}
