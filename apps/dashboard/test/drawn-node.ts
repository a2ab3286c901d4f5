import { computeNodeState } from '@portolan/compute';
import type { Snapshot } from '@portolan/model';
import type { KernelObject } from '@portolan/node-state';
import type { Compared } from '../src/pages/nodes/compared.js';
import { type Topology, type TopologyOptions, topologyOf } from '../src/pages/nodes/drawing/topology.js';

/** What is in the kernel otherwise than it is wanted, by the object's key. */
export type Faults = Readonly<Record<string, 'missing' | 'different'>>;

export function objectsOf(snapshot: Snapshot, node: string): readonly KernelObject[] {
  const found = [...snapshot.nodes.values()].find(({ name }) => name === node);
  if (found === undefined) throw new Error(`no node ${node}`);
  return computeNodeState(snapshot, found.id).objects;
}

/** The objects of a node as the page compares them: all as wanted, but for the faults. */
export function comparedOf(objects: readonly KernelObject[], faults: Faults = {}): readonly Compared[] {
  return objects.map(({ key, hash, space, body, origin }): Compared => {
    const comparison = faults[key] ?? 'same';
    const shared = { key, space, kind: body.kind };
    const found = comparison === 'missing' ? undefined : { ...shared, hash: comparison === 'same' ? hash : '', body };
    return { ...shared, comparison, wanted: { ...shared, hash, body, origin }, found };
  });
}

/** The drawing of a node of a snapshot; titles are the names of spaces, but for endpoints, which have their own. */
export function drawn(snapshot: Snapshot, node: string, faults: Faults = {}, options: Partial<TopologyOptions> = {}): Topology {
  const titleOf = (space: string): string => snapshot.endpoints.get(space.replace('endpoint:', ''))?.name ?? space;
  const underlay = { link: 'eth1', address: '172.16.130.140', mtu: 1500 };
  return topologyOf(comparedOf(objectsOf(snapshot, node), faults), { underlay, titleOf, ...options });
}
