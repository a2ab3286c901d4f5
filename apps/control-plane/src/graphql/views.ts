import type { Nouns } from '@portolan/intent';
import { type Id, type NounKind, portolanError, type Snapshot } from '@portolan/model';
import type { Context } from '../application/context.js';
import { type ObjectFilter, objectsOf, pageOf } from '../application/objects.js';
import { type ClusterStatus, type NodeStatus, statusOf } from '../application/status.js';

/** One snapshot of a cluster, which a whole query reads: its parts agree with each other. */
export class ClusterView {
  #status: Promise<ClusterStatus> | undefined;

  constructor(
    readonly ctx: Context,
    readonly snapshot: Snapshot,
  ) {}

  /** Read once for all nodes of a query. */
  status(): Promise<ClusterStatus> {
    this.#status ??= statusOf(this.ctx, this.snapshot);
    return this.#status;
  }

  async nodeStatus(id: Id): Promise<NodeStatus> {
    const status = (await this.status()).nodes.find((node) => node.id === id);
    if (status === undefined) throw portolanError('internal', '', `node ${id} has no status`);
    return status;
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
