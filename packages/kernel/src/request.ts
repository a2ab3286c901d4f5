import type { Cidr } from '@portolan/model';
import { type NodeState, sysctlNamesOf } from '@portolan/node-state';
import type { ObserveRequest } from './ports.js';

/** What must be looked at to compare a host with a state; `endpoints` may be more than those of the state. */
export function requestOf(state: NodeState, endpoints: NodeState['endpoints'] = state.endpoints): ObserveRequest {
  const files: string[] = [];
  const links: string[] = [];
  const destinations: Cidr[] = [];
  for (const { key, space, body } of state.objects) {
    if (space !== 'host') continue;
    if (body.kind === 'file') files.push(body.path);
    else if (body.kind === 'bridge' || body.kind === 'flannel-vtep' || body.kind === 'udp-relay') links.push(key);
    else if (body.kind === 'route' && body.table === undefined && body.destination !== 'default') destinations.push(body.destination);
  }
  return { endpoints, sysctls: sysctlNamesOf(state), files, links, destinations };
}
