import { type Id, type Ipv4, macOfIpv4, type Network } from '@portolan/model';
import type { Space } from '@portolan/node-state';

/**
 * Names of namespaces and links, those of Swarm where Swarm has fixed ones: namespaces are cut to 12 characters,
 * and a link's name has at most 15.
 */
export function overlaySpace(networkId: Id): Space {
  return `own:1-${networkId.slice(0, 10)}`;
}

export const INGRESS_SPACE: Space = 'own:ingress_sbox';

/** The namespace that balances for a network: one of its own, or the ingress sandbox. */
export function loadBalancerSpace(network: Network): Space {
  return network.ingress ? INGRESS_SPACE : `own:lb_${network.id.slice(0, 9)}`;
}

export function endpointSpace(endpointId: Id): Space {
  return `endpoint:${endpointId}`;
}

export const OVERLAY_BRIDGE = 'br0';
export const OVERLAY_VTEP = 'vxlan0';
/** In a load balancer's namespace: the side towards the overlay. */
export const BALANCER_LINK = 'eth0';
/** In the overlay's namespace: the side towards the load balancer. */
export const BALANCER_PORT = 'veth-lb';
/** On the host: the side towards the ingress sandbox. */
export const GATEWAY_PORT = 'ptl_ingress';
/** In the ingress sandbox: the side towards the host. */
export const GATEWAY_LINK = 'eth1';

/** In an overlay's namespace: the side towards an endpoint. The address is unique there, an id cut to 15 characters is not. */
export function endpointPort(address: Ipv4): string {
  return `veth${macOfIpv4(address).slice('02:42:'.length).replaceAll(':', '')}`;
}

/** In an endpoint's namespace: the side towards a network. */
export function endpointLink(network: Network): string {
  return `ov${network.vni}`;
}
