import { type Endpoint, formatIpv4, type Id, type Ipv4, type Network, parseCidr, type Snapshot } from '@portolan/model';
import type { End } from './ended.js';
import { leaseOf, networkOfBalancer, networkOfSpace, networkWith, subnetWith } from './holders.js';
import { lacking, missingLink } from './missing.js';
import { holds } from './range.js';
import type { Route } from './route.js';
import type { SpaceView } from './space.js';
import type { Suspect, Trace } from './trace.js';

/** How a namespace should lead to a destination. */
interface Lead {
  readonly link: string;
  /** Of the namespace on that link. */
  readonly address: Ipv4 | null;
  readonly network: Network | undefined;
  /** Destination of the route. */
  readonly route: string;
}

/** Nothing leads a namespace to a destination. */
export function noRoute({ world: { snapshot } }: Trace, view: SpaceView, destination: Ipv4): End {
  const what = `there is no route to ${destination}`;
  const lead = leadTo(snapshot, view, destination);
  if (lead !== undefined) return { outcome: 'unreachable', ...lackOf(view, lead, what) };
  const endpoint = snapshot.endpoints.get(view.space.slice('endpoint:'.length));
  const end = (reason: string, fix: string): End => ({ outcome: 'unreachable', reason, fix, object: null });
  if (endpoint === undefined)
    return end(`${what} on ${view.kernel.node}, which reaches no containers there`, 'Dial a published port, or an address that is in use.');
  const stranger = strangerTo(snapshot, endpoint, destination);
  if (stranger !== undefined) return { outcome: 'unreachable', ...stranger };
  return end(`${endpoint.name} is on internal networks only: it has no way out`, 'Put it on a network that is not internal.');
}

/** Of an endpoint that is not on the network of a destination. */
function strangerTo(snapshot: Snapshot, { name, addresses }: Endpoint, destination: Ipv4): Suspect | undefined {
  const network = networkWith(snapshot, destination);
  if (network === undefined || addresses.some(({ networkId }) => networkId === network.id)) return undefined;
  return {
    reason: `${name} is not on the network ${network.name}, and nothing else leads it to ${destination}`,
    fix: `Put it on ${network.name}.`,
    object: null,
  };
}

/** Notes that the packet does not leave by the link that it should, and why. */
export function suspectLead(trace: Trace, view: SpaceView, destination: Ipv4, { link, thing }: Route): void {
  const { snapshot } = trace.world;
  const endpoint = trace.isReply ? undefined : snapshot.endpoints.get(view.space.slice('endpoint:'.length));
  const stranger = endpoint === undefined ? undefined : strangerTo(snapshot, endpoint, destination);
  if (stranger !== undefined) trace.suspect(stranger);
  const lead = leadTo(snapshot, view, destination);
  if (lead === undefined || lead.link === link || lead.route === 'default') return;
  // To a peer on the same network flannel may have a plain route (directRouting).
  if (thing?.body?.kind === 'route' && thing.body.destination === lead.route) return;
  trace.suspect(lackOf(view, lead, `${destination} is looked for by ${link} instead of ${lead.link}`));
}

/** What there has to be, in the order in which it rests on each other. */
function lackOf(view: SpaceView, { link, address, network, route }: Lead, what: string): Suspect {
  if (!view.links.has(link)) return missingLink(view, link, address ?? undefined, network);
  const identity = `${link}/${address}`;
  return address !== null && view.known('address', identity) === undefined ? lacking(view, 'address', identity, what) : lacking(view, 'route', route, what);
}

