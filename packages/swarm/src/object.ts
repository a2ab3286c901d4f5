import type {
  DumpedAddress,
  DumpedChain,
  DumpedForwarding,
  DumpedLink,
  DumpedNeighbour,
  DumpedRealServer,
  DumpedRoute,
  DumpedRule,
  DumpedVirtualServer,
  NamespaceDump,
} from '@portolan/dump';
import type { Ipv4 } from '@portolan/model';

/** One thing that Docker programs in a namespace, out of its dump. What is counted, learned or the kernel's own is none. */
export type NamespaceObject =
  | { readonly kind: 'link'; readonly link: DumpedLink }
  /** A link's place on a bridge, apart from the link: either goes without the other. */
  | { readonly kind: 'port'; readonly link: string; readonly master: string }
  | { readonly kind: 'address'; readonly link: string; readonly address: DumpedAddress }
  /** Of table main, and not of the kernel's own making. */
  | { readonly kind: 'route'; readonly route: DumpedRoute }
  /** PERMANENT */
  | { readonly kind: 'neighbour'; readonly neighbour: DumpedNeighbour }
  /** Permanent, with the host behind the MAC. */
  | { readonly kind: 'forwarding'; readonly forwarding: DumpedForwarding & { readonly vtep: Ipv4 } }
  | { readonly kind: 'chain'; readonly chain: DumpedChain }
  | { readonly kind: 'rule'; readonly rule: DumpedRule }
  | { readonly kind: 'virtual-server'; readonly virtualServer: DumpedVirtualServer }
  | { readonly kind: 'real-server'; readonly realServer: DumpedRealServer }
  | { readonly kind: 'sysctl'; readonly name: string; readonly value: string };

/** What tells an object from the others of its namespace. Of a rule that is the whole rule: one that differs is another. */
export function objectKey(object: NamespaceObject): string {
  switch (object.kind) {
    case 'link':
      return `link/${object.link.name}`;
    case 'port':
      return `port/${object.link}`;
    case 'address':
      return `address/${object.link}/${object.address.address}/${object.address.prefixLength}`;
    case 'route':
      return `route/${object.route.destination}`;
    case 'neighbour':
      return `neighbour/${object.neighbour.link}/${object.neighbour.address}`;
    case 'forwarding':
      return `forwarding/${object.forwarding.link}/${object.forwarding.mac}`;
    case 'chain':
      return `chain/${object.chain.table}/${object.chain.chain}`;
    case 'rule':
      return `rule/${object.rule.table}/${ruleText(object.rule)}`;
    case 'virtual-server':
      return `virtual-server/${object.virtualServer.mark}`;
    case 'real-server':
      return `real-server/${object.realServer.mark}/${object.realServer.address}:${object.realServer.port}`;
    case 'sysctl':
      return `sysctl/${object.name}`;
  }
}

/** `CHAIN MATCH -j TARGET OPTIONS`, as after -A. */
export function ruleText({ chain, match, target, options }: DumpedRule): string {
  return [chain, match, target === null ? '' : `-j ${target}`, options].filter((part) => part !== '').join(' ');
}

/** The objects of a dump, in its order. lo is none: it is in each namespace, and Docker adds nothing to it but the VIPs of DSR networks. */
export function objectsOf(dump: NamespaceDump): readonly NamespaceObject[] {
  return [
    ...dump.links.flatMap(objectsOfLink),
    ...dump.routes
      .filter(({ table, protocol, type }) => table === 'main' && protocol !== 'kernel' && type === 'unicast')
      .map((route): NamespaceObject => ({ kind: 'route', route })),
    ...dump.neighbours.filter(({ state }) => state === 'PERMANENT').map((neighbour): NamespaceObject => ({ kind: 'neighbour', neighbour })),
    ...dump.forwarding.flatMap((entry): readonly NamespaceObject[] =>
      entry.vtep !== null && entry.permanent ? [{ kind: 'forwarding', forwarding: { ...entry, vtep: entry.vtep } }] : [],
    ),
    // Built-in chains are always there; what is said of their policies is the host's own affair.
    ...dump.chains.filter(({ policy }) => policy === null).map((chain): NamespaceObject => ({ kind: 'chain', chain })),
    ...dump.rules.map((rule): NamespaceObject => ({ kind: 'rule', rule })),
    ...dump.virtualServers.map((virtualServer): NamespaceObject => ({ kind: 'virtual-server', virtualServer })),
    ...dump.realServers.map((realServer): NamespaceObject => ({ kind: 'real-server', realServer })),
    ...Object.entries(dump.sysctls).map(([name, value]): NamespaceObject => ({ kind: 'sysctl', name, value })),
  ];
}

function objectsOfLink(link: DumpedLink): readonly NamespaceObject[] {
  const addresses = link.addresses
    .filter(({ address }) => !address.startsWith('127.'))
    .map((address): NamespaceObject => ({ kind: 'address', link: link.name, address }));
  if (link.name === 'lo') return addresses;
  const port: readonly NamespaceObject[] = link.master === null ? [] : [{ kind: 'port', link: link.name, master: link.master }];
  return [{ kind: 'link', link }, ...port, ...addresses];
}
