import { type Ipv4, type Snapshot, trafficOf } from '@portolan/model';
import { subnetWith } from './holders.js';
import { holds, shownMark } from './range.js';
import type { Known, SpaceView } from './space.js';
import { type Candidate, lack, refOf, soughtRef, type Trace } from './trace.js';

/** These schedulers of IPVS take turns, or count connections, whatever the weights are; only weight 0 is nobody's turn. */
const evenSchedulers: ReadonlySet<string> = new Set(['rr', 'lc']);

export function isBalancer({ space }: SpaceView): boolean {
  return space.startsWith('own:lb_') || space === 'own:ingress_sbox';
}

/** By the mark of the packet; undefined where no balancing has to do with it. */
export function virtualServerOf(trace: Trace, view: SpaceView): Known<'virtual-server'> | undefined {
  const { mark, destination, destinationPort, transport } = trace.packet;
  // IPVS knows no echo requests: the namespace itself answers for its VIPs.
  if (!isBalancer(view) || transport === 'icmp') return undefined;
  const server = view.known('virtual-server', String(mark));
  if (server !== undefined) return server;
  const isVip = view.addresses.some(({ address, prefixLength }) => address === destination && prefixLength === 32);
  const isSandbox = view.space === 'own:ingress_sbox';
  if (mark === 0 && !isVip && !isSandbox) {
    throw trace.ended(view, {
      outcome: 'unreachable',
      reason: `nobody listens at ${destination}, the load balancer's own address`,
      fix: 'Dial the VIP.',
      object: null,
    });
  }
  const [kind, identity] =
    mark !== 0
      ? (['virtual-server', String(mark)] as const)
      : (['mark', isVip ? `input/${destination}` : `prerouting/${transport}/${destinationPort}`] as const);
  throw trace.ended(view, {
    outcome: 'unreachable',
    reason: `${mark === 0 ? 'nothing marks the packet, so no' : 'no'} virtual server takes it: the ${kind} ${lack(view, kind, identity)}`,
    fix: 'Let the agent repair the load balancer.',
    object: soughtRef(view, kind, identity),
  });
}

/** Gives the packet to a real server: the address to which its frame goes. */
export function balanced(trace: Trace, view: SpaceView, server: Known<'virtual-server'>): Ipv4 {
  const { mark, scheduler } = server.body;
  trace.note('virtual-server', view, `virtual server of mark ${shownMark(mark)}, scheduler ${scheduler}`, { object: refOf(view, server) });
  const usable = view.realServersOf(mark).filter(({ body }) => body.weight > 0);
  const weightOf = ({ body }: Known<'real-server'>): number => (evenSchedulers.has(scheduler) ? 1 : body.weight);
  const weights = usable.reduce((sum, own) => sum + weightOf(own), 0);
  if (usable.length === 0) {
    const wanted = backendOf(trace.world.snapshot, view, mark);
    throw trace.ended(view, {
      outcome: 'no-backend',
      reason: `the virtual server of mark ${shownMark(mark)} has no real server that takes connections`,
      fix: wanted === undefined ? 'Start an endpoint of the service, or see why none of them is there and healthy.' : 'Let the agent repair the load balancer.',
      object: wanted === undefined ? refOf(view, server) : soughtRef(view, 'real-server', `${mark}/${wanted}`),
    });
  }
  const chosen = trace.choose(usable.map((own): Candidate => ({ address: own.body.address, share: weightOf(own) / weights })));
  const real = usable.find(({ body }) => body.address === chosen);
  if (real === undefined) {
    const identity = `${mark}/${chosen}`;
    const why = view.known('real-server', identity) === undefined ? lack(view, 'real-server', identity) : 'has weight 0';
    throw trace.ended(view, {
      outcome: 'no-backend',
      reason: `${chosen} is sent no new connections: its real server of mark ${shownMark(mark)} ${why}`,
      fix: 'See why the endpoint is not there, not healthy, or draining.',
      object: soughtRef(view, 'real-server', identity),
    });
  }
  const { address, weight, forwarding } = real.body;
  const after = { ...trace.packet, ttl: trace.packet.ttl - 1, ...(forwarding === 'direct' ? {} : { destination: address }) };
  const how = forwarding === 'direct' ? 'only the frame is sent there (direct server return)' : 'its address instead of the VIP';
  trace.note('real-server', view, `real server ${address}, weight ${weight}, one of ${usable.length}: ${how}`, { object: refOf(view, real), after });
  return address;
}

/** Address of an endpoint that should be a real server of the mark and take connections. */
function backendOf(snapshot: Snapshot, view: SpaceView, mark: number): Ipv4 | undefined {
  for (const service of snapshot.services.values()) {
    const place = service.networks.find((own) => own.mark === mark || own.localMark === mark);
    if (place === undefined) continue;
    for (const endpoint of snapshot.endpoints.values()) {
      const node = snapshot.nodes.get(endpoint.nodeId);
      const isElsewhere = place.localMark === mark && endpoint.nodeId !== view.kernel.nodeId;
      if (endpoint.serviceId !== service.id || node === undefined || isElsewhere || endpoint.weight === 0) continue;
      const address = endpoint.addresses.find(({ networkId }) => networkId === place.networkId)?.address;
      if (address !== undefined && trafficOf(endpoint, service, node) === 'all') return address;
    }
  }
  return undefined;
}

/** The load balancer's own address as source, so that the answer comes back to it, unless the client's is kept. */
export function sourceRewritten(trace: Trace, view: SpaceView): void {
  const { mark, destination } = trace.packet;
  const real = view.known('real-server', `${mark}/${destination}`);
  if (real?.body.forwarding !== 'masquerade') return;
  const kept = view.known('source-kept', String(mark));
  if (kept !== undefined) {
    trace.rule('accept', view, kept, `mark ${shownMark(mark)}: the client's address is kept`);
    return;
  }
  const rewrite = view.all('source-rewrite').find(({ body }) => holds(body.destination, destination));
  // Without it IPVS hides its connections from the nat table.
  const setting = 'net.ipv4.vs.conntrack';
  if (rewrite !== undefined && view.sysctl(setting) === '1') {
    const { source } = rewrite.body;
    trace.rule('snat', view, rewrite, `the answer has to come back to this load balancer: from ${source}`, { source });
    return;
  }
  const subnet = subnetWith(trace.world.snapshot, destination) ?? '';
  const [kind, identity] = rewrite === undefined ? (['source-rewrite', subnet] as const) : (['sysctl', setting] as const);
  trace.suspect({
    reason: `the client's address is not replaced by the load balancer's, so the answer goes past it: the ${kind} ${lack(view, kind, identity)}`,
    fix: 'Let the agent repair the load balancer.',
    object: soughtRef(view, kind, identity),
  });
}
