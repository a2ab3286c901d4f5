import type { AllocationFault } from '@portolan/ipam';
import type { Id, NounKind } from '@portolan/model';
import { pointerTo } from './problems.js';
import type { NounSpecs } from './types.js';

type Described = { readonly [K in NounKind]: { readonly kind: K; readonly spec: NounSpecs[K] } }[NounKind];

/** Pointer to the value of a fault inside the spec that asked for it, whether the spec gives the value or leaves it to allocation. */
export function faultPointer(
  source: { readonly kind: NounKind; readonly spec: NounSpecs[NounKind] },
  fault: AllocationFault,
  nameOf: (networkId: Id) => string | undefined,
): string {
  const network = typeof fault.place === 'string' ? nameOf(fault.place) : undefined;
  const { kind, spec } = source as Described;
  if (kind === 'node' && fault.field === 'load-balancer') {
    const pinned = spec.addresses?.findIndex((entry) => entry.network === network) ?? -1;
    return pinned < 0 ? '' : pointerTo('addresses', pinned, 'address');
  }
  if (kind === 'service') {
    if (fault.field === 'port') return pointerTo('ports', Number(fault.place), 'published');
    if (fault.field === 'local-mark') return pointerTo('ports', spec.ports?.findIndex((port) => port.externalTrafficPolicy === 'local') ?? 0);
    if (fault.field === 'vip' || fault.field === 'mark') {
      const index = spec.networks?.findIndex((entry) => entry.network === network) ?? -1;
      // The VIP on the ingress network is there because ports are published.
      return index < 0 ? pointerTo('ports') : pointerTo('networks', index, fault.field);
    }
  }
  if (kind === 'endpoint') {
    if (fault.field === 'pod-address') return pointerTo('flannel', 'address');
    if (fault.field === 'gateway-address' && spec.gateway !== undefined) return pointerTo('gateway', 'address');
    // A port or a gateway address is a matter of the node that the endpoint is on.
    if (fault.field === 'port' || fault.field === 'gateway-address') return pointerTo('node');
    const pinned = spec.addresses?.findIndex((entry) => entry.network === network) ?? -1;
    if (fault.field === 'address' && pinned >= 0) return pointerTo('addresses', pinned, 'address');
    const joined = network === undefined ? -1 : (spec.networks?.indexOf(network) ?? -1);
    if (fault.field === 'address') return joined < 0 ? '' : pointerTo('networks', joined);
  }
  if (kind === 'network' && typeof fault.place === 'number') return pointerTo('extraSubnets', fault.place, fault.field);
  return pointerTo(fault.field);
}
