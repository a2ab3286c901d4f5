/** Addresses as signed numbers of 32 bits, as `destinationOf` gives them. */
export interface RouteTable {
  /** Leads a subnet to a host, instead of where it led. */
  set(network: number, prefixLength: number, host: number): void;
  delete(network: number, prefixLength: number): void;
  /** The host that the longest prefix of an address leads to; undefined without one. */
  find(address: number): number | undefined;
}

/** A map for each prefix length that occurs, so thousands of equally long subnets cost one look. */
export function routeTable(): RouteTable {
  const maps = new Map<number, Map<number, number>>();
  let inOrder: { readonly mask: number; readonly hosts: Map<number, number> }[] = [];

  const order = (): void => {
    inOrder = [...maps].sort(([a], [b]) => b - a).map(([length, hosts]) => ({ mask: maskOf(length), hosts }));
  };
  return {
    set: (network, prefixLength, host) => {
      const hosts = maps.get(prefixLength) ?? new Map<number, number>();
      hosts.set(network & maskOf(prefixLength), host | 0);
      if (maps.has(prefixLength)) return;
      maps.set(prefixLength, hosts);
      order();
    },
    delete: (network, prefixLength) => {
      const hosts = maps.get(prefixLength);
      if (hosts === undefined) return;
      hosts.delete(network & maskOf(prefixLength));
      if (hosts.size > 0) return;
      maps.delete(prefixLength);
      order();
    },
    find: (address) => {
      for (const { mask, hosts } of inOrder) {
        const host = hosts.get(address & mask);
        if (host !== undefined) return host;
      }
      return undefined;
    },
  };
}

function maskOf(prefixLength: number): number {
  return prefixLength === 0 ? 0 : -1 << (32 - prefixLength);
}
