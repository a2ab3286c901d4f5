import { endianness } from 'node:os';
import { type Cidr, formatIpv4, type Ipv4, type Mac } from '@portolan/model';

/** A link as the kernel tells of it. */
export interface LinkFacts {
  readonly index: number;
  readonly name: string;
  /** Empty unless it has one. */
  readonly alias: string;
  /** Switched on; `isRunning`: and it has a carrier. */
  readonly isUp: boolean;
  readonly isRunning: boolean;
  readonly mtu: number;
  /** Empty for links without Ethernet addresses, such as a TUN device. */
  readonly mac: Mac;
  /** Index of the bridge that it is a port of; 0 where it is of none. */
  readonly master: number;
}

/** What rtnetlink(7) says in one message. Links are named by their index, as in the kernel. IPv4 only. */
export type RtnetlinkMessage =
  | { readonly kind: 'link'; readonly isGone: boolean; readonly link: LinkFacts }
  | {
      readonly kind: 'address';
      readonly isGone: boolean;
      readonly index: number;
      readonly address: Ipv4;
      readonly prefixLength: number;
      /** The name of the link unless it was given another. */
      readonly label: string;
    }
  | { readonly kind: 'route'; readonly isGone: boolean; readonly destination: Cidr | 'default'; readonly table: number; readonly protocol: number }
  | { readonly kind: 'neighbour'; readonly isGone: boolean; readonly index: number; readonly address: Ipv4; readonly isPermanent: boolean }
  | { readonly kind: 'fdb'; readonly isGone: boolean; readonly index: number; readonly mac: Mac; readonly isPermanent: boolean }
  | { readonly kind: 'rule'; readonly isGone: boolean; readonly protocol: number };

export interface RtnetlinkPart {
  readonly message: RtnetlinkMessage;
  /** It is a part of the answer to a question of ours, not the news of a change. */
  readonly isAnswer: boolean;
}

/** linux/netlink.h, and RTMGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE of linux/rtnetlink.h: what tells of changes. */
export const NETLINK_ROUTE = 0;
export const CHANGE_GROUPS = 0x1 | 0x4 | 0x10 | 0x40 | 0x80;

/** linux/rtnetlink.h, linux/netlink.h */
const GONE_BIT = 1;
const RTM = { link: 16, getLink: 18, address: 20, route: 24, neighbour: 28, rule: 32 } as const;
const NLM_F_REQUEST = 1;
const NLM_F_MULTI = 2;
const NLM_F_DUMP = 0x300;
const HEADER = 16;
const AF_INET = 2;
const AF_BRIDGE = 7;
/** linux/if_link.h, if_addr.h, rtnetlink.h, neighbour.h, fib_rules.h */
const IFLA = { address: 1, name: 3, mtu: 4, master: 10, alias: 20, extMask: 29 } as const;
const IFA = { address: 1, local: 2, label: 3 } as const;
const RTA = { destination: 1, table: 15 } as const;
const NDA = { destination: 1, mac: 2 } as const;
const FRA_PROTOCOL = 21;
const IFF_UP = 1;
const IFF_RUNNING = 0x40;
const RTM_F_CLONED = 0x200;
const NUD_PERMANENT = 0x80;
/** An index is enough for us: statistics make half of an answer about links. */
const RTEXT_FILTER_SKIP_STATS = 8;

const little = endianness() === 'LE';

/** A question for all links, whose answer comes in many parts. */
export function linksRequest(): Uint8Array {
  const length = HEADER + 16 + 8;
  const view = new DataView(new ArrayBuffer(length));
  view.setUint32(0, length, little);
  view.setUint16(4, RTM.getLink, little);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, little);
  view.setUint16(HEADER + 16, 8, little);
  view.setUint16(HEADER + 18, IFLA.extMask, little);
  view.setUint32(HEADER + 20, RTEXT_FILTER_SKIP_STATS, little);
  return new Uint8Array(view.buffer);
}

