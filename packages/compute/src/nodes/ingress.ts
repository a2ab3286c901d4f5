import type { Id, Ipv4, PublishedPort, Service } from '@portolan/model';
import { type KernelObject, kernelObject, type Origin, type PortForwardBody } from '@portolan/node-state';
import { INGRESS_SPACE, SANDBOX_GATEWAY_LINK, SANDBOX_GATEWAY_PORT } from '../names.js';
import { type ClusterRoster, type Member, type NetworkRoster, type Offered, trafficTo } from '../roster.js';
import { oncePer } from '../shared.js';
import { gatewayLinkObjects, sandboxAddress } from './gateway.js';
import { serverObjects } from './load-balancer.js';

function originOf({ network }: NetworkRoster, service?: Service): Origin {
  return { computedBy: 'ingress', network: network.name, ...(service === undefined ? {} : { service: service.name }) };
}

/** A published port of the host, sent on; everywhere on it unless addresses or interfaces were chosen. */
export function portForward({ protocol, published, addresses, interfaces }: PublishedPort, to: Ipv4, toPort: number): PortForwardBody {
  return {
    kind: 'port-forward',
    protocol,
    port: published,
    to,
    toPort,
    ...(addresses.length === 0 ? {} : { addresses: addresses.toSorted() }),
    ...(interfaces.length === 0 ? {} : { interfaces: interfaces.toSorted() }),
  };
}

/** The way of one published port into the sandbox: it is kept on the way, so the sandbox knows the service by it. */
function publishedObjects(roster: NetworkRoster, { service }: Offered, port: PublishedPort, mark: number): KernelObject[] {
  const { protocol, published } = port;
  const origin = originOf(roster, service);
  return [
    kernelObject(INGRESS_SPACE, { kind: 'mark', match: { stage: 'prerouting', protocol, port: published }, mark }, origin),
    kernelObject('host', portForward(port, sandboxAddress(roster.settings), published), origin),
  ];
}

function isLocal({ mode, externalTrafficPolicy }: PublishedPort): boolean {
  return mode === 'ingress' && externalTrafficPolicy === 'local';
}

/** Published ports of policy `cluster`: every node answers. */
const meshObjects = oncePer((roster: NetworkRoster): readonly KernelObject[] =>
  roster.offered.flatMap((offered) => {
    const { mark } = offered.place;
    if (mark === null) return [];
    const ports = offered.service.ports.filter((port) => port.mode === 'ingress' && !isLocal(port));
    return ports.flatMap((port) => publishedObjects(roster, offered, port, mark));
  }),
);

const localServices = oncePer((roster: NetworkRoster): readonly Offered[] => roster.offered.filter(({ place }) => place.localMark !== null));

/** Endpoints of a service that its policy `local` balances among on one node. */
export function localMembers(roster: NetworkRoster, serviceId: Id, nodeId: Id): readonly Member[] {
  return (roster.membersOf.get(nodeId) ?? []).filter((member) => member.service?.id === serviceId && trafficTo(member) !== 'nothing');
}

/**
 * Published ports of policy `local` on one node: its own endpoints only, which see the address of the client. A node
 * without one that takes new connections does not answer, so a balancer outside can tell.
 */
function localObjects(roster: NetworkRoster, nodeId: Id): KernelObject[] {
  const objects: KernelObject[] = [];
  for (const offered of localServices(roster)) {
    const { service, place } = offered;
    const mark = place.localMark;
    const members = localMembers(roster, service.id, nodeId);
    if (mark === null || members.length === 0) continue;
    objects.push(...serverObjects(roster, offered, mark, members), kernelObject(INGRESS_SPACE, { kind: 'source-kept', mark }, originOf(roster, service)));
    if (!members.some((member) => trafficTo(member) === 'all' && member.endpoint.weight > 0)) continue;
    for (const port of service.ports) if (isLocal(port)) objects.push(...publishedObjects(roster, offered, port, mark));
  }
  return objects;
}

/** The way from the host into the ingress sandbox of one node. Its balancing is made by `loadBalancerObjects`. */
export function ingressObjects(cluster: ClusterRoster, roster: NetworkRoster, nodeId: Id): KernelObject[] {
  const origin = originOf(roster);
  const address = sandboxAddress(roster.settings);
  const link = { space: INGRESS_SPACE, link: SANDBOX_GATEWAY_LINK, port: SANDBOX_GATEWAY_PORT, address };
  return [
    ...gatewayLinkObjects(cluster, link, origin),
    kernelObject(INGRESS_SPACE, { kind: 'sysctl', name: `net.ipv4.conf.${SANDBOX_GATEWAY_LINK}.rp_filter`, value: '2' }, origin),
    ...meshObjects(roster),
    ...localObjects(roster, nodeId),
  ];
}
