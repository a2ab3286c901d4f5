import { type Cidr, type Ipv4, parseCidr, parseIpv4, type Subnet } from '@portolan/model';

interface Used<Owner> extends Subnet {
  readonly owner: Owner;
}

/** Subnets in use, none of which overlap; found in logarithmic time. */
export class SubnetMap<Owner> {
  /** Sorted by first address. */
  readonly #used: Used<Owner>[] = [];

  /** One that overlaps the subnet, if there is. */
  overlapping(subnet: Subnet): Used<Owner> | undefined {
    const before = this.#used[this.#position(subnet.last) - 1];
    return before !== undefined && before.last >= subnet.first ? before : undefined;
  }

  /** Adds the subnet, or answers with the one that it overlaps. */
  add(subnet: Subnet, owner: Owner): Used<Owner> | undefined {
    const other = this.overlapping(subnet);
    if (other !== undefined) return other;
    this.#used.splice(this.#position(subnet.first), 0, { ...subnet, owner });
    return undefined;
  }

  /** Those that overlap the subnet. */
  within(subnet: Subnet): readonly Used<Owner>[] {
    return this.#used.filter((used) => used.first <= subnet.last && used.last >= subnet.first);
  }

  /** How many of them begin at or before the address. */
  #position(address: number): number {
    let low = 0;
    let high = this.#used.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const used = this.#used[middle];
      if (used !== undefined && used.first <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Where the next search of a pool begins: everything before is used. */
type Cursors = Map<Cidr, number>;

/** The first subnet of that length in the pools, in their order, that overlaps nothing in `taken`. */
export function firstFreeSubnet(
  pools: readonly Cidr[],
  prefixLength: number,
  taken: readonly Pick<SubnetMap<unknown>, 'overlapping'>[],
  cursors: Cursors,
): Subnet | undefined {
  const size = 2 ** (32 - prefixLength);
  for (const cidr of pools) {
    const pool = parseCidr(cidr);
    let first = cursors.get(cidr) ?? pool.first;
    while (first + size - 1 <= pool.last) {
      const candidate: Subnet = { first, last: first + size - 1, prefixLength };
      const obstacle = taken.map((map) => map.overlapping(candidate)).find((used) => used !== undefined);
      if (obstacle === undefined) {
        cursors.set(cidr, first);
        return candidate;
      }
      // Onto the first aligned address behind what is in the way, however large it is.
      first = Math.ceil((obstacle.last + 1) / size) * size;
    }
    cursors.set(cidr, first);
  }
  return undefined;
}

/** How many subnets of that length the pools could hold if they were empty. */
export function capacityOf(pools: readonly Cidr[], prefixLength: number): number {
  return pools.map((cidr) => parseCidr(cidr)).reduce((sum, pool) => sum + Math.floor((pool.last - pool.first + 1) / 2 ** (32 - prefixLength)), 0);
}

export function hostSubnet(address: Ipv4): Subnet {
  const value = parseIpv4(address);
  return { first: value, last: value, prefixLength: 32 };
}
