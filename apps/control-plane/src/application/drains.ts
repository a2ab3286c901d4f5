import { type Endpoint, type Id, type Node, type Snapshot, trafficTo } from '@portolan/model';
import type { NodeProgress } from '@portolan/store';

export type ProgressByNode = ReadonlyMap<Id, NodeProgress>;

export interface Acknowledgement {
  /** Names, in order. */
  readonly acknowledgedBy: readonly string[];
  readonly pending: readonly string[];
  /** Those of which the agent is gone and the host may go on sending: waited for until the deadline. */
  readonly silent: readonly string[];
}

/**
 * Which nodes have applied `revision`, of those that take part in a network of the endpoint. Nobody waits for those that are
 * unreachable, nor for those that never had an agent.
 */
export function acknowledgementOf(snapshot: Snapshot, endpoint: Endpoint, revision: number, progress: ProgressByNode): Acknowledgement {
  const [acknowledgedBy, pending, silent]: [string[], string[], string[]] = [[], [], []];
  for (const node of snapshot.nodes.values()) {
    const report = progress.get(node.id);
    if (!takesPart(node, endpoint) || !isWaitedFor(node, report)) continue;
    const applied = report !== undefined && report.appliedRevision >= revision;
    (applied ? acknowledgedBy : node.condition === 'silent' ? silent : pending).push(node.name);
  }
  return { acknowledgedBy: acknowledgedBy.sort(), pending: pending.sort(), silent: silent.sort() };
}

function takesPart(node: Node, endpoint: Endpoint): boolean {
  return node.id === endpoint.nodeId || node.loadBalancers.some(({ networkId }) => endpoint.addresses.some((address) => address.networkId === networkId));
}

/** Whether anybody waits for what the node has not applied: not for one that is unreachable, nor for one that never had an agent. */
export function isWaitedFor({ condition }: Node, report: NodeProgress | undefined): boolean {
  if (condition === 'unknown') return report !== undefined && report.lastReportAt !== null;
  return condition === 'up' || condition === 'silent';
}

/** Connections that the endpoint still has, as its own node last counted; null where that is not known. */
export function connectionsOf(snapshot: Snapshot, endpoint: Endpoint, progress: ProgressByNode): number | null {
  const node = snapshot.nodes.get(endpoint.nodeId);
  if (endpoint.presence === 'absent' || node === undefined || node.condition === 'unreachable') return 0;
  // What a silent node counted last may have changed since.
  const counted = node.condition === 'silent' ? undefined : progress.get(node.id)?.signals.connections[endpoint.id];
  return counted ?? (trafficTo(snapshot, endpoint) === 'nothing' ? 0 : null);
}

const leavingByMap = new WeakMap<object, readonly Leaving[]>();

export type Leaving = Endpoint & { readonly drain: NonNullable<Endpoint['drain']> };

/** The endpoints that are being drained and are not done. Many snapshots share the map of their endpoints. */
export function leavingEndpoints({ endpoints }: Snapshot): readonly Leaving[] {
  const known = leavingByMap.get(endpoints);
  if (known !== undefined) return known;
  const leaving = [...endpoints.values()].filter((endpoint): endpoint is Leaving => endpoint.drain !== null && !endpoint.drain.drained);
  leavingByMap.set(endpoints, leaving);
  return leaving;
}

export function progressByNode(rows: readonly NodeProgress[]): ProgressByNode {
  return new Map(rows.map((row) => [row.nodeId, row]));
}
