import type { Endpoint, Id, Ipv4, Node, PublishedPort, Service } from '@portolan/model';
import type { Space, VipProbe } from '@portolan/node-state';
import { endpointSpace } from './names.js';
import { type ClusterRoster, type Member, type NetworkRoster, trafficTo } from './roster.js';
import { oncePer } from './shared.js';

/** A place where a service answers, the same for every node. */
interface Vip {
  readonly key: string;
  readonly service: Service;
  readonly address: Ipv4;
  readonly port: number;
}

function takesNew(member: Member): boolean {
  return trafficTo(member) === 'all' && member.endpoint.weight > 0;
}

/** One at which each endpoint of the service should answer; undefined where none is known. */
function tcpPortOf({ healthCheck, ports }: Service): number | undefined {
  return healthCheck?.port ?? ports.find(({ protocol }) => protocol === 'tcp')?.target;
}

function keyOf(service: Service, { network }: NetworkRoster, port: number): string {
  return `${service.id}/${network.id}/${port}`;
}

/** VIPs that lead to somebody. It changes with the service's own endpoints only when the first comes or the last goes. */
const vipsOf = oncePer((roster: NetworkRoster): readonly Vip[] =>
  roster.offered.flatMap(({ service, place: { address, mark }, members }) => {
    const port = tcpPortOf(service);
    if (address === null || mark === null || port === undefined || !members.some(takesNew)) return [];
    return [{ key: keyOf(service, roster, port), service, address, port }];
  }),
);

/**
 * Namespace on a node that reaches a VIP as a client of it does: that of an own endpoint. With direct return an endpoint of
 * the service itself has the VIP on its own loopback, and would ask nobody else.
 */
function callerOf({ network }: NetworkRoster, callers: readonly Member[], service: Service): Space | undefined {
  const caller = network.dsr ? callers.find((member) => member.service?.id !== service.id) : callers[0];
  return caller === undefined ? undefined : endpointSpace(caller.endpoint.id);
}

function byId({ endpoint: a }: { readonly endpoint: Endpoint }, { endpoint: b }: { readonly endpoint: Endpoint }): number {
  return a.id < b.id ? -1 : 1;
}

function networkProbes(roster: NetworkRoster, nodeId: Id): [string, VipProbe][] {
  const callers = (roster.membersOf.get(nodeId) ?? []).filter(({ endpoint }) => endpoint.presence !== 'absent').sort(byId);
  return vipsOf(roster).flatMap(({ key, service, address, port }): [string, VipProbe][] => {
    const space = callerOf(roster, callers, service);
    return space === undefined ? [] : [[key, { space, address, port }]];
  });
}

/** What the host sends to its own address is forwarded as what comes from outside, but it comes by no interface. */
function isOpenAt({ addresses, interfaces }: PublishedPort, address: Ipv4): boolean {
  return interfaces.length === 0 && (addresses.length === 0 || addresses.includes(address));
}

function publishedProbes(roster: NetworkRoster, { id, address }: Node): [string, VipProbe][] {
  return roster.offered.flatMap(({ service, place, members }) => {
    const leadsToOwn = members.some((member) => member.node.id === id && takesNew(member));
    const leadsToAny = members.some(takesNew);
    return service.ports.flatMap((port): [string, VipProbe][] => {
      if (port.mode !== 'ingress' || port.protocol !== 'tcp' || !isOpenAt(port, address)) return [];
      const isLed = port.externalTrafficPolicy === 'local' ? place.localMark !== null && leadsToOwn : place.mark !== null && leadsToAny;
      return isLed ? [[keyOf(service, roster, port.published), { space: 'host', address, port: port.published }]] : [];
    });
  });
}

/**
 * What of the services in TCP can be dialled from a node as a client would: VIPs from an endpoint, published ports from the host. Undefined
 * where there is nothing. Another service's endpoints change nothing of it.
 */
export function vipProbes({ networks }: ClusterRoster, node: Node): Readonly<Record<string, VipProbe>> | undefined {
  const ofNode = networks.filter(({ balancers }) => balancers.has(node.id));
  const probes = ofNode.flatMap((roster) => (roster.network.ingress ? publishedProbes(roster, node) : networkProbes(roster, node.id)));
  return probes.length === 0 ? undefined : Object.fromEntries(probes.sort(([a], [b]) => (a < b ? -1 : 1)));
}
