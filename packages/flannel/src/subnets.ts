import { type Cidr, formatCidr, parseCidr, type Subnet } from '@portolan/model';
import type { FlannelLayout } from './layout.js';

/** How many free subnets flanneld looks at before it chooses one of them by chance. */
const CHOICE = 100;
/** A larger subnet that covers more of ours than this is kept as such. */
const FEW = 256;

/** Subnets that somebody has, against those of a layout. */
export class TakenSubnets {
  readonly #layout: FlannelLayout;
  readonly #size: number;
  /** Base addresses of the layout's subnets that are not free. */
  readonly #bases = new Set<number>();
  readonly #wide: Subnet[] = [];
  /** The first free ones, in order, and where to look for more. */
  readonly #free: number[] = [];
  #next: number;

  constructor(layout: FlannelLayout) {
    this.#layout = layout;
    this.#size = 2 ** (32 - layout.subnetLen);
    this.#next = layout.first;
  }

  add(subnet: Cidr): void {
    const taken = parseCidr(subnet);
    const first = taken.first - (taken.first % this.#size);
    if ((taken.last - first) / this.#size > FEW) this.#wide.push(taken);
    else for (let base = first; base <= taken.last; base += this.#size) this.#bases.add(base);
  }

  /** Whether a subnet of the layout overlaps one of them. */
  has(subnet: Cidr): boolean {
    return this.#isTaken(parseCidr(subnet).first);
  }

  /** A free subnet for whoever has this hash, taken from now on; undefined when there is none. As flanneld does, it looks at the first hundred. */
  give(hash: number): Cidr | undefined {
    const { last, subnetLen: prefixLength } = this.#layout;
    for (let i = this.#free.length - 1; i >= 0; i--) if (this.#isTaken(this.#free[i] ?? 0)) this.#free.splice(i, 1);
    for (; this.#free.length < CHOICE && this.#next <= last; this.#next += this.#size) if (!this.#isTaken(this.#next)) this.#free.push(this.#next);
    const [first] = this.#free.splice(hash % Math.max(1, this.#free.length), 1);
    if (first === undefined) return undefined;
    this.#bases.add(first);
    return formatCidr({ first, last: first + this.#size - 1, prefixLength });
  }

  #isTaken(base: number): boolean {
    return this.#bases.has(base) || this.#wide.some(({ first, last }) => first < base + this.#size && base <= last);
  }
}
