import type { DumpedLink, NamespaceDump } from '@portolan/dump';
import { parseIpv4, type Subnet } from '@portolan/model';

/** One end of a veth pair. */
interface End {
  readonly namespace: string;
  readonly link: DumpedLink;
}

export interface Pair {
  /** The port of a bridge. */
  readonly port: End;
  /** The end with an address of the bridge's subnet. */
  readonly far: End;
}

interface Bridge {
  readonly range: Subnet;
  /** Not yet paired, in the order of the dump. */
  readonly ports: End[];
}

/**
 * Which ends of veths belong together, which a dump does not tell: one with an address belongs to a port of the bridge in whose subnet that is. Which port it is
 * does not matter, as nothing but its number of order tells a bridge's ports apart.
 */
export function pairsOf(dumps: ReadonlyMap<string, NamespaceDump>): readonly Pair[] {
  const bridges = [...dumps].flatMap(([namespace, dump]) => bridgesOf(namespace, dump));
  return [...dumps].flatMap(([namespace, { links }]) =>
    links.flatMap((link) => {
      const [first] = link.addresses;
      if (link.kind !== 'veth' || link.master !== null || first === undefined) return [];
      const value = parseIpv4(first.address);
      const port = bridges.find(({ range, ports }) => ports.length > 0 && range.first <= value && value <= range.last)?.ports.shift();
      return port === undefined ? [] : [{ port, far: { namespace, link } }];
    }),
  );
}

function bridgesOf(namespace: string, { links }: NamespaceDump): Bridge[] {
  return links
    .filter(({ kind }) => kind === 'bridge')
    .flatMap(({ name, addresses }) => {
      const ports = links.filter(({ kind, master }) => kind === 'veth' && master === name).map((link) => ({ namespace, link }));
      return addresses.slice(0, 1).map(({ address, prefixLength }) => ({ range: rangeOf(address, prefixLength), ports }));
    });
}

/** The subnet that an address is in. */
function rangeOf(address: string, prefixLength: number): Subnet {
  const size = 2 ** (32 - prefixLength);
  const value = parseIpv4(address);
  const first = value - (value % size);
  return { first, last: first + size - 1, prefixLength };
}
