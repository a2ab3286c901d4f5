import { type BalancedPlace, balancedPlaces } from '@portolan/compute';
import type { Id, Network, Node, Snapshot } from '@portolan/model';
import type { KernelObject } from '@portolan/node-state';
import type { NodeProgress, ObservedRow } from '@portolan/store';
import type { Context } from './context.js';
import { openDrift } from './drift.js';
import { objectNamed } from './objects.js';
import { observationsOf } from './observations.js';

export const programmedStates = ['present', 'missing', 'different', 'unknown'] as const;

/** One virtual server of a service on one node: what its kernel should hold by the newest revision, and what it does. */
export interface ProgrammedPlace {
  readonly node: Node;
  readonly network: Network;
  /** Network namespace, such as own:ingress_sbox. */
  readonly space: string;
  readonly mark: number;
  /** Whether it balances among the node's own endpoints only. */
  readonly local: boolean;
  /** unknown: the node has not reported. */
  readonly virtualServer: (typeof programmedStates)[number];
  /** Real servers that are there as they should be, and that should be; null: the node has not reported. */
  readonly realServers: number | null;
  readonly wantedRealServers: number;
  /** Keys of what is missing, different, or there although it should not be. */
  readonly faults: readonly string[];
  /** Newest revision that is computed for the node, and that it has applied. */
  readonly computedRevision: number;
  readonly appliedRevision: number;
}

/** Where a service is balanced, by name of the node. Throws `not-found`. */
export async function serviceProgrammed(ctx: Context, snapshot: Snapshot, name: string): Promise<readonly ProgrammedPlace[]> {
  const { id } = objectNamed(snapshot, 'service', name);
  return (await programmedServices(ctx, snapshot, [id])).get(id) ?? [];
}

/** The same of several services, by id. What one node has seen is read once, and only where it is not known to be all that it should. */
export async function programmedServices(ctx: Context, snapshot: Snapshot, ids: readonly Id[]): Promise<ReadonlyMap<Id, readonly ProgrammedPlace[]>> {
  const { cluster } = snapshot;
  const [rows, drift] = await Promise.all([ctx.store.progress(cluster.id), openDrift(ctx, snapshot)]);
  const progress = new Map(rows.map((row) => [row.nodeId, row]));
  const drifted = new Set(drift.map(({ nodeId }) => nodeId));
  const places = new Map(ids.map((id) => [id, balancedPlaces(snapshot, id)]));

  const isSettled = ({ id }: Node): boolean => hasApplied(progress.get(id), cluster.revision) && !drifted.has(id);
  const doubted = new Set([...places.values()].flatMap((of) => of.map(({ node }) => node)).filter((node) => !isSettled(node)));
  const seen = new Map<Id, ObservedRow | null>([...doubted].map(({ id }) => [id, null]));
  for await (const row of observationsOf(ctx, [...seen.keys()])) seen.set(row.nodeId, row);

  const placed = (place: BalancedPlace): ProgrammedPlace => {
    const { id } = place.node;
    return programmedPlace(place, progress.get(id), seen.has(id) ? foundAt(place, seen.get(id) ?? null) : place.objects);
  };
  return new Map([...places].map(([id, of]) => [id, of.map(placed)]));
}

/** Everything that should be in its kernel is, as its agent has seen after it had applied the revision. */
function hasApplied(row: NodeProgress | undefined, revision: number): boolean {
  return row?.lastStatus === 'applied' && row.appliedRevision >= revision;
}

type Found = readonly Pick<KernelObject, 'key' | 'hash'>[];

/** Of what the agent last saw, the virtual server and its real servers; null where it has seen nothing yet. */
function foundAt({ objects: [server] }: BalancedPlace, row: ObservedRow | null): Found | null {
  if (row === null || server === undefined) return null;
  const ofServer = `real-server/${server.key.slice('virtual-server/'.length)}/`;
  return row.objects.filter(({ key }) => key === server.key || key.startsWith(ofServer));
}

function programmedPlace({ node, network, mark, isLocal, objects }: BalancedPlace, row: NodeProgress | undefined, found: Found | null): ProgrammedPlace {
  const hashes = new Map(found?.map(({ key, hash }) => [key, hash]));
  const wanted = new Set(objects.map(({ key }) => key));
  const [server, ...real] = objects;
  const stateOf = ({ key, hash }: KernelObject): ProgrammedPlace['virtualServer'] => {
    if (found === null) return 'unknown';
    const there = hashes.get(key);
    return there === undefined ? 'missing' : there === hash ? 'present' : 'different';
  };
  const wrong = found === null ? [] : objects.filter((object) => stateOf(object) !== 'present').map(({ key }) => key);
  return {
    node,
    network,
    space: server?.space ?? '',
    mark,
    local: isLocal,
    virtualServer: server === undefined ? 'unknown' : stateOf(server),
    realServers: found === null ? null : real.filter((object) => stateOf(object) === 'present').length,
    wantedRealServers: real.length,
    faults: [...wrong, ...[...hashes.keys()].filter((key) => !wanted.has(key))].sort(),
    computedRevision: row?.computedRevision ?? 0,
    appliedRevision: row?.appliedRevision ?? 0,
  };
}
