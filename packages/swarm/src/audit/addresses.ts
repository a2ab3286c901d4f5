import type { DumpedAddress, NamespaceDump } from '@portolan/dump';
import { ipv4Value, type Subnet } from '@portolan/model';
import type { ExpectedNamespace } from '../expected.js';
import type { Difference, Of, Wanted } from './difference.js';
import { GATEWAY, type LinkMatch } from './links.js';

type WantedAddress = Wanted<Of<'address'>>;

/** Addresses of the expected links, VIP aliases among them, and such as nobody should have there any more. */
export function addressDifferences(
  expected: ExpectedNamespace,
  wanted: readonly Wanted[],
  observed: NamespaceDump,
  { links }: LinkMatch,
): readonly Difference[] {
  const differences: Difference[] = [];
  const addresses = wanted.filter((want): want is WantedAddress => want.object.kind === 'address');
  for (const there of links.values()) {
    const ours = addresses.filter(({ object }) => object.link === there.name);
    const left = [...(observed.links.find(({ name }) => name === there.name)?.addresses ?? [])];
    for (const want of ours) {
      const { address, prefixLength } = want.object.address;
      const exact = left.findIndex((it) => it.address === address && it.prefixLength === prefixLength);
      const at = exact === -1 ? left.findIndex((it) => it.address === address && !isWanted(ours, it)) : exact;
      const [found] = at === -1 ? [] : left.splice(at, 1);
      const change = { aspect: 'object', key: want.key, expected: want.object } as const;
      if (found === undefined && !expected.optional.has(want.key)) differences.push({ ...change, kind: 'missing', found: null });
      if (found !== undefined && exact === -1) differences.push({ ...change, kind: 'different', found: { kind: 'address', link: there.name, address: found } });
    }
    for (const address of left.filter((it) => isJudged(expected, there.name, it, addresses))) {
      const twin = ours.find((want) => isWanted([want], address));
      const object: Of<'address'> = { kind: 'address', link: there.name, address };
      differences.push({ kind: 'unexpected', aspect: twin === undefined ? 'object' : 'copy', key: twin?.key ?? null, expected: null, found: object });
    }
  }
  return differences;
}

function isWanted(wanted: readonly WantedAddress[], { address, prefixLength }: DumpedAddress): boolean {
  return wanted.some(({ object }) => object.address.address === address && object.address.prefixLength === prefixLength);
}

/** The host's bridge and a container's links may have addresses of others; one out of an overlay's subnet is Docker's to give. */
function isJudged({ role }: ExpectedNamespace, link: string, { address }: DumpedAddress, wanted: readonly WantedAddress[]): boolean {
  if (link === 'lo' && address.startsWith('127.')) return false;
  if (role === 'host') return link !== GATEWAY && link !== 'lo';
  if (link !== 'lo' && role !== 'task') return true;
  const value = ipv4Value(address);
  return value !== undefined && wanted.some(({ object }) => isIn(subnetOf(object.address), value));
}

function isIn(subnet: Subnet | undefined, value: number): boolean {
  return subnet !== undefined && subnet.first <= value && value <= subnet.last;
}

/** Of an address with the length of its network; a VIP, alone in its own, tells of none. */
function subnetOf({ address, prefixLength }: DumpedAddress): Subnet | undefined {
  const value = ipv4Value(address);
  if (value === undefined || prefixLength === 32) return undefined;
  const size = 2 ** (32 - prefixLength);
  const first = value - (value % size);
  return { first, last: first + size - 1, prefixLength };
}
