import { type Ipv4, ipv4Value, parseCidr } from '@portolan/model';

/** Whether an address is in a subnet; `cidr` may be one address. */
export function holds(cidr: string, address: Ipv4): boolean {
  if (!cidr.includes('/')) return cidr === address;
  const { first, last } = parseCidr(cidr);
  const value = ipv4Value(address) ?? -1;
  return first <= value && value <= last;
}

/** A mark as tools print it, and in decimal: 0x149 = 329. */
export function shownMark(mark: number): string {
  return `0x${mark.toString(16)} = ${mark}`;
}
