import { computeNodeState } from '@portolan/compute';
import {
  desiredWorld,
  type Explanation,
  explanationOf,
  type FlowChange,
  flowChanges,
  type Obstruction,
  observedWorld,
  type Question,
  type Reached,
  type ReachFilter,
  reachOf,
  type Sight,
  type Traits,
  type View,
  type World,
} from '@portolan/explain';
import type { Id, Node, Snapshot } from '@portolan/model';
import type { NodeState, Space } from '@portolan/node-state';
import { editOf } from './changeset-document.js';
import { changesetWithId } from './changesets.js';
import { dryRunOn } from './commit.js';
import type { Context } from './context.js';
import { openDrift } from './drift.js';
import { observationsOf } from './observations.js';

const desiredWorlds = new WeakMap<Snapshot, World>();
const states = new WeakMap<Snapshot, Map<Id, NodeState>>();

/** Computed when a packet first comes to the node. */
function stateOf(snapshot: Snapshot): (node: Node) => NodeState {
  const known = states.get(snapshot) ?? new Map<Id, NodeState>();
  states.set(snapshot, known);
  return ({ id }) => {
    const state = known.get(id) ?? computeNodeState(snapshot, id);
    known.set(id, state);
    return state;
  };
}

/** The kernels as they should be; kept as long as the snapshot is. */
async function desiredOf(ctx: Context, snapshot: Snapshot): Promise<World> {
  const known = desiredWorlds.get(snapshot);
  if (known !== undefined) return known;
  const world = desiredWorld(snapshot, stateOf(snapshot), await traitsIn(ctx, snapshot));
  desiredWorlds.set(snapshot, world);
  return world;
}

/** What the hosts are like, as their agents have found. */
async function traitsIn(ctx: Context, { cluster }: Snapshot): Promise<(node: Node) => Traits | undefined> {
  const traits = new Map((await ctx.store.progress(cluster.id)).map(({ nodeId, facts }) => [nodeId, { filtersBridged: facts.br_netfilter === 'yes' }]));
  return ({ id }) => traits.get(id);
}

/** Explains one flow: by what the kernels should hold, or by what the agents last saw in them, compared with the former. Throws as `explanationOf`. */
export async function explainFlow(ctx: Context, snapshot: Snapshot, question: Question, view: View): Promise<Explanation> {
  const desired = await desiredOf(ctx, snapshot);
  return view === 'desired' ? explanationOf(desired, question) : explanationOf(await observedOf(ctx, snapshot), question, desired);
}

/** The kernels as the agents last saw them. */
async function observedOf(ctx: Context, snapshot: Snapshot): Promise<World> {
  const [drift, traits] = await Promise.all([openDrift(ctx, snapshot), traitsIn(ctx, snapshot)]);
  const obstructions = new Map<Id, Obstruction[]>();
  for (const { nodeId, kind, key, found, reason } of drift) {
    const obstruction = kind === 'obstructed' ? obstructionFrom(key, typeof found === 'string' ? found : reason) : undefined;
    if (obstruction !== undefined) obstructions.set(nodeId, [...(obstructions.get(nodeId) ?? []), obstruction]);
  }
  const sights = new Map<Id, Sight>();
  for await (const { nodeId, objects } of observationsOf(ctx, [...snapshot.nodes.keys()])) {
    sights.set(nodeId, { objects, obstructions: obstructions.get(nodeId) ?? [] });
  }
  return observedWorld(snapshot, stateOf(snapshot), ({ id }) => sights.get(id), traits);
}

/** `obstructed/SPACE/CHAIN`, where the chain has its table before it. */
function obstructionFrom(key: string, text: string): Obstruction | undefined {
  const [, space, chain] = /^obstructed\/([^/]+)\/(.+)$/.exec(key) ?? [];
  return space === undefined || chain === undefined ? undefined : { space: space as Space, chain, text };
}

/** What reaches what, as `reachOf` tells it; the first `limit` flows. */
export async function reachedFlows(ctx: Context, snapshot: Snapshot, filter: ReachFilter, view: View, limit: number): Promise<readonly Reached[]> {
  const flows: Reached[] = [];
  if (limit === 0) return flows;
  for (const flow of reachOf(await (view === 'desired' ? desiredOf(ctx, snapshot) : observedOf(ctx, snapshot)), filter)) {
    flows.push(flow);
    if (flows.length >= limit) break;
  }
  return flows;
}

/** Which flows a changeset would change, were it applied now. What has not been seen yet of it is taken for there. Throws `not-found`. */
export async function changesetFlows(ctx: Context, snapshot: Snapshot, id: string): Promise<readonly FlowChange[]> {
  const { document } = await changesetWithId(ctx, snapshot, id);
  const edit = await editOf(ctx, snapshot.cluster.name, document);
  const { snapshot: after } = await dryRunOn(ctx, snapshot, edit(ctx.newId));
  return flowChanges(await desiredOf(ctx, snapshot), await desiredOf(ctx, withEndpointsSeen(after)));
}

function withEndpointsSeen(snapshot: Snapshot): Snapshot {
  const endpoints = [...snapshot.endpoints].map(([id, own]) => [id, own.presence === 'unknown' ? { ...own, presence: 'present' as const } : own] as const);
  return { ...snapshot, endpoints: new Map(endpoints) };
}
