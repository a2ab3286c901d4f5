import type { Ipv4 } from '@portolan/model';
import type { Arrival } from './arrival.js';
import { received, transmitted } from './device.js';
import { leaseOf } from './holders.js';
import type { Link } from './link.js';
import { lacking, missingLink } from './missing.js';
import { holds } from './range.js';
import { type SpaceView, spaceOf } from './space.js';
import { lack, refOf, soughtRef, type Trace } from './trace.js';
import { carried } from './underlay.js';
import { OWN_TTL, overVxlan } from './vxlan.js';

/** Of the relay: the headers of IP and UDP, in bytes. */
const RELAY_OVERHEAD = 28;

/** By flannel's VTEP on the host: it asks nobody, so the next hop has to be a neighbour. */
export function byFlannelVtep(trace: Trace, view: SpaceView, link: Link, nextHop: Ipv4): Arrival {
  const identity = `${link.name}/${nextHop}`;
  const neighbour = view.known('neighbour', identity);
  if (neighbour === undefined) {
    throw trace.ended(
      view,
      { outcome: 'unreachable', ...lacking(view, 'neighbour', identity, `nobody answers for ${nextHop} on ${link.name}`) },
      { device: link.name },
    );
  }
  const { mac } = neighbour.body;
  trace.note('neighbour', view, `${nextHop} has ${mac}`, { device: link.name, object: refOf(view, neighbour) });
  transmitted(trace, view, link);
  const there = overVxlan(trace, view, link, mac);
  const body = there.link.thing?.body;
  if (body?.kind !== 'flannel-vtep' || body.mac !== mac) {
    const reason = `${there.link.name} of ${there.view.kernel.node} has another MAC than ${mac}, so it takes no frame to that`;
    throw trace.ended(there.view, { outcome: 'unreachable', reason, fix: 'Let the agent repair the neighbour.', object: refOf(view, neighbour) });
  }
  return { view: there.view, link: there.link.name };
}

/** By the TUN device of the udp backend: a program carries the packet, and takes one from its TTL on either side. */
export function byRelay(trace: Trace, view: SpaceView, link: Link): Arrival {
  const { destination } = trace.packet;
  const relay = link.thing;
  if (relay?.body?.kind !== 'udp-relay')
    throw trace.ended(view, { outcome: 'unknown', reason: `it is not known what ${link.name} is`, fix: null, object: null });
  transmitted(trace, view, link);
  const peers = view.all('udp-relay-peer').filter(({ body }) => body.relay === link.name && holds(body.subnet, destination));
  const peer = peers.toSorted((a, b) => Number(b.body.subnet.split('/')[1]) - Number(a.body.subnet.split('/')[1]))[0];
  if (peer === undefined) {
    const subnet = leaseOf(trace.world.snapshot, destination)?.subnet ?? null;
    const identity = `${link.name}/${subnet}`;
    const object = subnet === null ? refOf(view, relay) : soughtRef(view, 'udp-relay-peer', identity);
    const reason =
      subnet === null
        ? `nobody has a subnet with ${destination}`
        : `the relay does not know the host of ${subnet}: its peer ${lack(view, 'udp-relay-peer', identity)}`;
    throw trace.ended(view, { outcome: 'unreachable', reason, fix: subnet === null ? null : 'Let the agent repair it.', object }, { device: link.name });
  }
  const { local, port } = relay.body;
  const { host } = peer.body;
  trace.note('encapsulate', view, `${destination} is on the host ${host}: in UDP to ${host}:${port}`, {
    device: link.name,
    object: refOf(view, peer),
    after: {
      ...trace.packet,
      ttl: trace.packet.ttl - 1,
      mark: 0,
      outer: { kind: 'relay', source: local, destination: host, port, vni: null, overhead: RELAY_OVERHEAD, ttl: OWN_TTL },
    },
  });
  const there = carried(trace, spaceOf(view.kernel, 'host'), { view, thing: relay }, refOf(view, peer));
  const taker = there.all('udp-relay').find(({ body }) => body.port === port);
  if (taker === undefined) throw trace.ended(there, { outcome: 'unreachable', ...missingLink(there, link.name, undefined, undefined) });
  trace.note('decapsulate', there, 'the relay takes it out of UDP', {
    device: taker.body.name,
    object: refOf(there, taker),
    after: { ...trace.packet, ttl: trace.packet.ttl - 1, outer: null },
  });
  received(trace, there, taker.body.name);
  return { view: there, link: taker.body.name };
}
