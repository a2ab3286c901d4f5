import type { Nouns } from '@portolan/intent';
import type { PoolUsage } from '@portolan/ipam';
import { type Endpoint, type Id, type Network, type NounKind, portolanError, type Snapshot } from '@portolan/model';
import type { Context } from '../application/context.js';
import { type ProgressByNode, progressByNode } from '../application/drains.js';
import { leasesByNode } from '../application/flannel-progress.js';
import { type ObjectFilter, objectsOf, pageOf } from '../application/objects.js';
import { networkUsages } from '../application/pools.js';
import { type DrainStatus, endpointStatus, usageOf } from '../application/representations.js';
import { type ClusterStatus, type NodeStatus, statusOf } from '../application/status.js';
import type { LeaseView } from './flannel-lease-type.js';

/** One snapshot of a cluster, which a whole query reads: its parts agree with each other. */
export class ClusterView {
  #status: Promise<ClusterStatus> | undefined;
  #nodeStatus: Promise<ReadonlyMap<Id, NodeStatus>> | undefined;
  #usages: ReturnType<typeof networkUsages> | undefined;
  #progress: Promise<ProgressByNode> | undefined;

  /** `origin`: what the context is taken of when something else than the snapshot and the status is to be read. */
  constructor(
    private readonly origin: { readonly ctx: Context },
    readonly snapshot: Snapshot,
    private readonly readStatus = (): Promise<ClusterStatus> => statusOf(origin.ctx, snapshot),
  ) {}

  get ctx(): Context {
    return this.origin.ctx;
  }

  /** Read once for all nodes of a query. */
  status(): Promise<ClusterStatus> {
    this.#status ??= this.readStatus();
    return this.#status;
  }

  async nodeStatus(id: Id): Promise<NodeStatus> {
    this.#nodeStatus ??= this.status().then(({ nodes }) => new Map(nodes.map((node) => [node.id, node])));
    const status = (await this.#nodeStatus).get(id);
    if (status === undefined) throw portolanError('internal', '', `node ${id} has no status`);
    return status;
  }

  async usage(network: Network): Promise<PoolUsage> {
    this.#usages ??= networkUsages(this.ctx, this.snapshot);
    return usageOf(await this.#usages, network);
  }

  async drain(endpoint: Endpoint): Promise<DrainStatus | null> {
    if (endpoint.drain === null) return null;
    this.#progress ??= this.ctx.store.progress(this.snapshot.cluster.id).then(progressByNode);
    return endpointStatus(this.snapshot, endpoint, await this.#progress).drain;
  }

  /** null: the node has none. */
  lease(nodeId: Id): LeaseView | null {
    const lease = leasesByNode(this.snapshot).get(nodeId);
    return lease === undefined ? null : { view: this, lease };
  }

  of<K extends NounKind>(noun: Nouns[K]): NounView<K> {
    return { view: this, noun };
  }

  list<K extends NounKind>(kind: K, filter: ObjectFilter, limit?: number | null, after?: string | null): NounView<K>[] {
    const all = objectsOf(this.snapshot, kind, filter);
    return pageOf(all, limit ?? all.length, after ?? undefined).items.map((noun) => this.of<K>(noun));
  }

  networkName(id: Id): string {
    return this.at<'network'>(this.snapshot.networks, id).noun.name;
  }

  /** The object of an id that another object holds. */
  at<K extends NounKind>(nouns: ReadonlyMap<Id, Nouns[K]>, id: Id): NounView<K> {
    const noun = nouns.get(id);
    if (noun === undefined) throw portolanError('internal', '', `the snapshot has no object ${id}`);
    return this.of<K>(noun);
  }
}

export interface NounView<K extends NounKind> {
  readonly view: ClusterView;
  readonly noun: Nouns[K];
}