function leadTo(snapshot: Snapshot, view: SpaceView, destination: Ipv4): Lead | undefined {
  if (view.space === 'host') return hostLead(snapshot, view, destination);
  if (view.space.startsWith('endpoint:')) return endpointLead(snapshot, view.space.slice('endpoint:'.length), destination);
  const subnet = subnetWith(snapshot, destination) ?? 'default';
  const overlay = networkOfSpace(snapshot, view.space);
  if (overlay !== undefined) {
    const segments = [overlay, ...overlay.extraSubnets];
    const at = segments.findIndex((own) => own.subnet === subnet);
    const gateway = segments[Math.max(at, 0)]?.gateway ?? overlay.gateway;
    return { link: `br${Math.max(at, 0)}`, address: gateway, network: undefined, route: at < 0 ? 'default' : subnet };
  }
  const network = networkOfBalancer(snapshot, view.space);
  const isOnNetwork = network !== undefined && networkWith(snapshot, destination) === network;
  if (isOnNetwork) return { link: 'eth0', address: balancerAddress(snapshot, view.kernel.nodeId, network.id), network, route: subnet };
  const sandbox = formatIpv4(parseCidr(snapshot.cluster.settings.gatewaySubnet).first + 2);
  return view.space === 'own:ingress_sbox' ? { link: 'eth1', address: sandbox, network: undefined, route: 'default' } : undefined;
}

function balancerAddress({ nodes }: Snapshot, nodeId: Id, networkId: Id): Ipv4 | null {
  return nodes.get(nodeId)?.loadBalancers.find((own) => own.networkId === networkId)?.address ?? null;
}

function endpointLead(snapshot: Snapshot, id: Id, destination: Ipv4): Lead | undefined {
  const endpoint = snapshot.endpoints.get(id);
  if (endpoint === undefined) return undefined;
  const network = networkWith(snapshot, destination);
  const place = endpoint.addresses.find(({ networkId }) => networkId === network?.id);
  if (network !== undefined && place !== undefined) {
    return { link: `ov${network.vni}`, address: place.address, network, route: subnetWith(snapshot, destination) ?? network.subnet };
  }
  const { flannel, gatewayAddress } = endpoint;
  const pods = flannel?.address == null ? undefined : { link: 'pod0', address: flannel.address, network: undefined };
  if (pods !== undefined && snapshot.flannel !== null && holds(snapshot.flannel.network, destination)) return { ...pods, route: snapshot.flannel.network };
  if (gatewayAddress !== null) return { link: 'ptl_gw', address: gatewayAddress, network: undefined, route: 'default' };
  return pods === undefined ? undefined : { ...pods, route: 'default' };
}

function hostLead(snapshot: Snapshot, { kernel }: SpaceView, destination: Ipv4): Lead | undefined {
  const { gatewaySubnet } = snapshot.cluster.settings;
  const onBridge = (link: string, subnet: string): Lead => {
    return { link, address: formatIpv4(parseCidr(subnet).first + 1), network: undefined, route: subnet };
  };
  if (holds(gatewaySubnet, destination)) return onBridge('ptl_gwbridge', gatewaySubnet);
  const lease = leaseOf(snapshot, destination);
  if (lease === undefined || lease.subnet === null) return undefined;
  const { subnet, nodeId, backendType, vni } = lease;
  if (nodeId === kernel.nodeId) return onBridge('cni0', subnet);
  const away = { address: null, network: undefined, route: subnet };
  if (backendType === 'vxlan') return { ...away, link: `flannel.${vni ?? 1}` };
  return backendType === 'udp' ? { ...away, link: 'flannel0', route: snapshot.flannel?.network ?? subnet } : { ...away, link: kernel.underlayLink ?? 'eth0' };
}

/**
 * Of an answer from an endpoint: a table of its own for packets with that source, which no rule leads to, or which says nothing. The answer
 * takes the ordinary way then.
 */
export function suspectTables(trace: Trace, view: SpaceView, destination: Ipv4): void {
  const { source } = trace.packet;
  const rule = view.known('route-rule', source);
  const what = `the answer from ${source} takes the ordinary way`;
  if (rule === undefined) {
    const ruled = new Set(view.all('route-rule').map(({ body }) => body.table));
    const isLedTo = view.all('route').every(({ body: { table } }) => table === undefined || ruled.has(table));
    if (!isLedTo) trace.suspect(lacking(view, 'route-rule', source, what));
    return;
  }
  const { table } = rule.body;
  const leads = view.all('route').some(({ body }) => body.table === table && (body.destination === 'default' || holds(body.destination, destination)));
  if (!leads) trace.suspect(lacking(view, 'route', `default@${table}`, what));
}
