import { type Cidr, formatIpv4, type Ipv4, ipv4Value, type Mac } from '@portolan/model';
import type { ObjectBody, Space } from '@portolan/node-state';
import type { Thing } from '../world.js';

/** A network device of one namespace. */
export interface Link {
  readonly name: string;
  readonly kind: 'veth' | 'bridge' | 'vxlan' | 'vtep' | 'relay' | 'underlay';
  /** Bytes of an IP packet; null: not known. */
  readonly mtu: number | null;
  /** Bridge that it is a port of. */
  readonly master: string | null;
  readonly isolated: boolean;
  /** The other end of a veth. */
  readonly peer: { readonly space: Space; readonly name: string } | null;
  /** MAC at the other end; null where that is not known. */
  readonly mac: Mac | null;
  /** null: the host's own interface to the underlay. */
  readonly thing: Thing | null;
}

export interface Address {
  readonly link: string;
  readonly address: Ipv4;
  readonly first: number;
  readonly last: number;
  readonly prefixLength: number;
  /** Its subnet. */
  readonly cidr: string;
  readonly thing: Thing | null;
}

/** The subnet that an address with a prefix is in. */
export function subnetOf(address: Ipv4, prefixLength: number): Cidr {
  const mask = prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
  return `${formatIpv4(((ipv4Value(address) ?? 0) & mask) >>> 0)}/${prefixLength}`;
}

/** The device that an object is in a namespace; a pair is one in both of its namespaces. */
export function linkOf(space: Space, thing: Thing, body: ObjectBody): Link | undefined {
  const plain = { master: null, isolated: false, peer: null, mac: null, thing };
  if (body.kind === 'veth') {
    const { name, mtu, master = null, isolated = false, peer } = body;
    if (thing.space === space) return { name, kind: 'veth', mtu, master, isolated, peer: { space: peer.space, name: peer.name }, mac: peer.mac, thing };
    if (peer.space === space)
      return { name: peer.name, kind: 'veth', mtu, master: null, isolated: false, peer: { space: thing.space, name }, mac: null, thing };
    return undefined;
  }
  if (thing.space !== space) return undefined;
  switch (body.kind) {
    case 'bridge':
      return { ...plain, name: body.name, kind: 'bridge', mtu: body.mtu };
    case 'vxlan':
      return { ...plain, name: body.name, kind: 'vxlan', mtu: body.mtu, master: body.master };
    case 'flannel-vtep':
      return { ...plain, name: body.name, kind: 'vtep', mtu: body.mtu };
    case 'udp-relay':
      return { ...plain, name: body.name, kind: 'relay', mtu: body.mtu };
    default:
      return undefined;
  }
}
