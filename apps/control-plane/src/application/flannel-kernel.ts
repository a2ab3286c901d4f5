import { type Node, pathOfBackend, type Snapshot } from '@portolan/model';
import type { KernelObject, ObjectKind } from '@portolan/node-state';
import { diffNodeState, type Step } from '@portolan/plan';
import type { Context } from './context.js';
import { lastObservation } from './nodes.js';

/** What a node has of flannel's objects, by its last report. */
export interface KernelComparison {
  readonly inSync: boolean;
  /** flannel's device of the backend that is chosen; null where it has none. */
  readonly device: string | null;
  /** Objects that should be there; those of absent containers do not count. */
  readonly wanted: number;
  /** Those of them that are there as they should be. */
  readonly found: number;
  /** Keys of objects that are missing, different, or there without being wanted; the first five. */
  readonly differing: readonly string[];
}

const MOST_NAMED = 5;
/** What nothing but flannel puts into the namespace of a host. */
const kindsOfFlannel: ReadonlySet<string> = new Set<ObjectKind>([
  'flannel-vtep',
  'udp-relay',
  'udp-relay-peer',
  'neighbour',
  'fdb',
  'route',
  'pod-forward',
  'pod-masquerade',
  'file',
]);

/** null before a state was computed for the node. */
export async function flannelKernel(ctx: Context, snapshot: Snapshot, node: Node): Promise<KernelComparison | null> {
  const row = await ctx.store.nodeState(node.id);
  if (row === null) return null;
  const { steps, waiting } = diffNodeState(await lastObservation(ctx, snapshot, node), row.state);
  const waits = new Set(waiting);
  const wanted = row.state.objects.filter((object) => isOfFlannel(object) && !waits.has(object.key));
  const faulty = steps.filter((step) => step.action !== 'delete' && isOfFlannel(step.object));
  const differing = [...faulty, ...steps.filter(isLeftOver)].map(keyOf);
  return {
    inSync: differing.length === 0,
    device: deviceOf(snapshot, wanted),
    wanted: wanted.length,
    found: wanted.length - faulty.length,
    differing: differing.slice(0, MOST_NAMED),
  };
}

function isOfFlannel({ origin }: KernelObject): boolean {
  return origin.computedBy === 'flannel';
}

/** What is there no longer says what made it, but its kind and place do. */
function isLeftOver(step: Step): boolean {
  return step.action === 'delete' && step.observed.space === 'host' && kindsOfFlannel.has(step.observed.kind);
}

function keyOf(step: Step): string {
  return step.action === 'delete' ? step.observed.key : step.object.key;
}

function deviceOf({ flannel }: Snapshot, objects: readonly KernelObject[]): string | null {
  const path = flannel === null ? undefined : pathOfBackend(flannel.backend);
  for (const { body } of objects) {
    if (body.kind === 'flannel-vtep' && path === `vxlan/${body.vni}`) return body.name;
    if (body.kind === 'udp-relay' && path === 'udp') return body.name;
  }
  return null;
}
