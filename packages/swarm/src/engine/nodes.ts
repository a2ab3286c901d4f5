import type { Ipv4 } from '@portolan/model';
import type { SwarmNode } from '../facts.js';
import { byName } from '../order.js';
import type { Complaints, Element } from './documents.js';
import type { NodeNetworks } from './networks.js';
import { type NodePlaces, nodePlaces } from './places.js';
import type { EngineNode } from './schemas.js';
import { isOfTask } from './tasks.js';
import { hostOf } from './values.js';

/** A node with what was collected of its networks. */
export interface MetNode {
  readonly element: Element<EngineNode>;
  readonly name: string;
  readonly places: NodePlaces | null;
}

/** Files are named by the host name of their node, or by its id where two have the same. */
export function metNodes(elements: readonly Element<EngineNode>[], files: readonly NodeNetworks[]): readonly MetNode[] {
  const counts = new Map<string, number>();
  for (const { value } of elements) counts.set(hostName(value), (counts.get(hostName(value)) ?? 0) + 1);
  return elements.map((element) => {
    const { ID } = element.value;
    const name = hostName(element.value);
    const isUnique = counts.get(name) === 1;
    const file = files.find(({ node }) => node === ID) ?? (isUnique ? files.find(({ node }) => node === name) : undefined);
    return { element, name: file?.node ?? (isUnique ? name : ID), places: file === undefined ? null : nodePlaces(file) };
  });
}

function hostName({ ID, Description }: EngineNode): string {
  return Description?.Hostname || ID;
}

/** Notes the files of nodes that the swarm does not have. */
export function refuseStrangers(elements: readonly Element<EngineNode>[], files: readonly NodeNetworks[]): void {
  const known = new Set(elements.flatMap(({ value }) => [value.ID, hostName(value)]));
  const names = elements.map(({ value }) => hostName(value));
  for (const { node, complaints } of files) {
    const count = names.filter((name) => name === node).length;
    if (count > 1) complaints.at('', `${count} nodes of nodes.json are called "${node}"`, 'Collect from each of them with --node and its id (docker node ls).');
    else if (!known.has(node))
      complaints.at('', `no node of nodes.json is called "${node}"`, 'Collect nodes.json again, or remove the file: the node has left the swarm.');
  }
}

/** The nodes that have an address; one that has none is a complaint. */
export function swarmNodes(nodes: readonly MetNode[], complaints: Complaints): readonly SwarmNode[] {
  const peers = new Set(nodes.flatMap(({ places }) => [...(places?.peers ?? [])]));
  return nodes
    .flatMap(({ element: { value, path }, name, places: own }): readonly SwarmNode[] => {
      const address = own?.vtep ?? addressOf(value, peers);
      if (address === null) {
        complaints.at(
          `${path}/Status/Addr`,
          `the node "${name}" has no IPv4 address: ${value.Status?.Addr ?? 'none'}`,
          'Collect from that node too: its networks say which one others know it by.',
        );
        return [];
      }
      return [
        {
          id: value.ID,
          name,
          role: value.Spec?.Role === 'manager' ? 'manager' : 'worker',
          availability: availabilityOf(value.Spec?.Availability),
          state: value.Status?.State ?? 'unknown',
          address,
          engineVersion: value.Description?.Engine?.EngineVersion ?? '',
          balancers: own === null ? null : own.balancers,
          gateway: own === null ? null : own.gateway,
          containers: [...(own?.containers.values() ?? [])]
            .filter((container) => !isOfTask(container))
            .map(({ containerId, sandbox, addresses }) => ({ containerId, sandbox, addresses })),
        },
      ];
    })
    .sort(byName);
}

/** As managers see the node. One of these may be another interface of its: that which is a VTEP counts, where any is. */
function addressOf({ Status, ManagerStatus }: EngineNode, peers: ReadonlySet<Ipv4>): Ipv4 | null {
  const candidates = [hostOf(ManagerStatus?.Addr), hostOf(Status?.Addr)].filter((address) => address !== null);
  return candidates.find((address) => peers.has(address)) ?? candidates[0] ?? null;
}

function availabilityOf(text: string | null | undefined): SwarmNode['availability'] {
  return text === 'pause' || text === 'drain' ? text : 'active';
}
