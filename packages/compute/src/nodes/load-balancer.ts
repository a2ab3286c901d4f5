import type { Ipv4 } from '@portolan/model';
import { compareKeys, type KernelObject, kernelObject, type Origin } from '@portolan/node-state';
import { BALANCER_LINK, loadBalancerSpace } from '../names.js';
import { type Member, type NetworkRoster, type Offered, trafficTo } from '../roster.js';
import { oncePer } from '../shared.js';

function balancerOrigin({ network }: NetworkRoster): Pick<Origin, 'computedBy' | 'network'> {
  return { computedBy: network.ingress ? 'ingress' : 'load-balancer', network: network.name };
}

/**
 * Forwarding for the replies, connection tracking where the source is rewritten, no connections stuck to a real server
 * that is gone (swarm: conn_reuse_mode and the expire switches), and a loose source check, since clients may be anywhere.
 */
function sysctls({ network }: NetworkRoster): readonly (readonly [name: string, value: string])[] {
  return [
    ['net.ipv4.ip_forward', '1'],
    [`net.ipv4.conf.${BALANCER_LINK}.rp_filter`, '2'],
    ['net.ipv4.vs.conn_reuse_mode', '0'],
    // With direct return only half of a connection is seen here, which tracking would take for a fault.
    ['net.ipv4.vs.conntrack', network.dsr ? '0' : '1'],
    ['net.ipv4.vs.expire_nodest_conn', '1'],
    ['net.ipv4.vs.expire_quiescent_template', '1'],
  ];
}

/** A virtual server and its real servers. An endpoint that takes no new connections keeps those that it has, at weight 0. */
export function serverObjects(roster: NetworkRoster, { service }: Offered, mark: number, members: readonly Member[]): KernelObject[] {
  const { network } = roster;
  const space = loadBalancerSpace(network);
  const origin: Origin = { ...balancerOrigin(roster), service: service.name };
  const { scheduler, persistence } = service;
  const objects: KernelObject[] = [kernelObject(space, { kind: 'virtual-server', mark, scheduler, ...(persistence === 0 ? {} : { persistence }) }, origin)];
  for (const member of members) {
    const { endpoint, address } = member;
    const traffic = trafficTo(member);
    if (traffic === 'nothing') continue;
    const forwarding = network.dsr ? 'direct' : 'masquerade';
    const weight = traffic === 'all' ? endpoint.weight : 0;
    objects.push(kernelObject(space, { kind: 'real-server', mark, address, forwarding, weight }, { ...origin, endpoint: endpoint.name }));
  }
  return objects;
}

/** What the namespace holds on every node: its settings, VIPs, marks, virtual and real servers. */
const balancingObjects = oncePer((roster: NetworkRoster): readonly KernelObject[] => {
  const { settings, network, segments } = roster;
  const space = loadBalancerSpace(network);
  const origin: Origin = balancerOrigin(roster);
  const [{ gateway }, ...others] = segments;
  const { tcp, tcpFin, udp } = network.ipvsTimeouts ?? settings.ipvsTimeouts;
  const objects: KernelObject[] = [
    kernelObject(space, { kind: 'namespace' }, origin),
    ...sysctls(roster).map(([name, value]) => kernelObject(space, { kind: 'sysctl', name, value }, origin)),
    ...others.map(({ subnet }) => kernelObject(space, { kind: 'route', destination: subnet, via: gateway, link: BALANCER_LINK }, origin)),
    kernelObject(space, { kind: 'ipvs-timeouts', tcp, tcpFin, udp }, origin),
  ];
  for (const offered of roster.offered) {
    const { service, place, members } = offered;
    const { address, mark } = place;
    // With dnsrr there is nothing to balance: the name leads to the endpoints.
    if (address === null || mark === null) continue;
    const from: Origin = { ...origin, service: service.name };
    objects.push(
      kernelObject(space, { kind: 'address', link: BALANCER_LINK, address, prefixLength: 32 }, from),
      kernelObject(space, { kind: 'mark', match: { stage: 'input', destination: address }, mark }, from),
      ...serverObjects(roster, offered, mark, members),
    );
  }
  return objects.sort((a, b) => compareKeys(a.key, b.key));
});

/** The namespace that balances for one network on one node; in the ingress sandbox this is the side towards the overlay. */
export function loadBalancerObjects(roster: NetworkRoster, address: Ipv4): KernelObject[] {
  const { network, segments } = roster;
  const space = loadBalancerSpace(network);
  const origin: Origin = balancerOrigin(roster);
  const [{ range }] = segments;
  return [
    kernelObject(space, { kind: 'address', link: BALANCER_LINK, address, prefixLength: range.prefixLength }, origin),
    ...(network.dsr ? [] : segments.map(({ subnet }) => kernelObject(space, { kind: 'source-rewrite', destination: subnet, source: address }, origin))),
    ...balancingObjects(roster),
  ];
}
