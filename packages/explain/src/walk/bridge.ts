import type { Ipv4, Mac } from '@portolan/model';
import type { Thing } from '../world.js';
import type { Arrival } from './arrival.js';
import { received, transmitted } from './device.js';
import type { Link } from './link.js';
import { absent, lacking, missingLink } from './missing.js';
import { unanswered } from './missing-neighbour.js';
import { isThere, type SpaceView, spaceOf } from './space.js';
import { titleOf } from './titles.js';
import { refOf, type Trace } from './trace.js';
import { overVxlan } from './vxlan.js';

/** Where a frame is sent: a bridge and what is attached to it. */
interface Segment {
  readonly view: SpaceView;
  readonly bridge: string;
  /** The port that frames come in by; null: they are sent by the bridge itself. */
  readonly by: Link | null;
}

/** The bridge that a device reaches. */
function segmentOf(trace: Trace, view: SpaceView, link: Link): Segment {
  if (link.kind === 'bridge') return { view, bridge: link.name, by: null };
  if (link.peer === null) throw trace.ended(view, { outcome: 'unknown', reason: `it is not known where ${link.name} leads`, fix: null, object: null });
  const other = entered(trace, view, link.peer.space);
  const port = other.links.get(link.peer.name);
  if (port === undefined || port.master === null) {
    const reason = `${link.peer.name}, the other end of ${link.name}, is no port of a bridge`;
    throw trace.ended(view, {
      outcome: 'unreachable',
      reason,
      fix: 'Let the agent repair the pair.',
      object: link.thing === null ? null : refOf(view, link.thing),
    });
  }
  return { view: other, bridge: port.master, by: port };
}

/** Who answers for an address on a bridge. */
interface Answer {
  readonly mac: Mac;
  /** The port that the answer comes from; null: the bridge itself. */
  readonly port: Link | null;
  readonly thing: Thing | null;
  readonly text: string;
}

/** Asks for an address as ARP does, among what is attached: VTEPs answer for their permanent neighbours, and let nothing else out. */
function answerOf({ view, bridge, by }: Segment, address: Ipv4): Answer | undefined {
  if (by !== null && answersFor(view, bridge, address)) return { mac: '', port: null, thing: null, text: `${bridge} itself has ${address}` };
  for (const port of view.portsOf(bridge)) {
    if (port.name === by?.name || (port.isolated && by?.isolated === true)) continue;
    if (port.kind === 'vxlan') {
      const neighbour = view.known('neighbour', `${port.name}/${address}`);
      if (neighbour === undefined) continue;
      const { mac } = neighbour.body;
      return { mac, port, thing: neighbour, text: `${port.name} answers ARP for ${address}, which is on another host: ${mac}` };
    }
    if (port.peer === null || port.mac === null || !isThere(view.kernel, port.peer.space)) continue;
    const other = spaceOf(view.kernel, port.peer.space);
    if (answersFor(other, port.peer.name, address))
      return { mac: port.mac, port, thing: port.thing, text: `${address} is behind port ${port.name}: ${port.mac}` };
  }
  return undefined;
}

/** Linux answers for each of its addresses on any link, unless it is told not to. */
function answersFor(view: SpaceView, link: string, address: Ipv4): boolean {
  if (!view.isLocal(address)) return false;
  return view.sysctl(`net.ipv4.conf.${link}.arp_ignore`) !== '1' || view.addressesOn(link).some((own) => own.address === address);
}

/** Sends a packet by a device to the next hop, which a bridge leads to. */
export function bridged(trace: Trace, view: SpaceView, link: Link, nextHop: Ipv4): Arrival {
  const segment = segmentOf(trace, view, link);
  const answer = segment.view.links.has(segment.bridge) ? answerOf(segment, nextHop) : undefined;
  if (answer === undefined) throw trace.ended(view, unanswered(trace, { view: segment.view, bridge: segment.bridge, address: nextHop }), { device: link.name });
  trace.note('neighbour', view, answer.text, { device: link.name, object: answer.thing === null ? null : refOf(segment.view, answer.thing) });
  transmitted(trace, view, link);
  if (segment.by !== null) received(trace, segment.view, segment.by.name, 0);
  if (answer.port === null) {
    const isShownLate = segment.view.kernel.filtersBridged && segment.view.space === 'host';
    if (!isShownLate) received(trace, segment.view, segment.bridge);
    return { view: segment.view, link: segment.bridge, isShownLate };
  }
  return byPort(trace, segment.view, answer.port, answer.mac);
}

/** A frame leaves by a port of a bridge. */
function byPort(trace: Trace, view: SpaceView, port: Link, mac: Mac): Arrival {
  transmitted(trace, view, port, 'bridged');
  if (port.kind === 'vxlan') {
    const there = overVxlan(trace, view, port, mac);
    return fromVxlan(trace, there.view, there.link, mac);
  }
  if (port.peer === null) throw trace.ended(view, { outcome: 'unknown', reason: `it is not known where ${port.name} leads`, fix: null, object: null });
  const other = entered(trace, view, port.peer.space);
  received(trace, other, port.peer.name, 0);
  return { view: other, link: port.peer.name };
}

/** A frame that came in by a VTEP goes to the port with its MAC. */
function fromVxlan(trace: Trace, view: SpaceView, vtep: Link, mac: Mac): Arrival {
  const bridge = vtep.master ?? '';
  const { destination } = trace.packet;
  if (!view.links.has(bridge)) throw trace.ended(view, { outcome: 'unreachable', ...missingLink(view, bridge, undefined, undefined) });
  const port = view.portsOf(bridge).find((own) => own.mac === mac);
  if (port !== undefined) return byPort(trace, view, port, mac);
  const address = addressOf(mac) ?? destination;
  const end = unanswered(trace, { view, bridge, address });
  const isElsewhere = end.object?.kind === 'neighbour';
  throw trace.ended(view, isElsewhere ? { outcome: 'unreachable', ...lacking(view, 'veth', mac, `nothing on ${bridge} has the address ${mac}`) } : end);
}

/** MACs of our overlays say their address. */
function addressOf(mac: Mac): Ipv4 | undefined {
  if (!mac.startsWith('02:42:')) return undefined;
  return mac
    .slice('02:42:'.length)
    .split(':')
    .map((octet) => Number.parseInt(octet, 16))
    .join('.');
}

function entered(trace: Trace, view: SpaceView, space: SpaceView['space']): SpaceView {
  if (!isThere(view.kernel, space)) throw trace.ended(view, absent(view, space, titleOf(trace.world.snapshot, space)));
  return spaceOf(view.kernel, space);
}
