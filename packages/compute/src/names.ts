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

/** In an overlay's namespace: the bridge of its subnet with that number, from 0. */
export function overlayBridge(subnet: number): string {
  return `br${subnet}`;
}

/** In an overlay's namespace: the VTEP of its subnet with that number, from 0. */
export function overlayVtep(subnet: number): string {
  return `vxlan${subnet}`;
}

/** In a load balancer's namespace: the side towards the overlay. */
export const BALANCER_LINK = 'eth0';
/** In the overlay's namespace: the side towards the load balancer. */
export const BALANCER_PORT = 'veth-lb';
/** On the host: the side towards the ingress sandbox. */
export const SANDBOX_GATEWAY_PORT = 'ptl_ingress';
/** In the ingress sandbox: the side towards the host. */
export const SANDBOX_GATEWAY_LINK = 'eth1';
/** In an endpoint's namespace: the side towards the host. */
export const ENDPOINT_GATEWAY_LINK = 'ptl_gw';
/** On the host: the bridge of flannel's containers, called so by the CNI plugins. */
export const POD_BRIDGE = 'cni0';
/** In an endpoint's namespace: the side towards that bridge. */
export const POD_LINK = 'pod0';
/** On the host: the TUN device of flannel's udp backend. */
export const RELAY_LINK = 'flannel0';

/** On the host: flannel's VTEP. */
export function flannelVtep(vni: number): string {
  return `flannel.${vni}`;
}

/** A link as part of the name of a sysctl, where a dot would separate. */
export function sysctlPart(link: string): string {
  return link.replaceAll('.', '/');
}

/** On the host: the side towards an endpoint, by its address in the gateway subnet or in the flannel network; the two have no address in common. */
export function endpointHostPort(address: Ipv4): string {
  return `ptl_${hexOf(address)}`;
}

/** In an overlay's namespace: the side towards an endpoint. The address is unique there, an id cut to 15 characters is not. */
export function endpointPort(address: Ipv4): string {
  return `veth${hexOf(address)}`;
}

/** In an endpoint's namespace: the side towards a network. */
export function endpointLink(network: Network): string {
  return `ov${network.vni}`;
}

/** The four octets as eight hexadecimal digits. */
function hexOf(address: Ipv4): string {
  return macOfIpv4(address).slice('02:42:'.length).replaceAll(':', '');
}
