import type { NodeState, ObservedState } from '@portolan/node-state';
import type { Batch, Layout } from '../src/index.js';

/** A layout as of a host with its namespaces in the usual place. */
export const layout: Layout = { pathOf: (space) => `/run/netns/${space.slice(space.indexOf(':') + 1)}` };

export function present(state: NodeState): ObservedState['endpoints'] {
  return Object.fromEntries(Object.keys(state.endpoints).map((id) => [id, 'present']));
}

/** For people: what runs where, with its input. */
export function readable(batches: readonly Batch[]): string {
  return batches.map(({ space, tool, text, keys }) => `### ${tool} in ${space}, ${keys.length} objects\n${text}`).join('\n');
}
