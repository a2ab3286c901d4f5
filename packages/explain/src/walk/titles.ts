import type { Snapshot } from '@portolan/model';
import type { Space } from '@portolan/node-state';
import type { Place } from '../explanation.js';

/** What people call a namespace. Ours are named by the beginning of their network's id. */
export function titleOf(snapshot: Snapshot, space: Space): string {
  const known = titles.get(snapshot) ?? new Map<Space, string>();
  titles.set(snapshot, known);
  const title = known.get(space) ?? newTitle(snapshot, space);
  known.set(space, title);
  return title;
}

const titles = new WeakMap<Snapshot, Map<Space, string>>();

function newTitle({ networks, endpoints }: Snapshot, space: Space): string {
  if (space === 'host') return 'host';
  const [kind, name = ''] = [space.slice(0, space.indexOf(':')), space.slice(space.indexOf(':') + 1)];
  if (kind === 'endpoint') return `endpoint ${endpoints.get(name)?.name ?? name}`;
  if (name === 'ingress_sbox') return 'ingress sandbox';
  const networkOf = (start: string): string => [...networks.values()].find(({ id }) => id.startsWith(start))?.name ?? name;
  return name.startsWith('lb_') ? `load balancer of ${networkOf(name.slice('lb_'.length))}` : `overlay ${networkOf(name.slice('1-'.length))}`;
}

export function placeOf(snapshot: Snapshot, node: string, space: Space): Place {
  return { node, space, title: titleOf(snapshot, space) };
}

export const underlay: Place = { node: null, space: 'underlay', title: 'underlay' };

export const outside: Place = { node: null, space: 'outside', title: 'outside' };
