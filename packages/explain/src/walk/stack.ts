import type { Ipv4 } from '@portolan/model';
import type { Arrival, Progress } from './arrival.js';
import { balanced, isBalancer, sourceRewritten, virtualServerOf } from './balance.js';
import { bridged } from './bridge.js';
import { entered, left, type Pass } from './connections.js';
import { received as seen } from './device.js';
import { forwardFilter, inputFilter, outputFilter } from './filter.js';
import { byFlannelVtep, byRelay } from './flannel.js';
import { pastForeignRules } from './foreign.js';
import { nobodyListens } from './listen.js';
import { lacking } from './missing.js';
import { shownMark } from './range.js';
import { type Route, routed } from './route.js';
import type { SpaceView } from './space.js';
import { titleOf } from './titles.js';
import { refOf, type Trace } from './trace.js';
import { forwardedPort, masqueraded, translatedOnEntry } from './translate.js';
import { endOf } from './tuple.js';
import { crossed } from './underlay.js';

/** A packet of a process in a namespace. */
export function sent(trace: Trace, view: SpaceView): Progress {
  const { source, destination, sourcePort, destinationPort, transport } = trace.packet;
  const what = trace.isReply ? 'answers' : 'sends';
  trace.note(
    'send',
    view,
    `${titleOf(trace.world.snapshot, view.space)} ${what} from ${endOf(source, sourcePort)} to ${endOf(destination, destinationPort)}/${transport}`,
  );
  const pass = entered(trace, view);
  if (!trace.isReply && view.space === 'host') forwardedPort(trace, view, 'output', null);
  outputFilter(trace, view, pass.known !== null);
  if (view.isLocal(trace.packet.destination)) {
    trace.note('route', view, `${trace.packet.destination} is its own address`, { device: 'lo' });
    pastForeignRules(trace, view, 'output', { to: 'lo' });
    seen(trace, view, 'lo');
    return accepted(trace, view, pass, 'lo');
  }
  const route = routed(trace, view);
  pastForeignRules(trace, view, 'output', { to: route.link });
  return leaving(trace, view, pass, route, { isLocal: true, isBalanced: false });
}

/** The IP stack of a namespace gets what a device of its has received. */
export function received(trace: Trace, { view, link, isShownLate = false }: Arrival): Progress {
  pastForeignRules(trace, view, 'prerouting', { from: link });
  if (trace.packet.source.startsWith('127.')) {
    const reason = `nobody takes a packet from ${trace.packet.source} off the wire`;
    throw trace.ended(view, {
      outcome: 'dropped',
      reason,
      fix: 'Let the agent repair the rules of the host that sends it.',
      object: null,
      ...trace.suspects[0],
    });
  }
  const pass = entered(trace, view);
  if (!trace.isReply) translatedOnEntry(trace, view, view.links.get(link));
  if (isShownLate) seen(trace, view, link);
  if (view.isLocal(trace.packet.destination)) return accepted(trace, view, pass, link);
  return forwarded(trace, view, pass, link);
}

/** Local delivery, or the way to a real server. */
function accepted(trace: Trace, view: SpaceView, pass: Pass, link: string): Progress {
  pastForeignRules(trace, view, 'input', { from: link });
  const { snapshot } = trace.world;
  if (!trace.isReply) {
    inputFilter(trace, view);
    const mark = view.known('mark', `input/${trace.packet.destination}`);
    if (mark !== undefined)
      trace.rule('mark', view, mark, `to the VIP ${trace.packet.destination}: mark ${shownMark(mark.body.mark)}`, { mark: mark.body.mark });
    const server = virtualServerOf(trace, view);
    if (server !== undefined) {
      const nextHop = balanced(trace, view, server);
      return leaving(trace, view, pass, routed(trace, view, nextHop), { isLocal: false, isBalanced: true, nextHop });
    }
    const end = view.space === 'host' ? nobodyListens(trace, view, link) : undefined;
    if (end !== undefined) throw trace.ended(view, end);
  }
  left(trace, view, pass);
  const title = titleOf(snapshot, view.space);
  const to = view.space === 'host' ? `host ${view.kernel.node}` : title;
  const { destination, destinationPort, transport } = trace.packet;
  trace.note('deliver', view, `${to} gets it at ${endOf(destination, destinationPort)}/${transport}${isBalancer(view) ? ', by the kernel itself' : ''}`, {
    device: link,
  });
  return { view, to };
}