/** The attributes of a message by type, without nested ones. What is cut off is left out. */
function attributesOf(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const found = new Map<number, Buffer>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, little);
    if (length < 4 || at + length > bytes.length) break;
    found.set(view.getUint16(at + 2, little) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

function textOf(bytes: Buffer | undefined): string {
  return bytes === undefined ? '' : bytes.toString('utf8').replace(/\0.*$/s, '');
}

function numberOf(bytes: Buffer | undefined): number {
  if (bytes === undefined || bytes.length < 4) return 0;
  return little ? bytes.readUInt32LE() : bytes.readUInt32BE();
}

function macOf(bytes: Buffer | undefined): Mac {
  return bytes?.length === 6 ? (bytes.toString('hex').match(/../g)?.join(':') ?? '') : '';
}

function addressOf(bytes: Buffer | undefined): Ipv4 {
  return formatIpv4(bytes?.length === 4 ? bytes.readUInt32BE() : 0);
}

function linkMessage(body: Buffer, isGone: boolean): RtnetlinkMessage | undefined {
  // Of the family AF_BRIDGE is what a bridge says of its ports; that a port was taken off is no end of the link.
  if (body.length < 16 || body[0] !== 0) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const attributes = attributesOf(body.subarray(16));
  const flags = view.getUint32(8, little);
  return {
    kind: 'link',
    isGone,
    link: {
      index: view.getInt32(4, little),
      name: textOf(attributes.get(IFLA.name)),
      alias: textOf(attributes.get(IFLA.alias)),
      isUp: (flags & IFF_UP) !== 0,
      isRunning: (flags & IFF_RUNNING) !== 0,
      mtu: numberOf(attributes.get(IFLA.mtu)),
      mac: macOf(attributes.get(IFLA.address)),
      master: numberOf(attributes.get(IFLA.master)),
    },
  };
}

function addressMessage(body: Buffer, isGone: boolean): RtnetlinkMessage | undefined {
  if (body.length < 8 || body[0] !== AF_INET) return undefined;
  const attributes = attributesOf(body.subarray(8));
  const index = new DataView(body.buffer, body.byteOffset, body.length).getUint32(4, little);
  const address = addressOf(attributes.get(IFA.local) ?? attributes.get(IFA.address));
  return { kind: 'address', isGone, index, address, prefixLength: body[1] ?? 0, label: textOf(attributes.get(IFA.label)) };
}

function routeMessage(body: Buffer, isGone: boolean): RtnetlinkMessage | undefined {
  if (body.length < 12 || body[0] !== AF_INET) return undefined;
  if ((new DataView(body.buffer, body.byteOffset, body.length).getUint32(8, little) & RTM_F_CLONED) !== 0) return undefined;
  const attributes = attributesOf(body.subarray(12));
  const length = body[1] ?? 0;
  const destination = length === 0 ? 'default' : `${addressOf(attributes.get(RTA.destination))}/${length}`;
  return { kind: 'route', isGone, destination, table: numberOf(attributes.get(RTA.table)) || (body[4] ?? 0), protocol: body[5] ?? 0 };
}

function neighbourMessage(body: Buffer, isGone: boolean): RtnetlinkMessage | undefined {
  if (body.length < 12) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const attributes = attributesOf(body.subarray(12));
  const known = { isGone, index: view.getInt32(4, little), isPermanent: (view.getUint16(8, little) & NUD_PERMANENT) !== 0 };
  if (body[0] === AF_BRIDGE) return { kind: 'fdb', mac: macOf(attributes.get(NDA.mac)), ...known };
  return body[0] === AF_INET ? { kind: 'neighbour', address: addressOf(attributes.get(NDA.destination)), ...known } : undefined;
}

function ruleMessage(body: Buffer, isGone: boolean): RtnetlinkMessage | undefined {
  if (body.length < 12 || body[0] !== AF_INET) return undefined;
  return { kind: 'rule', isGone, protocol: attributesOf(body.subarray(12)).get(FRA_PROTOCOL)?.[0] ?? 0 };
}

const readers = new Map([
  [RTM.link, linkMessage],
  [RTM.address, addressMessage],
  [RTM.route, routeMessage],
  [RTM.neighbour, neighbourMessage],
  [RTM.rule, ruleMessage],
] as const) as ReadonlyMap<number, (body: Buffer, isGone: boolean) => RtnetlinkMessage | undefined>;

/** What one datagram of a netlink socket says. Other kinds of message and other families are left out. */
export function rtnetlinkParts(datagram: Buffer): readonly RtnetlinkPart[] {
  const parts: RtnetlinkPart[] = [];
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  for (let at = 0; at + HEADER <= datagram.length; ) {
    const length = view.getUint32(at, little);
    if (length < HEADER || at + length > datagram.length) break;
    const type = view.getUint16(at + 4, little);
    const message = readers.get(type & ~GONE_BIT)?.(datagram.subarray(at + HEADER, at + length), (type & GONE_BIT) !== 0);
    if (message !== undefined) parts.push({ message, isAnswer: (view.getUint16(at + 6, little) & NLM_F_MULTI) !== 0 });
    at += (length + 3) & ~3;
  }
  return parts;
}
