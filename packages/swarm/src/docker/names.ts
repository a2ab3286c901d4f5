import type { SwarmNetwork } from '../facts.js';

/**
 * Names as Docker gives them: files in /var/run/docker/netns are cut to 12 characters, links of an overlay are numbered in the order in
 * which they came. What Docker draws at random (the links of the host that are ports of docker_gwbridge) has a number here too.
 */

/** The epoch counts how often the network was made anew while the daemon ran, so a file may begin with another number than 1. */
export function overlayName(networkId: string): string {
  return `1-${networkId.slice(0, 10)}`;
}

export const HOST_NAME = 'host';
const INGRESS_NAME = 'ingress_sbox';

/** The namespace that balances for a network: the ingress sandbox, or one of its own. */
export function balancerName({ id, ingress }: Pick<SwarmNetwork, 'id' | 'ingress'>): string {
  return ingress ? INGRESS_NAME : `lb_${id.slice(0, 9)}`;
}

export const GATEWAY_BRIDGE = 'docker_gwbridge';
/** In a load balancer: the side towards its overlay. */
export const BALANCER_LINK = 'eth0';
/** In the ingress sandbox: the side towards docker_gwbridge. */
export const INGRESS_GATEWAY_LINK = 'eth1';

/** A port of a bridge, by its number. In an overlay that of the load balancer is the first. */
export function portName(number: number): string {
  return `veth${number}`;
}

/** In the namespace of a task: its links, by number. Docker numbers them in a random order. */
export function taskLink(number: number): string {
  return `eth${number}`;
}
