import { type Ipv4, macOfIpv4, type Network } from '@portolan/model';
import type { ObjectKind, Space } from '@portolan/node-state';
import type { End } from './ended.js';
import { type SpaceView, spaceOf } from './space.js';
import { lack, type Suspect, soughtRef } from './trace.js';

/**
 * What should be where a walk finds nothing. Links and namespaces are called as compute calls them: a port towards an address by its four
 * octets in hexadecimal.
 */
export function portOf(prefix: 'veth' | 'ptl_', address: Ipv4): string {
  return `${prefix}${macOfIpv4(address).slice('02:42:'.length).replaceAll(':', '')}`;
}

const repair = 'Let the agent of the node repair it.';

/** Blames an object that is looked for. */
export function lacking(view: SpaceView, kind: ObjectKind, identity: string, what: string): Suspect {
  return { reason: `${what}: the ${kind} ${lack(view, kind, identity)} on ${view.kernel.node}`, fix: repair, object: soughtRef(view, kind, identity) };
}

/** A namespace that is not there. That of an endpoint is no object of ours; it is named like those that are. */
export function absent(view: SpaceView, space: Space, title: string): End {
  const reason = `the network namespace of ${title} is not there`;
  return {
    outcome: 'unreachable',
    reason,
    fix: `Start ${title} again, or tell its new namespace.`,
    object: soughtRef(spaceOf(view.kernel, space), 'namespace', ''),
  };
}

/** A device that should be there: its kind is told by its name. */
export function missingLink(view: SpaceView, link: string, address: Ipv4 | undefined, network: Network | undefined): Suspect {
  const what = `there is no ${link}`;
  if (link.startsWith('flannel.')) return lacking(view, 'flannel-vtep', link, what);
  if (link === 'flannel0') return lacking(view, 'udp-relay', link, what);
  if (link.startsWith('vxlan')) return lacking(view, 'vxlan', link, what);
  if (link === 'cni0' || link === 'ptl_gwbridge' || /^br\d+$/.test(link)) return lacking(view, 'bridge', link, what);
  const host = spaceOf(view.kernel, 'host');
  if (view.space === 'own:ingress_sbox' && link === 'eth1') return lacking(host, 'veth', 'ptl_ingress', what);
  if (network !== undefined) {
    const overlay = spaceOf(view.kernel, `own:1-${network.id.slice(0, 10)}`);
    return lacking(overlay, 'veth', link === 'eth0' ? 'veth-lb' : portOf('veth', address ?? ''), what);
  }
  return lacking(host, 'veth', address === undefined ? link : portOf('ptl_', address), what);
}
