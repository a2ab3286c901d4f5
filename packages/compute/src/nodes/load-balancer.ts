import type { Ipv4 } from '@portolan/model';
import { compareKeys, type KernelObject, kernelObject, loadBalancerSysctls, type Origin, type Space } from '@portolan/node-state';
import { BALANCER_LINK, loadBalancerSpace } from '../names.js';
import type { NetworkRoster } from '../roster.js';
import { oncePerNetwork } from '../shared.js';

function computedBy(roster: NetworkRoster): Pick<Origin, 'computedBy' | 'network'> {
  return { computedBy: roster.network.ingress ? 'ingress' : 'load-balancer', network: roster.network.name };
}

/** VIPs, marks, virtual and real servers: the same on every node. */
const balancingObjects = oncePerNetwork((roster): readonly KernelObject[] => {
  const space = loadBalancerSpace(roster.network);
  const objects: KernelObject[] = roster.balanced.flatMap<KernelObject>(({ service, vip: { address, mark }, members }) => {
    const origin: Origin = { ...computedBy(roster), service: service.name };
    return [
      kernelObject(space, { kind: 'address', link: BALANCER_LINK, address, prefixLength: 32 }, origin),
      kernelObject(space, { kind: 'mark', match: { stage: 'input', destination: address }, mark }, origin),
      kernelObject(space, { kind: 'virtual-server', mark, scheduler: service.scheduler }, origin),
      ...members.map((member) =>
        kernelObject(
          space,
          { kind: 'real-server', mark, address: member.address, forwarding: 'masquerade', weight: member.endpoint.weight },
          { ...origin, endpoint: member.endpoint.name },
        ),
      ),
    ];
  });
  return objects.sort((a, b) => compareKeys(a.key, b.key));
});

/** The namespace that balances for one network on one node; in the ingress sandbox this is the side towards the overlay. */
export function loadBalancerObjects(roster: NetworkRoster, address: Ipv4): KernelObject[] {
  const space: Space = loadBalancerSpace(roster.network);
  const origin: Origin = computedBy(roster);
  return [
    kernelObject(space, { kind: 'namespace' }, origin),
    kernelObject(space, { kind: 'address', link: BALANCER_LINK, address, prefixLength: roster.prefixLength }, origin),
    ...loadBalancerSysctls.map(([name, value]) => kernelObject(space, { kind: 'sysctl', name, value }, origin)),
    kernelObject(space, { kind: 'source-rewrite', destination: roster.network.subnet, source: address }, origin),
    ...balancingObjects(roster),
  ];
}
