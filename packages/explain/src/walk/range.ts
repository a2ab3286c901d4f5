import { type Cidr, type Ipv4, ipv4Value, parseCidr } from '@portolan/model';

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

/** Subnets of which no two overlap, found by an address in them. */
export class Ranges<T> {
  readonly #sorted: readonly { readonly first: number; readonly last: number; readonly of: T }[];

  constructor(subnets: Iterable<readonly [cidr: Cidr, of: T]>) {
    this.#sorted = [...subnets].map(([cidr, of]) => ({ ...parseCidr(cidr), of })).sort((a, b) => a.first - b.first);
  }

  at(address: Ipv4): T | undefined {
    const value = ipv4Value(address) ?? -1;
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle]?.first ?? 0) <= value) low = middle + 1;
      else high = middle;
    }
    const found = this.#sorted[low - 1];
    return found !== undefined && value <= found.last ? found.of : undefined;
  }
}
