import { formatIpv4, parseIpv4 } from '@portolan/model';
import type { DumpedLink, DumpedRoute, NamespaceDump } from './namespace.js';
import { inSaveOrder } from './tables.js';

/** That of a namespace in which it is up. */
export const loopback: DumpedLink = {
  name: 'lo',
  kind: 'loopback',
  up: true,
  mtu: 65536,
  mac: '00:00:00:00:00:00',
  master: null,
  vxlan: null,
  addresses: [{ address: '127.0.0.1', prefixLength: 8, scope: 'host' }],
};

/**
 * A dump of what somebody has made, with what the kernel makes by itself: lo, the routes of the links' addresses, and the setting `route_localnet` of each
 * link, which is off. Routes and rules are in the order of `ip route show table all` and of iptables-save, settings in that of their names.
 */
export function withKernelParts(dump: NamespaceDump): NamespaceDump {
  const links = dump.links.some(({ name }) => name === loopback.name) ? dump.links : [loopback, ...dump.links];
  const settings = new Map(['all', 'default', ...links.map(({ name }) => sysctlPart(name))].map((part) => [`net.ipv4.conf.${part}.route_localnet`, '0']));
  for (const [name, value] of Object.entries(dump.sysctls)) settings.set(name, value);
  return {
    ...dump,
    links,
    ...inSaveOrder(dump),
    routes: inOrderOfTables([...dump.routes, ...kernelRoutes(links)]),
    sysctls: Object.fromEntries([...settings].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** A link as part of the name of a setting, where a dot would separate. */
function sysctlPart(link: string): string {
  return link.replaceAll('.', '/');
}

/** Numbers of the tables that have names. */
const numbers: Readonly<Record<string, number>> = { main: 254, local: 255 };
/** `ip route show table all` goes by the table's number, as far as one octet holds it. */
const TABLE_BITS = 256;

/** Routes that the kernel makes by itself for the addresses of links that are up: to the subnet, to the address, and to all of the subnet. */
function kernelRoutes(links: readonly DumpedLink[]): DumpedRoute[] {
  const routes: DumpedRoute[] = [];
  const made = new Set<string>();
  for (const { name, up, addresses } of links) {
    for (const { address, prefixLength } of up ? addresses : []) {
      const add = (type: string, destination: string, table: string): void => {
        // A second address of a subnet is a secondary one: what is there for the subnet stays as it is.
        const key = `${table} ${destination} ${name}`;
        if (made.has(key)) return;
        made.add(key);
        routes.push({ type, destination, via: null, link: name, table, protocol: 'kernel', metric: 0 });
      };
      const size = 2 ** (32 - prefixLength);
      const value = parseIpv4(address);
      const first = value - (value % size);
      const subnet = `${formatIpv4(first)}/${prefixLength}`;
      add('local', address, 'local');
      // What is behind lo is local altogether.
      if (name === 'lo' && prefixLength < 32) add('local', subnet, 'local');
      else if (prefixLength < 32) add('unicast', subnet, 'main');
      if (prefixLength < 31) add('broadcast', formatIpv4(first + size - 1), 'local');
    }
  }
  return routes;
}

/** In the order of `ip route show table all`: by table, destination and metric. */
function inOrderOfTables(routes: readonly DumpedRoute[]): DumpedRoute[] {
  return routes.toSorted((a, b) => tableRank(a) - tableRank(b) || compareDestinations(a.destination, b.destination) || a.metric - b.metric);
}

function tableRank({ table }: DumpedRoute): number {
  const number = numbers[table] ?? Number(table);
  return (number % TABLE_BITS) * 2 ** 32 + number;
}

function compareDestinations(a: string, b: string): number {
  const [first, second] = [rangeOf(a), rangeOf(b)];
  return first.value - second.value || first.prefixLength - second.prefixLength;
}

function rangeOf(destination: string): { readonly value: number; readonly prefixLength: number } {
  if (destination === 'default') return { value: 0, prefixLength: 0 };
  const [address = '', length = '32'] = destination.split('/');
  return { value: parseIpv4(address), prefixLength: Number(length) };
}
