import type { Subnet } from '@portolan/model';

/** How the subnet of a node is shared out; addresses as numbers. The first is that of flannel's device, the last is broadcast. */
export interface PodLayout {
  /** The bridge, by which the containers of the node reach the others. */
  readonly gateway: number;
  /** First and last address that a container may have. */
  readonly first: number;
  readonly last: number;
  /** First address that Portolan gives; those before it are CNI's to give. */
  readonly given: number;
}

/** Where CNI gives addresses, too, it has the lower half of the subnet. */
export function podLayout({ first, last }: Subnet, cni: boolean): PodLayout {
  const lowest = first + 2;
  return { gateway: first + 1, first: lowest, last: last - 1, given: cni ? first + (last + 1 - first) / 2 : lowest };
}

/** Whether a container of the node may have the address. */
export function isPodAddress({ first, last }: PodLayout, address: number): boolean {
  return address >= first && address <= last;
}
