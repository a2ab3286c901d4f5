import type { Ipv4, Snapshot } from '@portolan/model';
import type { End } from './ended.js';
import { leaseOf, networkWith } from './holders.js';
import { lacking, missingLink, repair } from './missing.js';
import { holds } from './range.js';
import type { SpaceView } from './space.js';
import { type Suspect, soughtRef, type Trace } from './trace.js';

/** Nothing leads a namespace to a destination. */
export function noRoute({ world: { snapshot } }: Trace, view: SpaceView, destination: Ipv4): End {
  return { outcome: 'unreachable', ...routeSought(snapshot, view, destination) };
}

function routeSought(snapshot: Snapshot, view: SpaceView, destination: Ipv4): Suspect {
  const what = `there is no route to ${destination}`;
  const own = view.addresses.find(({ cidr, prefixLength, link }) => prefixLength < 32 && holds(cidr, destination) && !view.links.has(link));
  if (own !== undefined) return missingLink(view, own.link, own.address, networkWith(snapshot, own.address));
  const routes = view.all('route').filter(({ body }) => body.destination === 'default' || holds(body.destination, destination));
  const dead = routes.toSorted((a, b) => b.body.destination.length - a.body.destination.length).find(({ body }) => !view.links.has(body.link));
  if (dead !== undefined) {
    const address = view.addressesOn(dead.body.link)[0]?.address;
    return missingLink(view, dead.body.link, address, address === undefined ? undefined : networkWith(snapshot, address));
  }
  if (view.space === 'host') return hostRouteSought(snapshot, view, destination, what);
  const endpoint = snapshot.endpoints.get(view.space.slice('endpoint:'.length));
  const network = networkWith(snapshot, destination);
  const place = endpoint?.addresses.find(({ networkId }) => networkId === network?.id);
  if (network !== undefined && place !== undefined) {
    const link = `ov${network.vni}`;
    if (view.known('address', `${link}/${place.address}`) === undefined) return lacking(view, 'address', `${link}/${place.address}`, what);
    const subnet = [network.subnet, ...network.extraSubnets.map((extra) => extra.subnet)].find((cidr) => holds(cidr, destination)) ?? network.subnet;
    return lacking(view, 'route', subnet, what);
  }
  const isPod = snapshot.flannel !== null && holds(snapshot.flannel.network, destination);
  if (isPod && endpoint?.flannel != null) {
    const identity = `pod0/${endpoint.flannel.address}`;
    if (view.known('address', identity) === undefined) return lacking(view, 'address', identity, what);
    return lacking(view, 'route', snapshot.flannel?.network ?? '', what);
  }
  if (endpoint !== undefined && network !== undefined) {
    return {
      reason: `${endpoint.name} is not on the network ${network.name}, and nothing else leads it to ${destination}`,
      fix: 'Put both on one network.',
      object: null,
    };
  }
  if (endpoint !== undefined && endpoint.gatewayAddress === null && endpoint.flannel === null) {
    return { reason: `${endpoint.name} is on internal networks only: it has no way out`, fix: 'Put it on a network that is not internal.', object: null };
  }
  const identity = endpoint?.gatewayAddress == null ? '' : `ptl_gw/${endpoint.gatewayAddress}`;
  if (identity !== '' && view.known('address', identity) === undefined) return lacking(view, 'address', identity, what);
  return lacking(view, 'route', 'default', what);
}

function hostRouteSought(snapshot: Snapshot, view: SpaceView, destination: Ipv4, what: string): Suspect {
  const lease = leaseOf(snapshot, destination);
  if (lease !== undefined && lease.subnet !== null) {
    const own = lease.nodeId === view.kernel.nodeId;
    if (lease.backendType === 'vxlan' && !own) {
      const vtep = `flannel.${lease.vni ?? 1}`;
      if (!view.links.has(vtep)) return missingLink(view, vtep, undefined, undefined);
    }
    if (lease.backendType === 'udp' && !own) {
      if (!view.links.has('flannel0')) return missingLink(view, 'flannel0', undefined, undefined);
      return lacking(view, 'route', snapshot.flannel?.network ?? '', what);
    }
    if (!own) return lacking(view, 'route', lease.subnet, what);
    if (!view.links.has('cni0')) return missingLink(view, 'cni0', undefined, undefined);
    return { reason: `${what}: cni0 has no address in ${lease.subnet}`, fix: repair, object: soughtRef(view, 'bridge', 'cni0') };
  }
  if (holds(snapshot.cluster.settings.gatewaySubnet, destination)) {
    if (!view.links.has('ptl_gwbridge')) return missingLink(view, 'ptl_gwbridge', undefined, undefined);
    return { reason: `${what}: ptl_gwbridge has no address`, fix: repair, object: soughtRef(view, 'bridge', 'ptl_gwbridge') };
  }
  return {
    reason: `${what} on ${view.kernel.node}: addresses of overlays and of containers elsewhere are not reached from a host`,
    fix: 'Dial a published port.',
    object: null,
  };
}

/**
 * Of an answer from an endpoint: a table of its own for packets with that source, which no rule leads to, or which says nothing. The answer
 * takes the ordinary way then.
 */
export function suspectTables(trace: Trace, view: SpaceView, destination: Ipv4): void {
  const { source } = trace.packet;
  const rule = view.known('route-rule', source);
  const tables = new Set(view.all('route').flatMap(({ body: { table } }) => table ?? []));
  if (rule === undefined) {
    const ruled = new Set(view.all('route-rule').map(({ body }) => body.table));
    if ([...tables].every((table) => ruled.has(table))) return;
    trace.suspect(lacking(view, 'route-rule', source, `the answer from ${source} takes the ordinary way`));
    return;
  }
  const { table } = rule.body;
  const leads = view.all('route').some(({ body }) => body.table === table && (body.destination === 'default' || holds(body.destination, destination)));
  if (!leads) trace.suspect(lacking(view, 'route', `default@${table}`, `the answer from ${source} takes the ordinary way`));
}
