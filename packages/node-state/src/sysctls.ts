import type { Space } from './objects.js';

/** Name of the host's bridge to its ingress sandbox. */
export const GATEWAY_BRIDGE = 'ptl_gwbridge';

/**
 * What a load balancer's namespace needs: forwarding for the replies, connection tracking for the source rewrite,
 * and no connections stuck to a real server that is gone (swarm: conn_reuse_mode and the expire switches).
 */
export const loadBalancerSysctls: readonly (readonly [name: string, value: string])[] = [
  ['net.ipv4.ip_forward', '1'],
  ['net.ipv4.vs.conn_reuse_mode', '0'],
  ['net.ipv4.vs.conntrack', '1'],
  ['net.ipv4.vs.expire_nodest_conn', '1'],
  ['net.ipv4.vs.expire_quiescent_template', '1'],
];

/** What the host needs: forwarding to the sandbox, and published ports on 127.0.0.1 too. */
export const hostSysctls: readonly (readonly [name: string, value: string])[] = [
  ['net.ipv4.ip_forward', '1'],
  [`net.ipv4.conf.${GATEWAY_BRIDGE}.route_localnet`, '1'],
];

/** The sysctls that an observation of a space has to read; one that does not exist is left out. */
export function sysctlNames(space: Space): readonly string[] {
  const settings = space === 'host' ? hostSysctls : space.startsWith('own:lb_') || space === 'own:ingress_sbox' ? loadBalancerSysctls : [];
  return settings.map(([name]) => name);
}