function forwarded(trace: Trace, view: SpaceView, pass: Pass, from: string): Progress {
  const { destination, ttl } = trace.packet;
  const title = titleOf(trace.world.snapshot, view.space);
  if (view.space.startsWith('endpoint:')) {
    const identity = `${trace.packet.mark === 0 && isVip(trace, destination) ? 'lo' : from}/${destination}`;
    throw trace.ended(view, { outcome: 'unreachable', ...lacking(view, 'address', identity, `${title} does not have the address ${destination}`) });
  }
  if (view.sysctl('net.ipv4.ip_forward') !== '1') {
    throw trace.ended(view, {
      outcome: 'unreachable',
      ...lacking(view, 'sysctl', 'net.ipv4.ip_forward', `${title} does not send on what is for ${destination}`),
    });
  }
  if (ttl <= 1) throw trace.ended(view, { outcome: 'unreachable', reason: 'its time to live is over: it goes in a circle', fix: null, object: null });
  const route = routed(trace, view, destination, ttl - 1);
  pastForeignRules(trace, view, 'forward', { from, to: route.link });
  const translated = trace.isReply
    ? isTranslated(pass)
    : destination !== pass.original.destination || trace.packet.destinationPort !== pass.original.destinationPort;
  forwardFilter(trace, view, { from, to: route.link, translated, established: pass.known !== null });
  return leaving(trace, view, pass, route, { isLocal: false, isBalanced: false });
}

function isTranslated({ known }: Pass): boolean {
  return known !== null && known.original.destination !== known.translated.destination;
}

function isVip({ world: { snapshot } }: Trace, address: Ipv4): boolean {
  return [...snapshot.services.values()].some(({ networks }) => networks.some((place) => place.address === address));
}

interface Leaving {
  /** Sent by a process here. */
  readonly isLocal: boolean;
  readonly isBalanced: boolean;
  /** Where the frame goes, whatever the destination is. */
  readonly nextHop?: Ipv4;
}

/** The last rules, and out by a device. */
function leaving(trace: Trace, view: SpaceView, pass: Pass, route: Route, { isLocal, isBalanced, nextHop }: Leaving): Progress {
  const { link: name, via, thing } = route;
  const { source, destination, destinationPort } = trace.packet;
  const setting = `net.ipv4.conf.${name}.route_localnet`;
  if (source.startsWith('127.') && view.sysctl(setting) !== '1') {
    throw trace.ended(view, { outcome: 'unreachable', ...lacking(view, 'sysctl', setting, `from ${source} nothing leaves the host`) }, { device: name });
  }
  pastForeignRules(trace, view, 'postrouting', { to: name });
  if (!trace.isReply && isBalanced) sourceRewritten(trace, view);
  if (!trace.isReply && view.space === 'host') {
    const { original } = pass;
    masqueraded(trace, view, name, isLocal || view.isLocal(source), destination !== original.destination || destinationPort !== original.destinationPort);
  }
  left(trace, view, pass);
  const link = view.links.get(name);
  const next = via ?? nextHop ?? destination;
  if (link === undefined) throw trace.ended(view, { outcome: 'unreachable', reason: `there is no ${name}`, fix: null, object: null });
  switch (link.kind) {
    case 'underlay': {
      const there = crossed(trace, view, next, thing === null ? null : refOf(view, thing));
      return 'to' in there ? there : { view: there, link: there.underlay?.name ?? '' };
    }
    case 'relay':
      return byRelay(trace, view, link);
    case 'vtep':
      return byFlannelVtep(trace, view, link, next);
    default:
      return bridged(trace, view, link, next);
  }
}
