import type { SwarmNetwork, SwarmService } from '../facts.js';
import { byName, byNetwork, byPort } from '../order.js';
import type { Complaints, Element } from './documents.js';
import type { EngineService } from './schemas.js';
import { interfaceOf, portsOf } from './values.js';

/**
 * Services as they are allocated: while an update changes the spec, `Endpoint` has what is programmed, and ports that Docker chose are there only.
 * Targets that are no overlays, such as `host`, are left out.
 */
export function swarmServices(elements: readonly Element<EngineService>[], networks: readonly SwarmNetwork[], complaints: Complaints): readonly SwarmService[] {
  const byReference = new Map([...networks.map((network) => [network.name, network] as const), ...networks.map((network) => [network.id, network] as const)]);
  return elements.map(({ value, path }) => serviceOf(value, path, byReference, complaints)).sort(byName);
}

function serviceOf({ ID, Spec, Endpoint }: EngineService, path: string, networks: ReadonlyMap<string, SwarmNetwork>, complaints: Complaints): SwarmService {
  const mode = Endpoint?.Spec?.Mode ?? Spec.EndpointSpec?.Mode ?? 'vip';
  const vips = (Endpoint?.VirtualIPs ?? []).flatMap(({ NetworkID, Addr }, i) => {
    const at = `${path}/Endpoint/VirtualIPs/${i}/Addr`;
    // Without an address while it is allocated, and with dnsrr.
    const found = Addr === null || Addr === undefined || Addr === '' ? null : interfaceOf(Addr, at, complaints);
    return found === null || !NetworkID ? [] : [{ networkId: NetworkID, address: found.address }];
  });
  const targets = new Map<string, readonly string[]>();
  for (const { Target, Aliases } of Spec.TaskTemplate?.Networks ?? Spec.Networks ?? []) {
    const network = networks.get(Target ?? '');
    if (network !== undefined && !network.ingress) targets.set(network.id, [...(Aliases ?? [])].sort());
  }
  return {
    id: ID,
    name: Spec.Name,
    mode: mode === 'dnsrr' ? 'dnsrr' : 'vip',
    vips: vips.sort(byNetwork),
    ports: [...portsOf(Endpoint?.Ports, `${path}/Endpoint/Ports`, complaints)].sort(byPort),
    networks: [...targets].map(([networkId, aliases]) => ({ networkId, aliases })).sort(byNetwork),
  };
}
