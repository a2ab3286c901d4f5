import type { Thing } from '../world.js';
import type { Link } from './link.js';
import type { SpaceView } from './space.js';
import { refOf, type Trace } from './trace.js';

/**
 * Which devices show a packet to a capture that is not promiscuous (`tcpdump -p -i DEVICE` in the device's namespace):
 *
 * - a veth pair: its near end as transmitted, its far end as received, also where an end is a port of a bridge
 * - a bridge: what is delivered to its own IP stack, as received, behind its port; what that sends, as transmitted, before its port; never
 *   what it only forwards between its ports; on a host with br_netfilter what it delivers has its addresses translated already
 * - a VTEP (vxlan0, flannel.1): the inner packet; the outer one is on the interface to the underlay
 * - the TUN device of the relay: the inner packet
 * - lo: each packet once, as received
 */
export function transmitted(trace: Trace, view: SpaceView, link: Link, how: 'by-stack' | 'bridged' = 'by-stack'): void {
  const { size, df } = trace.packet;
  // IP cuts a packet in pieces where it may; a bridge cannot.
  if (link.mtu !== null && size > link.mtu && (df || how === 'bridged')) throw tooBig(trace, view, link, link.mtu, link.thing);
  const pieces = link.mtu !== null && size > link.mtu;
  trace.note('transmit', view, `out by ${link.name}${pieces ? `, in pieces of ${link.mtu} bytes at most` : ''}`, {
    device: link.name,
    // The largest of them is walked on.
    after: pieces ? { ...trace.packet, size: link.mtu } : trace.packet,
  });
}

/** `mark`: what of the packet's mark is left, which does not leave its namespace. */
export function received(trace: Trace, view: SpaceView, device: string, mark: number = trace.packet.mark): void {
  trace.note('receive', view, `in by ${device}`, { device, after: { ...trace.packet, mark } });
}

/** `room`: bytes of IP packet that fit. */
export function tooBig(trace: Trace, view: SpaceView, { name, mtu }: Pick<Link, 'name' | 'mtu'>, room: number, thing: Thing | null, by: SpaceView = view) {
  const { size, df } = trace.packet;
  return trace.ended(
    view,
    {
      outcome: 'too-big',
      reason: `${size} bytes do not fit through ${name} of MTU ${mtu}, which has room for ${room}${df ? ', and the packet may not be fragmented' : ''}`,
      fix: `Send packets of ${room} bytes at most, or set the MTU of the network to what the hosts between can carry.`,
      object: thing === null ? null : refOf(by, thing),
    },
    { device: name },
  );
}
