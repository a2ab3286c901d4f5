import { closeSync } from 'node:fs';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { type Cidr, formatCidr, type Ipv4, parseIpv4, type Subnet } from '@portolan/model';
import { isOwnLinkName } from './concerns.js';
import { AF_INET, libc, SIOCGIFMTU, SOCK_CLOEXEC, SOCK_DGRAM } from './libc.js';

/** struct ifreq of netdevice(7): the name, and behind it the answer. */
const IFREQ_SIZE = 40;
const IFNAMSIZ = 16;
/** A host with more is one with a bridge for everybody. */
const MOST_SUBNETS = 64;

export type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** How a host is connected to the others. */
export interface Underlay {
  /** Name and MTU, in bytes, of the interface with the address; undefined where none that is up has it. */
  readonly link: string | undefined;
  readonly mtu: number | undefined;
  /**
   * Subnets that the host reaches without a gateway, in ascending order, those of our own links and of loopback left out. At most 64; that
   * of the address is among them.
   */
  readonly onLink: readonly Cidr[];
}

/** The underlay of this thread's namespace, as seen from the node's address. It takes a few system calls. */
export function underlayOf(address: Ipv4): Underlay {
  const interfaces = networkInterfaces();
  const link = linkWith(interfaces, address);
  return { link, mtu: link === undefined ? undefined : mtuOf(link), onLink: onLinkSubnets(interfaces, link) };
}

/** An address with a label is listed by it: eth0:1 is on eth0. */
function linkOf(listed: string): string {
  return listed.split(':', 1)[0] ?? '';
}

function linkWith(interfaces: Interfaces, address: Ipv4): string | undefined {
  const found = Object.entries(interfaces).find(([, addresses]) => addresses?.some((own) => own.address === address) === true);
  return found === undefined ? undefined : linkOf(found[0]);
}

function mtuOf(link: string): number | undefined {
  // By a system call, because /sys shows the interfaces of the namespace that it was mounted in.
  const fd = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return undefined;
  try {
    const request = Buffer.alloc(IFREQ_SIZE);
    request.write(link, 'latin1');
    return libc.ioctl(fd, SIOCGIFMTU, request) === 0 ? new DataView(request.buffer, request.byteOffset).getInt32(IFNAMSIZ, true) : undefined;
  } finally {
    closeSync(fd);
  }
}

/** The subnets of addresses, those of the interface `first` before others where not all have room. */
export function onLinkSubnets(interfaces: Interfaces, first: string | undefined): readonly Cidr[] {
  const found = new Map<Cidr, { readonly subnet: Subnet; readonly isFirst: boolean }>();
  for (const [listed, addresses = []] of Object.entries(interfaces)) {
    const link = linkOf(listed);
    if (isOwnLinkName(link)) continue;
    for (const { family, internal, address, cidr } of addresses) {
      const prefixLength = Number(cidr?.split('/')[1] ?? 32);
      if (family !== 'IPv4' || internal || prefixLength === 32) continue;
      const value = parseIpv4(address);
      const size = 2 ** (32 - prefixLength);
      const start = value - (value % size);
      const subnet = { first: start, last: start + size - 1, prefixLength };
      const name = formatCidr(subnet);
      found.set(name, { subnet, isFirst: link === first || found.get(name)?.isFirst === true });
    }
  }
  const ascending = (a: Subnet, b: Subnet): number => a.first - b.first || a.prefixLength - b.prefixLength;
  return [...found]
    .sort(([, a], [, b]) => Number(b.isFirst) - Number(a.isFirst) || ascending(a.subnet, b.subnet))
    .slice(0, MOST_SUBNETS)
    .sort(([, a], [, b]) => ascending(a.subnet, b.subnet))
    .map(([name]) => name);
}
