import { portolanError } from './errors.js';

/** An IPv4 address in canonical dotted form, such as `10.0.0.20`. */
export type Ipv4 = string;
/** An IPv4 subnet in canonical form without host bits, such as `10.0.0.0/24`. */
export type Cidr = string;
/** An Ethernet address in lower case, such as `02:42:0a:00:00:14`. */
export type Mac = string;

export interface Subnet {
  /** First address, as an unsigned 32-bit number. */
  readonly first: number;
  /** Last address (the broadcast address), as an unsigned 32-bit number. */
  readonly last: number;
  /** Length of the prefix in bits, 0 to 32. */
  readonly prefixLength: number;
}

const OCTET = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
/** Regular expression source of a canonical IPv4 address, for JSON schemas. */
export const IPV4_PATTERN = `^${OCTET}(\\.${OCTET}){3}$`;
const ipv4Expression = new RegExp(IPV4_PATTERN);

/** The address as an unsigned 32-bit number, undefined for anything but the canonical form. */
export function ipv4Value(text: string): number | undefined {
  if (!ipv4Expression.test(text)) return undefined;
  let value = 0;
  let octet = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      value = value * 256 + octet;
      octet = 0;
    } else octet = octet * 10 + code - DIGIT_0;
  }
  return value * 256 + octet;
}
const DOT = 46;
const DIGIT_0 = 48;

/** The address as an unsigned 32-bit number. Throws `invalid-address`, naming `path`. */
export function parseIpv4(text: string, path = ''): number {
  const value = ipv4Value(text);
  if (value === undefined) throw portolanError('invalid-address', path, `"${text}" is not an IPv4 address`);
  return value;
}

export function formatIpv4(value: number): Ipv4 {
  return `${(value >>> 24) & 255}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** Throws `invalid-subnet`, or `host-bits-set` with the network address that was probably meant. */
export function parseCidr(text: string, path = ''): Subnet {
  const [address = '', length = '', ...rest] = text.split('/');
  const prefixLength = Number(length);
  if (rest.length > 0 || !ipv4Expression.test(address) || !/^(3[0-2]|[12]?[0-9])$/.test(length)) {
    throw portolanError('invalid-subnet', path, `"${text}" is not an IPv4 subnet`);
  }
  const value = parseIpv4(address, path);
  const size = 2 ** (32 - prefixLength);
  const first = value - (value % size);
  if (first !== value) {
    const meant = `${formatIpv4(first)}/${prefixLength}`;
    throw portolanError('host-bits-set', path, `"${text}" has host bits set`, { fix: `Write ${meant}.` });
  }
  return { first, last: first + size - 1, prefixLength };
}

/** undefined for anything that `parseCidr` refuses. */
export function subnetOrUndefined(text: string): Subnet | undefined {
  try {
    return parseCidr(text);
  } catch {
    return undefined;
  }
}

export function formatCidr(subnet: Subnet): Cidr {
  return `${formatIpv4(subnet.first)}/${subnet.prefixLength}`;
}

export function subnetsOverlap(a: Subnet, b: Subnet): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** True when the address is in the subnet and is neither its network nor its broadcast address. */
export function isHostAddress(subnet: Subnet, address: number): boolean {
  return address > subnet.first && address < subnet.last;
}

/**
 * The deterministic address that Docker gives an overlay interface: 02:42 and the four octets, so that an
 * address that is used again keeps its MAC and no neighbour entry goes stale (moby, GenerateMACFromIP).
 */
export function macOfIpv4(address: Ipv4): Mac {
  return `02:42:${address
    .split('.')
    .map((octet) => Number(octet).toString(16).padStart(2, '0'))
    .join(':')}`;
}
