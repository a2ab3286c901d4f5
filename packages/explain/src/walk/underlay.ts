import type { Ipv4 } from '@portolan/model';
import type { ObjectRef } from '../explanation.js';
import type { Thing } from '../world.js';
import type { Delivered } from './arrival.js';
import { tooBig, transmitted } from './device.js';
import { pastForeignRules } from './foreign.js';
import { isInside, leaseOf, nodeAt } from './holders.js';
import { type SpaceView, spaceOf } from './space.js';
import { underlay } from './titles.js';
import type { Trace } from './trace.js';

/** What puts an outer packet around the packet. */
export interface Carrier {
  readonly view: SpaceView;
  readonly thing: Thing;
}

/** The outer packet leaves the host to the one at `outer.destination`, and comes in there. `by`: the device that has encapsulated it. `leader`: what led it there. */
export function carried(trace: Trace, host: SpaceView, by: Carrier, leader: ObjectRef): SpaceView {
  const { outer, size, df } = trace.packet;
  const link = host.underlay;
  if (outer === null || link === undefined)
    throw trace.ended(host, { outcome: 'unknown', reason: 'the host has no interface to the underlay', fix: null, object: null });
  pastForeignRules(trace, host, 'output', { to: link.name });
  pastForeignRules(trace, host, 'postrouting', { to: link.name });
  fits(trace, host, host, by);
  trace.note('transmit', host, `out by ${link.name} to ${outer.destination}`, { device: link.name });
  const node = nodeAt(trace.world.snapshot, outer.destination);
  if (node === undefined) {
    const isForeign = [...trace.world.snapshot.flannelLeases.values()].some(
      ({ publicAddress, nodeId }) => publicAddress === outer.destination && nodeId === null,
    );
    throw trace.ended(
      null,
      isForeign
        ? { outcome: 'unknown', reason: `${outer.destination} is a host that is not ours: nothing is known of it`, fix: null, object: leader }
        : { outcome: 'unreachable', reason: `no host has the address ${outer.destination}`, fix: 'Let the agent repair the entry.', object: leader },
      { place: underlay },
    );
  }
  const peer = arrived(trace, node.name, leader);
  const at = peer.underlay;
  if (df && at !== undefined && at.mtu !== null && size + outer.overhead > at.mtu) throw tooBig(trace, peer, at, at.mtu - outer.overhead, by.thing, by.view);
  pastForeignRules(trace, peer, 'prerouting', { from: at?.name });
  pastForeignRules(trace, peer, 'input', { from: at?.name });
  return peer;
}

/** Only what may not be fragmented has to fit: the outer packet may be. */
function fits(trace: Trace, view: SpaceView, host: SpaceView, by: Carrier): void {
  const { outer, size, df } = trace.packet;
  const link = host.underlay;
  if (!df || outer === null || link === undefined || link.mtu === null || size + outer.overhead <= link.mtu) return;
  throw tooBig(trace, view, link, link.mtu - outer.overhead, by.thing, by.view);
}

/** A packet as it is leaves a host for another, or for outside. */
export function crossed(trace: Trace, host: SpaceView, nextHop: Ipv4, leader: ObjectRef | null): SpaceView | Delivered {
  const link = host.underlay;
  if (link !== undefined) transmitted(trace, host, link);
  const node = nodeAt(trace.world.snapshot, nextHop);
  if (node !== undefined) return arrived(trace, node.name, leader);
  return deliveredOutside(trace, nextHop);
}

/** Nobody out there has addresses of the cluster. */
export function deliveredOutside(trace: Trace, address: Ipv4): Delivered {
  const { snapshot } = trace.world;
  if (isInside(snapshot, address)) {
    throw trace.ended(
      null,
      { outcome: 'unreachable', reason: `${address} is an address within the cluster: nobody outside has it`, fix: null, object: null },
      { place: underlay },
    );
  }
  if (leaseOf(snapshot, trace.packet.destination) !== undefined) {
    throw trace.ended(
      null,
      { outcome: 'unknown', reason: `${address} is a host that is not ours: nothing is known of it`, fix: null, object: null },
      { place: underlay },
    );
  }
  const to = `outside ${address}`;
  trace.note('deliver', null, `${to} gets it`);
  return { view: null, to };
}

/** A packet comes in at a host by its interface to the underlay. */
export function arrived(trace: Trace, name: string, leader: ObjectRef | null): SpaceView {
  const kernel = trace.world.host(name);
  if (kernel === undefined) {
    throw trace.ended(
      null,
      { outcome: 'unknown', reason: `host ${name} has never reported: nothing is known of it`, fix: `Start the agent of ${name}.`, object: leader },
      { place: underlay },
    );
  }
  if (kernel.unreachable) {
    throw trace.ended(
      null,
      { outcome: 'unreachable', reason: `host ${name} does not answer`, fix: `Bring ${name} back, or remove it.`, object: leader },
      { place: underlay },
    );
  }
  const host = spaceOf(kernel, 'host');
  const device = host.underlay?.name ?? null;
  trace.note('receive', host, `in by ${device}`, { device, after: { ...trace.packet, mark: 0 } });
  return host;
}
