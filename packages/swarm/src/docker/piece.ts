import { builtInChains, type DumpedAddress, type DumpedLink, type DumpedRule, loopback, type NamespaceDump } from '@portolan/dump';
import type { DockerOrigin, ExpectedNamespace } from '../expected.js';
import { type NamespaceObject, objectKey } from '../object.js';

/**
 * An object of a namespace with what it is for. `optional`: it may be there or not. `draining`: the real server of a task that leaves, which may be
 * there or not, and with weight 0. Pieces that are the same on every node are made once and shared.
 */
export interface Piece {
  readonly object: NamespaceObject;
  readonly key: string;
  readonly origin: DockerOrigin;
  readonly presence: Presence;
  /** A rule that may be there twice. */
  readonly repeatable?: boolean;
  /** It comes with others and stays with them for good. */
  readonly lasting?: boolean;
}
export type Presence = 'required' | 'optional' | 'draining';

export function piece(object: NamespaceObject, origin: DockerOrigin, presence: Presence = 'required'): Piece {
  return { object, key: objectKey(object), origin, presence };
}

/** Required where it is certain. */
export function presenceOf(certain: boolean): Presence {
  return certain ? 'required' : 'optional';
}

/** A rule as iptables-save prints it: `rule('nat', 'DOCKER', '-i docker0', 'RETURN')`. */
export function rule(table: string, chain: string, match: string, target: string, options = ''): NamespaceObject {
  const body: DumpedRule = { table, chain, match, target, options };
  return { kind: 'rule', rule: body };
}

/** A chain that Docker makes, without policy. */
export function chain(table: string, name: string): NamespaceObject {
  return { kind: 'chain', chain: { table, chain: name, policy: null } };
}

export function sysctl(name: string, value: string): NamespaceObject {
  return { kind: 'sysctl', name, value };
}

/** A link that is up, without MAC: Docker, or the kernel, draws it. */
export function link(name: string, kind: string, mtu: number, more: Partial<Pick<DumpedLink, 'mac' | 'vxlan'>> = {}): NamespaceObject {
  return { kind: 'link', link: { name, kind, up: true, mtu, mac: null, master: null, vxlan: null, addresses: [], ...more } };
}

export function address(on: string, of: string, prefixLength: number): NamespaceObject {
  return { kind: 'address', link: on, address: { address: of, prefixLength, scope: 'global' } };
}

export function port(of: string, master: string): NamespaceObject {
  return { kind: 'port', link: of, master };
}

export function route(destination: string, via: string, on: string): NamespaceObject {
  return { kind: 'route', route: { type: 'unicast', destination, via, link: on, table: 'main', protocol: null, metric: 0 } };
}

interface LinkDraft extends Omit<DumpedLink, 'addresses' | 'master'> {
  master: string | null;
  readonly addresses: DumpedAddress[];
}

/** The lists of a dump while they grow. */
interface Draft {
  readonly links: Map<string, LinkDraft>;
  readonly routes: NamespaceDump['routes'][number][];
  readonly neighbours: NamespaceDump['neighbours'][number][];
  readonly forwarding: NamespaceDump['forwarding'][number][];
  readonly chains: NamespaceDump['chains'][number][];
  readonly rules: NamespaceDump['rules'][number][];
  readonly virtualServers: NamespaceDump['virtualServers'][number][];
  readonly realServers: NamespaceDump['realServers'][number][];
  readonly sysctls: Record<string, string>;
}

/**
 * A namespace of pieces. Where two are the same object it is there once, except for rules: Docker adds a rule twice where two ports ask for it.
 * What is required once is required.
 */
export function expectedNamespace(
  about: Omit<ExpectedNamespace, 'dump' | 'optional' | 'draining' | 'repeatable' | 'lasting' | 'origins'>,
  pieces: Iterable<Piece>,
): ExpectedNamespace {
  const draft: Draft = {
    links: new Map([['lo', { ...loopback, addresses: [...loopback.addresses] }]]),
    routes: [],
    neighbours: [],
    forwarding: [],
    chains: [],
    rules: [],
    virtualServers: [],
    realServers: [],
    sysctls: {},
  };
  const optional = new Set<string>();
  const draining = new Set<string>();
  const repeatable = new Set<string>();
  const lasting = new Set<string>();
  const origins = new Map<string, DockerOrigin>();
  for (const { object, key, origin, presence, repeatable: repeats, lasting: lasts } of pieces) {
    if (repeats === true) repeatable.add(key);
    if (lasts === true) lasting.add(key);
    const isKnown = origins.has(key);
    if (!isKnown || object.kind === 'rule') add(draft, object);
    if (isKnown && presence !== 'required') continue;
    origins.set(key, origin);
    if (isKnown) {
      optional.delete(key);
      draining.delete(key);
    } else if (presence !== 'required') {
      optional.add(key);
      if (presence === 'draining') draining.add(key);
    }
  }
  const tables = new Set([...draft.rules, ...draft.chains].map(({ table }) => table));
  const builtIn = Object.entries(builtInChains).flatMap(([table, chains]) =>
    tables.has(table) ? chains.map((name) => ({ table, chain: name, policy: 'ACCEPT' })) : [],
  );
  return {
    ...about,
    dump: { ...draft, links: [...draft.links.values()], chains: [...builtIn, ...draft.chains] },
    optional,
    draining,
    repeatable,
    lasting,
    origins,
  };
}

/** A link comes before its addresses and its place on a bridge. */
function add(draft: Draft, object: NamespaceObject): void {
  switch (object.kind) {
    case 'link':
      draft.links.set(object.link.name, { ...object.link, addresses: [] });
      break;
    case 'address':
      draft.links.get(object.link)?.addresses.push(object.address);
      break;
    case 'port': {
      const owner = draft.links.get(object.link);
      if (owner !== undefined) owner.master = object.master;
      break;
    }
    case 'route':
      draft.routes.push(object.route);
      break;
    case 'neighbour':
      draft.neighbours.push(object.neighbour);
      break;
    case 'forwarding':
      draft.forwarding.push(object.forwarding);
      break;
    case 'chain':
      draft.chains.push(object.chain);
      break;
    case 'rule':
      draft.rules.push(object.rule);
      break;
    case 'virtual-server':
      draft.virtualServers.push(object.virtualServer);
      break;
    case 'real-server':
      draft.realServers.push(object.realServer);
      break;
    case 'sysctl':
      draft.sysctls[object.name] = object.value;
  }
}
