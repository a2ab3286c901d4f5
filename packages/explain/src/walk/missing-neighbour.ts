import { formatIpv4, type Ipv4, parseCidr, type Snapshot } from '@portolan/model';
import type { Space } from '@portolan/node-state';
import type { End } from './ended.js';
import { endpointBehind, holderOn, leaseOf, networkOfSpace } from './holders.js';
import { absent, lacking, missingLink, portOf } from './missing.js';
import { isThere, type SpaceView, spaceOf } from './space.js';
import type { Suspect, Trace } from './trace.js';

/** An address on one bridge that answers no ARP. */
export interface Unanswered {
  /** The namespace of the bridge. */
  readonly view: SpaceView;
  readonly bridge: string;
  readonly address: Ipv4;
}

/** Who should have answered, and why it did not. */
export function unanswered({ world: { snapshot } }: Trace, { view, bridge, address }: Unanswered): End {
  const what = `nobody answers for ${address}`;
  const end = (suspect: Suspect): End => ({ outcome: 'unreachable', ...suspect });
  if (!view.links.has(bridge)) return end(missingLink(view, bridge, undefined, undefined));
  const network = networkOfSpace(snapshot, view.space);
  if (network === undefined) return end(hostAnswer(snapshot, { view, bridge, address }, what));
  const holder = holderOn(snapshot, network.id, address);
  if (holder === undefined) {
    const gateway = [network, ...network.extraSubnets].some((own) => own.gateway === address);
    return end(
      gateway ? lacking(view, 'address', `${bridge}/${address}`, what) : { reason: `${what}: it is nobody's on ${network.name}`, fix: null, object: null },
    );
  }
  const isHere = holder.kind === 'vip' || holder.nodeId === view.kernel.nodeId;
  if (holder.kind === 'endpoint' && holder.endpoint.presence === 'absent') {
    const { name, id } = holder.endpoint;
    return absent(view, `endpoint:${id}`, `endpoint ${name}`);
  }
  if (!isHere) {
    const vtep = `vxlan${bridge.slice('br'.length)}`;
    return end(view.links.has(vtep) ? lacking(view, 'neighbour', `${vtep}/${address}`, what) : missingLink(view, vtep, undefined, undefined));
  }
  if (holder.kind === 'endpoint') return end(attached(view, portOf('veth', address), `endpoint:${holder.endpoint.id}`, `ov${network.vni}/${address}`, what));
  const space: Space = network.ingress ? 'own:ingress_sbox' : `own:lb_${network.id.slice(0, 9)}`;
  return end(attached(view, 'veth-lb', space, `eth0/${address}`, what));
}

function hostAnswer(snapshot: Snapshot, { view, bridge, address }: Unanswered, what: string): Suspect {
  const owner = endpointBehind(snapshot, view.kernel.nodeId, address);
  const isPods = bridge === 'cni0';
  if (owner !== undefined && owner.nodeId === view.kernel.nodeId) {
    const space: Space = `endpoint:${owner.id}`;
    if (owner.presence === 'absent') return absent(view, space, `endpoint ${owner.name}`);
    return attached(view, portOf('ptl_', address), space, `${isPods ? 'pod0' : 'ptl_gw'}/${address}`, what);
  }
  const subnet = isPods ? leaseOf(snapshot, address)?.subnet : snapshot.cluster.settings.gatewaySubnet;
  const first = subnet == null ? undefined : parseCidr(subnet).first;
  if (first !== undefined && address === formatIpv4(first + 1)) return lacking(view, 'address', `${bridge}/${address}`, what);
  if (first !== undefined && !isPods && address === formatIpv4(first + 2)) return attached(view, 'ptl_ingress', 'own:ingress_sbox', `eth1/${address}`, what);
  return { reason: `${what} on ${bridge}`, fix: null, object: null };
}

/** What should be behind a port of the bridge. */
function attached(view: SpaceView, name: string, space: Space, address: string, what: string): Suspect {
  if (!isThere(view.kernel, space)) return absent(view, space, space.slice(space.indexOf(':') + 1));
  if (!view.links.has(name)) return lacking(view, 'veth', name, what);
  const behind = spaceOf(view.kernel, space);
  if (behind.known('address', address) === undefined) return lacking(behind, 'address', address, what);
  return { reason: `${what}: it is behind ${name}, and isolated ports exchange nothing`, fix: null, object: null };
}
