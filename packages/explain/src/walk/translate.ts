import type { Link } from './link.js';
import { holds, shownMark } from './range.js';
import type { SpaceView } from './space.js';
import { lack, soughtRef, type Trace } from './trace.js';

/** What happens to the first packet of a connection before it is routed: the mark by a published port, and its translation. */
export function translatedOnEntry(trace: Trace, view: SpaceView, link: Link | undefined): void {
  const { destinationPort, transport } = trace.packet;
  const mark = view.known('mark', `prerouting/${transport}/${destinationPort}`);
  if (mark !== undefined) {
    trace.rule('mark', view, mark, `to ${transport} port ${destinationPort}: mark ${shownMark(mark.body.mark)}`, { mark: mark.body.mark });
  }
  if (view.space === 'host') forwardedPort(trace, view, 'prerouting', link?.name ?? null);
  else if (view.space.startsWith('endpoint:')) redirectedPort(trace, view);
}

/** On a host: a published port of its own addresses leads elsewhere. `by`: the interface that it came in by; null: from the host itself. */
export function forwardedPort(trace: Trace, view: SpaceView, stage: 'prerouting' | 'output', by: string | null): void {
  const { destination, destinationPort, transport } = trace.packet;
  const thing = view.known('port-forward', `${transport}/${destinationPort}`);
  if (thing === undefined || !view.isLocal(destination) || !view.visits('nat', stage)) return;
  const { to, toPort, addresses, interfaces } = thing.body;
  if (addresses !== undefined && !addresses.some((own) => holds(own, destination))) return;
  if (interfaces !== undefined && (by === null || !interfaces.includes(by))) return;
  trace.rule('dnat', view, thing, `published port ${destinationPort}/${transport}: to ${to}:${toPort}`, { destination: to, destinationPort: toPort });
}

function redirectedPort(trace: Trace, view: SpaceView): void {
  const { destination, destinationPort, transport } = trace.packet;
  const identity = `${destination}/${transport}/${destinationPort}`;
  const thing = view.known('port-redirect', identity);
  const isVisited = view.visits('nat', 'prerouting');
  if (thing !== undefined && isVisited) {
    const { toPort } = thing.body;
    trace.rule('dnat', view, thing, `published port ${destinationPort}: to ${toPort}, at which the program listens`, { destinationPort: toPort });
    return;
  }
  const target = targetOf(trace, view);
  if (target === undefined || target === destinationPort) return;
  const [kind, sought] = thing === undefined ? (['port-redirect', identity] as const) : (['rule-entry', 'nat/prerouting'] as const);
  throw trace.ended(view, {
    outcome: 'unreachable',
    reason: `nothing leads the published port ${destinationPort} to ${target}, at which the program listens: the ${kind} ${lack(view, kind, sought)}`,
    fix: 'Let the agent repair the rules of the endpoint.',
    object: soughtRef(view, kind, sought),
  });
}

/** The port at which the program listens, of a published port that the packet came by to the endpoint's ingress address. */
function targetOf({ world: { snapshot }, packet }: Trace, view: SpaceView): number | undefined {
  const endpoint = snapshot.endpoints.get(view.space.slice('endpoint:'.length));
  const service = endpoint?.serviceId == null ? undefined : snapshot.services.get(endpoint.serviceId);
  const isIngress = endpoint?.addresses.some(({ networkId, address }) => address === packet.destination && snapshot.networks.get(networkId)?.ingress === true);
  if (isIngress !== true) return undefined;
  const matches = service?.ports.filter(({ mode, protocol }) => mode === 'ingress' && protocol === packet.transport) ?? [];
  if (matches.some(({ target }) => target === packet.destinationPort)) return undefined;
  return matches.find(({ published }) => published === packet.destinationPort)?.target;
}

/** On a host: what leaves it gets an address by which the answer comes back. `translated`: its destination was changed here. */
export function masqueraded(trace: Trace, view: SpaceView, link: string, isLocal: boolean, translated: boolean): void {
  const { source, destination } = trace.packet;
  const own = view.addressesOn(link)[0]?.address;
  if (own === undefined) return;
  const isVisited = view.visits('nat', 'postrouting');
  const policy = view
    .all('gateway-policy')
    .find(({ body: { link: bridge, subnet } }) => (link === bridge ? isLocal || (holds(subnet, source) && translated) : holds(subnet, source)));
  const pods = view.all('pod-masquerade').find(({ body: { network, subnet } }) => {
    const [fromNetwork, toNetwork] = [holds(network, source), holds(network, destination)];
    if ((holds(subnet, source) && toNetwork) || holds(subnet, destination)) return false;
    return fromNetwork || toNetwork;
  });
  const thing = policy ?? pods;
  if (thing === undefined || !isVisited) {
    suspectUnmasked(trace, view, link, thing === undefined, translated);
    return;
  }
  if (source === own) return;
  const text =
    policy !== undefined ? `the answer has to come back by this host: from ${own}` : `it leaves flannel's network, or enters it from elsewhere: from ${own}`;
  trace.rule('masquerade', view, thing, text, { source: own });
}

/** A source that nobody beyond this host can answer goes out as it is. */
function suspectUnmasked(trace: Trace, view: SpaceView, link: string, hasNoRule: boolean, translated: boolean): void {
  const { source, destination } = trace.packet;
  const { flannel, cluster } = trace.world.snapshot;
  const { gatewaySubnet } = cluster.settings;
  const isPod = flannel?.masquerade === true && holds(flannel.network, source) && !holds(flannel.network, destination);
  const isToBridge = view.addressesOn(link).some(({ address }) => holds(gatewaySubnet, address));
  const isBehindBridge = holds(gatewaySubnet, source) && !view.isLocal(source) && (translated || !isToBridge);
  const isLoopback = source.startsWith('127.');
  if (!isPod && !isBehindBridge && !isLoopback) return;
  const bridge = view.addresses.find(({ address }) => holds(gatewaySubnet, address))?.link ?? link;
  const [kind, sought] = hasNoRule
    ? isPod && flannel !== null
      ? (['pod-masquerade', flannel.network] as const)
      : (['gateway-policy', bridge] as const)
    : (['rule-entry', 'nat/postrouting'] as const);
  trace.suspect({
    reason: `${source} leaves the host as it is, and nobody beyond can answer it: the ${kind} ${lack(view, kind, sought)}`,
    fix: 'Let the agent repair the rules of the host.',
    object: soughtRef(view, kind, sought),
  });
}
