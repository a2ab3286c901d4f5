import type { Id, Network, Node, Snapshot } from '@portolan/model';
import type { KernelObject } from '@portolan/node-state';
import { localMembers } from './nodes/ingress.js';
import { serverObjects } from './nodes/load-balancer.js';
import { clusterRoster } from './roster.js';

/** One virtual server of a service on one node, as its kernel should have it. */
export interface BalancedPlace {
  readonly node: Node;
  readonly network: Network;
  readonly mark: number;
  /** Whether it is the one that balances among the node's own endpoints. */
  readonly isLocal: boolean;
  /** The virtual server and its real servers, as they are in the node's state. */
  readonly objects: readonly KernelObject[];
}

/**
 * Where a service is balanced, by name of the node: the part of all node states that is about its virtual servers, without computing the rest of them. Empty
 * with dnsrr.
 */
export function balancedPlaces(snapshot: Snapshot, serviceId: Id): readonly BalancedPlace[] {
  const places: BalancedPlace[] = [];
  for (const roster of clusterRoster(snapshot).networks) {
    const offered = roster.offered.find(({ service }) => service.id === serviceId);
    if (offered === undefined) continue;
    const { network } = roster;
    const { address, mark, localMark } = offered.place;
    const everywhere = address === null || mark === null ? undefined : { mark, objects: serverObjects(roster, offered, mark, offered.members) };
    for (const [nodeId, { node }] of roster.balancers) {
      if (everywhere !== undefined) places.push({ node, network, ...everywhere, isLocal: false });
      const members = localMark === null ? [] : localMembers(roster, serviceId, nodeId);
      if (localMark === null || members.length === 0) continue;
      places.push({ node, network, mark: localMark, isLocal: true, objects: serverObjects(roster, offered, localMark, members) });
    }
  }
  return places.sort((a, b) => compared(a.node.name, b.node.name) || compared(a.network.name, b.network.name) || a.mark - b.mark);
}

function compared(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
