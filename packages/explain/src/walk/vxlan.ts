import type { Mac } from '@portolan/model';
import type { Space } from '@portolan/node-state';
import type { HostKernel } from '../world.js';
import { received } from './device.js';
import type { Link } from './link.js';
import { missingLink } from './missing.js';
import { type SpaceView, spaceOf } from './space.js';
import { lack, refOf, soughtRef, type Trace } from './trace.js';
import { carried } from './underlay.js';

/** Of VXLAN over IPv4: the headers of IP, UDP and VXLAN, and that of the frame inside. In bytes. */
const OVERHEAD = 50;
/** What Linux gives a packet of its own. */
export const OWN_TTL = 64;

/** A VTEP that has taken a frame out of its outer packet. */
export interface Reached {
  readonly view: SpaceView;
  readonly link: Link;
}

/** A frame to a MAC by a VTEP to the host that its forwarding entry names. */
export function overVxlan(trace: Trace, view: SpaceView, link: Link, mac: Mac): Reached {
  const { name, thing } = link;
  const identity = `${name}/${mac}`;
  const entry = view.known('fdb', identity);
  if (thing?.body?.kind !== 'vxlan' && thing?.body?.kind !== 'flannel-vtep') {
    throw trace.ended(view, { outcome: 'unknown', reason: `it is not known what ${name} is`, fix: null, object: null });
  }
  if (entry === undefined) {
    const reason = `${name} does not know which host has ${mac}: the forwarding entry ${lack(view, 'fdb', identity)}`;
    throw trace.ended(view, { outcome: 'unreachable', reason, fix: 'Let the agent repair it.', object: soughtRef(view, 'fdb', identity) }, { device: name });
  }
  const { body } = thing;
  const { vtep } = entry.body;
  trace.note('fdb', view, `${mac} is on the host ${vtep}`, { device: name, object: refOf(view, entry) });
  const source = body.kind === 'flannel-vtep' ? body.local : view.kernel.address;
  const { vni, port } = body;
  trace.note('encapsulate', view, `in UDP to ${vtep}:${port}, VNI ${vni}`, {
    device: name,
    object: refOf(view, thing),
    after: { ...trace.packet, mark: 0, outer: { kind: 'vxlan', source, destination: vtep, port, vni, overhead: OVERHEAD, ttl: OWN_TTL } },
  });
  const peer = carried(trace, spaceOf(view.kernel, 'host'), { view, thing }, refOf(view, entry));
  return taken(trace, peer, view, link, vni, port);
}

function taken(trace: Trace, host: SpaceView, sender: SpaceView, sent: Link, vni: number, port: number): Reached {
  const found = vtepOf(host.kernel, vni, port);
  if (found === undefined) {
    const wanted = spaceOf(host.kernel, sender.space);
    const sought = missingLink(wanted, sent.name, undefined, undefined);
    throw trace.ended(host, {
      outcome: 'unreachable',
      ...sought,
      reason: `${host.kernel.node} has no VTEP of VNI ${vni} at UDP port ${port}: ${sought.reason}`,
    });
  }
  trace.note('decapsulate', found.view, `taken out of UDP, VNI ${vni}`, {
    device: found.link.name,
    object: found.link.thing === null ? null : refOf(found.view, found.link.thing),
    after: { ...trace.packet, outer: null },
  });
  received(trace, found.view, found.link.name);
  return found;
}

/** VTEPs have their sockets in the host's namespace, wherever they are. */
function vtepOf(kernel: HostKernel, vni: number, port: number): Reached | undefined {
  const known = vteps.get(kernel) ?? vtepsOf(kernel);
  vteps.set(kernel, known);
  const at = known.get(`${vni}/${port}`);
  if (at === undefined) return undefined;
  const view = spaceOf(kernel, at.space);
  const link = view.links.get(at.name);
  return link === undefined ? undefined : { view, link };
}

interface Vtep {
  readonly space: Space;
  readonly name: string;
}

const vteps = new WeakMap<HostKernel, ReadonlyMap<string, Vtep>>();

/** By VNI and UDP port. */
function vtepsOf({ things }: HostKernel): ReadonlyMap<string, Vtep> {
  return new Map(
    things.flatMap(({ space, body }) =>
      body?.kind === 'vxlan' || body?.kind === 'flannel-vtep' ? [[`${body.vni}/${body.port}`, { space, name: body.name }] as const] : [],
    ),
  );
}
