import type { Nouns } from '@portolan/intent';
import type { PoolUsage } from '@portolan/ipam';
import { type Endpoint, type Id, type Network, type Node, type NounKind, portolanError, type Snapshot } from '@portolan/model';
import type { NodeState } from '@portolan/node-state';
import type { Plan } from '@portolan/plan';
import type { DriftFilter, ObservedRow } from '@portolan/store';
import type { Context } from '../application/context.js';
import { type ProgressByNode, progressByNode } from '../application/drains.js';
import { type DriftEvent, newestDrift } from '../application/drift.js';
import { leasesByNode } from '../application/flannel-progress.js';
import { type JobLine, newestJobs } from '../application/history.js';
import { type DesiredNodeState, desiredNodeState, driftFrom } from '../application/nodes.js';
import { type ObjectFilter, objectsOf, pageOf } from '../application/objects.js';
import { networkUsages } from '../application/pools.js';
import { type DrainStatus, endpointStatus, usageOf } from '../application/representations.js';
import { type ClusterStatus, type NodeStatus, statusOf } from '../application/status.js';
import type { LeaseView } from './flannel-lease-type.js';
import { lengthAsked } from './lengths.js';
import { together, togetherFor } from './together.js';

type NewestDrift = Pick<DriftFilter, 'outcome' | 'limit'>;

/** One snapshot of a cluster, which a whole query reads: its parts agree with each other. */
export class ClusterView {
  #status: Promise<ClusterStatus> | undefined;
  #nodeStatus: Promise<ReadonlyMap<Id, NodeStatus>> | undefined;
  readonly #jobs = togetherFor((limit: number, nodeIds: readonly Id[]) => newestJobs(this.ctx, this.snapshot, nodeIds, limit));
  readonly #driftEvents = togetherFor((filter: NewestDrift, nodeIds: readonly Id[]) => newestDrift(this.ctx, this.snapshot, nodeIds, filter));
  readonly #states = together(async (nodeIds: readonly Id[]) => byNode(await this.ctx.store.newestStates(nodeIds)));
  readonly #observed = together(async (nodeIds: readonly Id[]) => byNode(await this.ctx.store.observedOf(nodeIds)));
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

  /** The newest jobs of a node. Those of all nodes that a query shows are read together. */
  async jobs(nodeId: Id, limit: number): Promise<readonly JobLine[]> {
    return (await this.#jobs(limit, nodeId)) ?? [];
  }

  /** What was found on a node that was not as it was applied, newest first. That of all nodes that a query shows is read together. */
  async driftEvents(nodeId: Id, filter: NewestDrift): Promise<readonly DriftEvent[]> {
    return (await this.#driftEvents(filter, nodeId)) ?? [];
  }

  /** What a node has observed last; null before its first report. Read together. */
  async observed(nodeId: Id): Promise<ObservedRow | null> {
    return (await this.#observed(nodeId)) ?? null;
  }

  /** What differs on a node between its newest state and what it has observed last. Throws `not-found` for one without a state. */
  async drift({ id, name }: Node): Promise<Plan> {
    const [row, observed] = await Promise.all([this.#states(id), this.observed(id)]);
    const state = row?.state ?? (await desiredNodeState(this.ctx, this.snapshot, name)).state;
    return driftFrom(this.snapshot, id, state, observed);
  }

  /** The newest state of a node. How old it is and its hash are in the status; the state itself is read when it is looked at. */
  async state({ id, name }: Node): Promise<StateView> {
    const { generation, computedRevision, stateHash } = await this.nodeStatus(id);
    if (generation === 0) return stateView(await desiredNodeState(this.ctx, this.snapshot, name));
    return {
      generation,
      revision: computedRevision,
      hash: stateHash,
      state: async () => {
        const row = await this.#states(id);
        return row?.generation === generation ? row.state : (await desiredNodeState(this.ctx, this.snapshot, name, generation)).state;
      },
    };
  }

  of<K extends NounKind>(noun: Nouns[K]): NounView<K> {
    return { view: this, noun };
  }

  list<K extends NounKind>(kind: K, filter: ObjectFilter, limit?: number | null, after?: string | null): NounView<K>[] {
    const all = objectsOf(this.snapshot, kind, filter);
    return pageOf(all, lengthAsked(limit, all.length), after ?? undefined).items.map((noun) => this.of<K>(noun));
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

export interface StateView {
  readonly generation: number;
  /** Newest revision that gives this state. */
  readonly revision: number;
  readonly hash: string;
  state(): Promise<NodeState>;
}

function byNode<T extends { readonly nodeId: Id }>(rows: readonly T[]): ReadonlyMap<Id, T> {
  return new Map(rows.map((row) => [row.nodeId, row]));
}

export function stateView({ generation, revision, state }: DesiredNodeState): StateView {
  return { generation, revision, hash: state.hash, state: async () => state };
}

export interface NounView<K extends NounKind> {
  readonly view: ClusterView;
  readonly noun: Nouns[K];
}
