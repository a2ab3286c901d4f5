import { type Attachment, type Cidr, type Ipv4, type Manifest, parseCidr, parseIpv4 } from '@portolan/model';
import type { Swarm, SwarmAddress, SwarmContainer, SwarmNode, SwarmTask } from './facts.js';
import type { ManifestNames } from './manifest-names.js';

type Endpoints = NonNullable<Manifest['endpoints']>;

interface Imported {
  readonly names: ManifestNames;
  readonly services: NonNullable<Manifest['services']>;
  readonly gatewaySubnet: Cidr | null;
}

/** Where Docker keeps namespaces, by the names of sandboxes. */
const NAMESPACES = '/var/run/docker/netns';

/** The tasks that run or start, and the containers on attachable networks. */
export function manifestEndpoints(swarm: Swarm, imported: Imported, notes: string[]): Endpoints {
  const nodes = new Map(swarm.nodes.map((node) => [node.id, node]));
  return [
    ...swarm.tasks.flatMap((task) => taskSpec(swarm, task, nodes.get(task.nodeId), imported, notes)),
    ...swarm.nodes.flatMap((node) => node.containers.flatMap((container) => containerSpec(swarm, container, node, imported, notes))),
  ];
}

function taskSpec(swarm: Swarm, task: SwarmTask, node: SwarmNode | undefined, { names, services, gatewaySubnet }: Imported, notes: string[]): Endpoints {
  const service = services.find(({ name }) => name === names.services.get(task.serviceId));
  const told = (words: string): void => void notes.push(`the task "${task.name}" ${words}`);
  const left = (why: string): Endpoints => {
    told(`${why}: it is left out`);
    return [];
  };
  if (task.state === 'leaving') return left('leaves');
  // What is on no overlay is a note of its service.
  if (service === undefined) return swarm.services.some(({ id }) => id === task.serviceId) ? [] : left('is of a service that is not in services.json');
  if (node === undefined) return left('is on a node that is not in nodes.json');
  const attachment = attachmentOf(task);
  if (attachment === null) return left('has no container yet');
  const joined = new Set(service.networks?.map(({ network }) => network));
  const addresses = addressesOf(task.addresses, names);
  for (const { network, address } of addresses)
    if (!joined.has(network)) told(`has ${address} on "${network}", which its service is not on any more: it is left out there`);
  for (const network of joined) if (!addresses.some((own) => own.network === network)) told(`is not on "${network}" yet: it gets an address there`);
  return [
    {
      name: names.endpoints.get(task.id) ?? task.name,
      service: service.name,
      node: names.nodes.get(node.id) ?? node.name,
      attachment,
      addresses: addresses.filter(({ network }) => joined.has(network)),
      ...gatewayPin(swarm, task, node, gatewaySubnet, told),
    },
  ];
}

function containerSpec(swarm: Swarm, container: SwarmContainer, node: SwarmNode, { names, gatewaySubnet }: Imported, notes: string[]): Endpoints {
  const { containerId, addresses } = container;
  const attachment = attachmentOf(container);
  const attachable = addresses.filter(({ networkId }) => swarm.networks.find(({ id }) => id === networkId)?.attachable === true);
  const name = names.endpoints.get(containerId) ?? containerId;
  const told = (words: string): void => void notes.push(`the container ${containerId.slice(0, 12)} of the node "${node.name}" ${words}`);
  if (attachment === null || attachable.length === 0) {
    told('is on no network that is attachable: it is left out');
    return [];
  }
  const own = addressesOf(attachable, names);
  return [
    {
      name,
      networks: own.map(({ network }) => network),
      node: names.nodes.get(node.id) ?? node.name,
      attachment,
      addresses: own,
      ...gatewayPin(swarm, { ...container, addresses: attachable }, node, gatewaySubnet, told),
    },
  ];
}

function attachmentOf({ sandbox, containerId }: Pick<SwarmTask, 'sandbox' | 'containerId'>): Attachment | null {
  if (sandbox !== null) return { netns: `${NAMESPACES}/${sandbox}` };
  return containerId === null ? null : { container: containerId };
}

function addressesOf(addresses: readonly SwarmAddress[], names: ManifestNames): { network: string; address: Ipv4 }[] {
  return addresses.flatMap(({ networkId, address }) => {
    const network = names.networks.get(networkId);
    return network === undefined ? [] : [{ network, address }];
  });
}

/** Its address behind docker_gwbridge, where Portolan gives such addresses: to what reaches out, from the third of the common subnet on. */
function gatewayPin(
  { networks }: Swarm,
  { sandbox, addresses }: Pick<SwarmTask, 'sandbox' | 'addresses'>,
  { gateway }: SwarmNode,
  subnet: Cidr | null,
  told: (words: string) => void,
): { gateway?: { address: Ipv4 } } {
  const address = sandbox === null ? undefined : gateway?.sandboxes[sandbox];
  const reachesOut = addresses.some(({ networkId }) => networks.some((network) => network.id === networkId && !network.internal && !network.ingress));
  if (address === undefined || subnet === null || gateway?.subnet !== subnet || !reachesOut) return {};
  const { first, last } = parseCidr(subnet);
  const value = parseIpv4(address);
  if (value >= first + 3 && value < last) return { gateway: { address } };
  told(`has the host-local address ${address}, which is the ingress sandbox's in Portolan: it gets another one`);
  return {};
}
