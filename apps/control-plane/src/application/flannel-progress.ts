import { type RegistryPlan, type RegistryView, registryPlan } from '@portolan/flannel';
import { type Flannel, type FlannelLease, type FlannelPath, type Id, type Node, pathOfBackend, pathOfLease, type Snapshot } from '@portolan/model';
import type { NodeProgress } from '@portolan/store';
import { isWaitedFor, type ProgressByNode } from './drains.js';

/** How far each node has come. */
type AppliedByNode = ReadonlyMap<Id, Pick<NodeProgress, 'appliedRevision'>>;

const byNodeOfLeases = new WeakMap<object, ReadonlyMap<Id, FlannelLease>>();

/** The lease of each node of ours that has one. Many snapshots share the map of the leases. */
export function leasesByNode({ flannelLeases }: Pick<Snapshot, 'flannelLeases'>): ReadonlyMap<Id, FlannelLease> {
  const known = byNodeOfLeases.get(flannelLeases);
  if (known !== undefined) return known;
  const byNode = new Map<Id, FlannelLease>();
  for (const lease of flannelLeases.values()) if (lease.nodeId !== null && !byNode.has(lease.nodeId)) byNode.set(lease.nodeId, lease);
  byNodeOfLeases.set(flannelLeases, byNode);
  return byNode;
}

/** Nodes that hold the receiving side of the backend that is chosen: their leases may say so. */
export function acknowledgedNodes({ nodes }: Snapshot, { backendRevision }: Flannel, progress: AppliedByNode): ReadonlySet<Id> {
  return new Set([...nodes.keys()].filter((id) => (progress.get(id)?.appliedRevision ?? -1) >= backendRevision));
}

export function isEmptyPlan({ config, writes, removes }: RegistryPlan): boolean {
  return config === null && writes.length + removes.length === 0;
}

/**
 * The earlier backends that nobody needs any more: no lease, ours or foreign, has their path, and every node that is waited for has applied
 * the newest leases. `leases`: the registry as it is.
 */
export function retiredPaths(snapshot: Snapshot, leases: ReadonlyMap<string, FlannelLease>, progress: ProgressByNode): readonly FlannelPath[] {
  const { flannel } = snapshot;
  if (flannel === null || flannel.retiring.length === 0) return [];
  const used = new Set([...leases.values()].filter(({ fault }) => fault === null).map(pathOfLease));
  const unused = flannel.retiring.map(pathOfBackend).filter((path) => !used.has(path));
  return unused.length > 0 && [...snapshot.nodes.values()].every((node) => hasApplied(node, flannel.leasesRevision, progress)) ? unused : [];
}

function hasApplied(node: Node, revision: number, progress: ProgressByNode): boolean {
  const report = progress.get(node.id);
  return !isWaitedFor(node, report) || (report?.appliedRevision ?? -1) >= revision;
}

/** A change of backend on its way. */
export interface Switching {
  readonly from: readonly FlannelPath[];
  readonly to: FlannelPath;
  /** Names of the nodes that have not applied it, or what followed from it. */
  readonly nodes: readonly string[];
  /** Public addresses of foreign nodes that are still reached by an earlier path. */
  readonly foreign: readonly string[];
}

export function switchingOf(snapshot: Snapshot, progress: ProgressByNode): Switching | null {
  const { flannel, nodes, flannelLeases } = snapshot;
  if (flannel === null || flannel.leaving || flannel.retiring.length === 0) return null;
  const to = pathOfBackend(flannel.backend);
  const from = flannel.retiring.map(pathOfBackend);
  const leases = leasesByNode(snapshot);
  const awaited = [...nodes.values()].filter((node) => {
    const lease = leases.get(node.id);
    return (lease !== undefined && pathOfLease(lease) !== to) || !hasApplied(node, Math.max(flannel.backendRevision, flannel.leasesRevision), progress);
  });
  const foreign = [...flannelLeases.values()].filter(
    (lease) => lease.nodeId === null && lease.fault === null && from.some((path) => path === pathOfLease(lease)),
  );
  return {
    from,
    to,
    nodes: awaited.map(({ name }) => name).sort(),
    foreign: foreign.map(({ publicAddress, key }) => publicAddress ?? key).sort(),
  };
}

/**
 * What the registry and the leases of our nodes still lack of what is wanted, each in words; nothing: a change of the flannel network has
 * come to all leases. Nodes for which no subnet is free are not waited for. `view` undefined: etcd does not answer.
 */
export function unsettledFlannel(snapshot: Snapshot, view: RegistryView | undefined, progress: AppliedByNode): readonly string[] {
  const { flannel } = snapshot;
  if (flannel === null) return [];
  if (view === undefined) return ['etcd does not answer, so the registry of flannel is not written'];
  const plan = registryPlan(snapshot, view, acknowledgedNodes(snapshot, flannel, progress));
  if (flannel.leaving) return [`the registry of flannel still holds our entries (${plan.removes.length} to remove)`];
  const leases = leasesByNode(snapshot);
  const full = new Set(plan.full);
  const written = new Map(plan.writes.map((write) => [write.nodeId, write]));
  const reasons = [...snapshot.nodes.values()]
    .filter(({ id, underlayLink }) => underlayLink !== null && !full.has(id))
    .flatMap((node) => {
      const reason = leaseReason(node, flannel, leases.get(node.id), written.has(node.id));
      return reason === null ? [] : [`${node.name} ${reason}`];
    })
    .sort();
  return plan.config === null ? reasons : ['the configuration in the registry of flannel is not written yet', ...reasons];
}

/** null: the lease is as it should be. */
function leaseReason(node: Node, { backend, backendRevision }: Flannel, lease: FlannelLease | undefined, isWritten: boolean): string | null {
  if (lease === undefined) return node.condition === 'unreachable' ? 'is unreachable and has no lease' : 'has no lease yet';
  if (pathOfLease(lease) !== pathOfBackend(backend)) {
    return isWritten
      ? `is reached by ${pathOfLease(lease) ?? lease.backendType} until its lease is written`
      : `has not applied revision ${backendRevision}, so its lease is still of ${pathOfLease(lease) ?? lease.backendType}`;
  }
  return isWritten ? 'has a lease that is about to be written anew' : null;
}
