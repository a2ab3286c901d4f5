import { flannelLayout, type RegistryView, registryPlan } from '@portolan/flannel';
import { flannelSpecOf } from '@portolan/intent';
import {
  completeBackend,
  type Flannel,
  type FlannelLease,
  type FlannelSpec,
  formatIpv4,
  type Node,
  parseCidr,
  portolanError,
  type Snapshot,
} from '@portolan/model';
import type { Signals } from '@portolan/protocol';
import type { Context } from './context.js';
import { type ProgressByNode, progressByNode } from './drains.js';
import { flannelKernel, type KernelComparison } from './flannel-kernel.js';
import { acknowledgedNodes, leasesByNode, type Switching, switchingOf } from './flannel-progress.js';
import { inParallel } from './in-parallel.js';
import { objectNamed, objectsOf } from './objects.js';

/** Clusters with more nodes are shown without their kernels unless that is asked for: each is two large rows of the database. */
const MOST_KERNELS = 100;
const PARALLEL_READS = 4;

/** A lease, or a node of ours that has none. */
export interface LeaseRow extends Pick<FlannelLease, 'subnet' | 'publicAddress' | 'vni' | 'vtepMac' | 'reserved' | 'fault'> {
  /** Name of its key in the registry; null: the node has none. */
  readonly key: string | null;
  /** Name of the node of ours; null: foreign, or unreadable. */
  readonly node: string | null;
  readonly foreign: boolean;
  readonly backendType: string | null;
  /** Until it ends unless it is renewed; null of a reservation, and where etcd does not say. */
  readonly secondsLeft: number | null;
  /** Why the node has no lease. */
  readonly reason: string | null;
  /** Of a node of ours. */
  readonly appliedRevision: number | null;
  /** Of a node of ours that has reported. */
  readonly kernel: KernelRow | null;
}

export interface KernelRow extends KernelComparison {
  /** Counters of the relay of the udp backend, by the last report. */
  readonly relay: Signals['relay'] | null;
}

export interface FlannelStatus {
  readonly phase: 'active' | 'switching' | 'leaving';
  /** null unless a change of backend is on its way. */
  readonly switching: Pick<Switching, 'from' | 'to'> | null;
  /** What keeps the earlier backends. */
  readonly waitsFor: Pick<Switching, 'nodes' | 'foreign'>;
  /** Whether etcd answers. */
  readonly etcd: boolean;
  /** With every value filled in that follows from others or is a default. */
  readonly spec: FlannelSpec;
  /** By subnet; nodes without one last. */
  readonly leases: readonly LeaseRow[];
}

export interface FlannelStatusFilter {
  /** Name of a node: that row alone. */
  readonly node?: string | undefined;
  /** Whether kernels are compared. */
  readonly kernel?: boolean | undefined;
}

/** The flannel network. Throws `not-found` where the cluster has none. */
export function flannelOf({ cluster, flannel }: Snapshot): Flannel {
  if (flannel !== null) return flannel;
  throw portolanError('not-found', '', `cluster ${cluster.name} has no flannel network`, { fix: 'Set it first (portolan flannel set).' });
}

/** Who owns which subnet, for how long, and what the kernels have of it. Throws `not-found`. */
export async function flannelStatus(ctx: Context, snapshot: Snapshot, filter: FlannelStatusFilter = {}): Promise<FlannelStatus> {
  const flannel = flannelOf(snapshot);
  const view = ctx.registryViews.of(snapshot.cluster.name);
  const progress = progressByNode(await ctx.store.progress(snapshot.cluster.id));
  const switching = switchingOf(snapshot, progress);
  const shown = filter.node === undefined ? undefined : objectNamed(snapshot, 'node', filter.node).id;
  const leases = shown === undefined ? [...snapshot.flannelLeases.values()].sort(bySubnet) : [leasesByNode(snapshot).get(shown)].filter(isThere);
  const left = await secondsLeft(ctx, view, leases);
  const kernels = await kernelsOf(ctx, snapshot, progress, filter);
  const ownFields = (node: Node | undefined) => ({
    appliedRevision: node === undefined ? null : (progress.get(node.id)?.appliedRevision ?? 0),
    kernel: (node && kernels.get(node.id)) ?? null,
  });
  const without = nodesWithoutLease(snapshot, view, progress).filter(({ node }) => shown === undefined || node.id === shown);
  return {
    phase: flannel.leaving ? 'leaving' : switching === null ? 'active' : 'switching',
    switching: switching && { from: switching.from, to: switching.to },
    waitsFor: { nodes: switching?.nodes ?? [], foreign: switching?.foreign ?? [] },
    etcd: view !== undefined,
    spec: effectiveSpec(snapshot, flannel),
    leases: [
      ...leases.map(({ nodeId, ...lease }) => {
        const node = nodeId === null ? undefined : snapshot.nodes.get(nodeId);
        const foreign = nodeId === null && lease.fault === null;
        return { ...lease, node: node?.name ?? null, foreign, secondsLeft: left.get(lease.key) ?? null, reason: null, ...ownFields(node) };
      }),
      ...without.map(({ node, reason }) => ({ ...noLease, node: node.name, publicAddress: node.address, reason, ...ownFields(node) })),
    ],
  };
}

