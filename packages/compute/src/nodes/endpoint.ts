import { type EndpointFilterBody, type KernelObject, kernelObject, type Origin, type RuleEntryBody } from '@portolan/node-state';
import { endpointLink, endpointSpace } from '../names.js';
import type { Member, NetworkRoster } from '../roster.js';

const endpointEntries: readonly Omit<RuleEntryBody, 'kind'>[] = [
  { table: 'nat', stage: 'prerouting' },
  { table: 'filter', stage: 'input' },
  { table: 'filter', stage: 'output' },
];

/** What the namespace of one endpoint gets for one of its networks; the link itself is the other end of the overlay's veth. */
export function endpointObjects({ network, prefixLength }: NetworkRoster, { endpoint, service, address }: Member): KernelObject[] {
  const space = endpointSpace(endpoint.id);
  const origin: Origin = { computedBy: 'endpoint', network: network.name, service: service.name, endpoint: endpoint.name };
  const objects: KernelObject[] = [kernelObject(space, { kind: 'address', link: endpointLink(network), address, prefixLength }, origin)];
  if (!network.ingress) return objects;
  return [
    ...objects,
    ...endpointEntries.map((entry) => kernelObject(space, { kind: 'rule-entry', ...entry }, origin)),
    ...service.ports.map(({ protocol, published, target }) =>
      kernelObject(space, { kind: 'port-redirect', destination: address, protocol, port: published, toPort: target }, origin),
    ),
    kernelObject(space, { kind: 'endpoint-filter', address, open: openPorts(service.ports) }, origin),
  ];
}

/** Each target once, in an order of its own: two published ports may lead to the same target. */
function openPorts(ports: Member['service']['ports']): EndpointFilterBody['open'] {
  const open = new Map(ports.map(({ protocol, target }) => [`${protocol}/${target}`, { protocol, port: target }]));
  return [...open.values()].sort((a, b) => (a.protocol < b.protocol ? -1 : a.protocol > b.protocol ? 1 : a.port - b.port));
}
