import type { Lab } from '@portolan/lab';

/** Namespaces that agents make and name: load balancers, overlays, the sandbox of the mesh. */
const OWN = /^(lb_|1-|ingress_sbox$)/;

/** Path of a network namespace on a node of a lab: `host`, one of its agent's, or that of a container by its endpoint's name. */
export function netnsOf(lab: Pick<Lab, 'hosts'>, node: string, space: string): string {
  if (OWN.test(space)) return `/run/portolan-lab/${node}/netns/${space}`;
  if (space !== 'host') return `/run/netns/${space}`;
  const host = lab.hosts.get(node);
  if (host === undefined) throw new Error(`the lab has no host ${node}`);
  return host.netns;
}