const noLease = {
  key: null,
  subnet: null,
  foreign: false,
  backendType: null,
  vni: null,
  vtepMac: null,
  reserved: false,
  secondsLeft: null,
  fault: null,
} as const;

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** Those that cannot be read come last. */
function bySubnet(a: FlannelLease, b: FlannelLease): number {
  const [one, other] = [a, b].map(({ subnet }) => (subnet === null ? Number.POSITIVE_INFINITY : parseCidr(subnet).first));
  if (one !== other && one !== undefined && other !== undefined) return one - other;
  return a.key < b.key ? -1 : 1;
}

/** By key of the lease; empty where etcd does not say. */
async function secondsLeft(ctx: Context, view: RegistryView | undefined, leases: readonly FlannelLease[]): Promise<ReadonlyMap<string, number>> {
  const ids = new Map(leases.map(({ key }) => [key, view?.subnets.get(key)?.leaseId ?? null]));
  const wanted = [...new Set([...ids.values()].filter((id) => id !== null))];
  if (wanted.length === 0) return new Map();
  try {
    const remaining = await ctx.registry.remaining(wanted);
    return new Map([...ids].flatMap(([key, id]) => (id === null || !remaining.has(id) ? [] : [[key, remaining.get(id) ?? 0] as const])));
  } catch {
    return new Map();
  }
}

async function kernelsOf(
  ctx: Context,
  snapshot: Snapshot,
  progress: ProgressByNode,
  { node, kernel }: FlannelStatusFilter,
): Promise<ReadonlyMap<string, KernelRow>> {
  if (!(kernel ?? (node !== undefined || snapshot.nodes.size <= MOST_KERNELS))) return new Map();
  const nodes = [...snapshot.nodes.values()].filter(
    ({ id, name }) => (node === undefined || name === node) && (progress.get(id)?.lastReportAt ?? null) !== null,
  );
  const rows = await inParallel(nodes, PARALLEL_READS, async (own) => {
    const comparison = await flannelKernel(ctx, snapshot, own);
    return comparison === null ? [] : [[own.id, { ...comparison, relay: progress.get(own.id)?.signals.relay ?? null }] as const];
  });
  return new Map(rows.flat());
}

interface WithoutLease {
  readonly node: Node;
  readonly reason: string;
}

function nodesWithoutLease(snapshot: Snapshot, view: RegistryView | undefined, progress: ProgressByNode): readonly WithoutLease[] {
  const flannel = flannelOf(snapshot);
  const leases = leasesByNode(snapshot);
  const lacking = objectsOf(snapshot, 'node').filter(({ id }) => !leases.has(id));
  const full = new Set(lacking.length === 0 || view === undefined ? [] : registryPlan(snapshot, view, acknowledgedNodes(snapshot, flannel, progress)).full);
  return lacking.map((node) => ({ node, reason: reasonOf(node, flannel, view !== undefined, full.has(node.id)) }));
}

function reasonOf({ underlayLink, condition }: Node, { leaving, network }: Flannel, answers: boolean, full: boolean): string {
  if (leaving) return 'the flannel network is on its way out';
  if (underlayLink === null) return 'its agent has not reported by which interface the host is reached';
  if (full) return `no subnet of ${network} is free`;
  if (!answers) return 'etcd does not answer';
  return condition === 'unreachable' ? 'the host is unreachable' : 'its lease is being written';
}

/** The spec with what is left out filled in; the MTU of vxlan is that of each host's interface unless given. */
function effectiveSpec(snapshot: Snapshot, flannel: Flannel): FlannelSpec {
  const { subnetLen, first, last } = flannelLayout(flannel);
  return {
    ...flannelSpecOf(flannel, snapshot.nodes),
    prefix: flannel.prefix,
    subnetLen,
    subnetMin: formatIpv4(first),
    subnetMax: formatIpv4(last),
    backend: completeBackend(flannel.backend),
    masquerade: flannel.masquerade,
    cni: flannel.cni,
  };
}
