import type { NodeState, ObjectBody, ObjectKind, Space } from '@portolan/node-state';
import { loopback, withKernelParts } from './kernel-parts.js';
import type {
  DumpedAddress,
  DumpedForwarding,
  DumpedLink,
  DumpedNeighbour,
  DumpedRealServer,
  DumpedRoute,
  DumpedVirtualServer,
  NamespaceDump,
} from './namespace.js';
import { restoredTables } from './tables.js';

/** A namespace while it is put together. */
class Sketch {
  readonly links = new Map<string, DumpedLink>([['lo', loopback]]);
  readonly addresses = new Map<string, DumpedAddress[]>();
  readonly routes: DumpedRoute[] = [];
  readonly neighbours: DumpedNeighbour[] = [];
  readonly forwarding: DumpedForwarding[] = [];
  readonly virtualServers: DumpedVirtualServer[] = [];
  readonly realServers: DumpedRealServer[] = [];
  readonly sysctls = new Map<string, string>();

  addLink(link: Pick<DumpedLink, 'name' | 'kind' | 'mtu'> & Partial<DumpedLink>): void {
    this.links.set(link.name, { up: true, mac: null, master: null, vxlan: null, addresses: [], ...link });
  }

  dump(rules: string): NamespaceDump {
    const links = [...this.links.values()].map((link) => ({ ...link, addresses: [...link.addresses, ...(this.addresses.get(link.name) ?? [])] }));
    return withKernelParts({
      links,
      routes: this.routes,
      neighbours: this.neighbours,
      forwarding: this.forwarding,
      ...restoredTables(rules),
      virtualServers: this.virtualServers,
      realServers: this.realServers,
      sysctls: Object.fromEntries(this.sysctls),
    });
  }
}

/** One object on its way into the sketch of its namespace. */
interface Entering<B> {
  readonly body: B;
  readonly sketch: Sketch;
  readonly sketchOf: (space: Space) => Sketch;
}

type Enter<K extends ObjectKind> = (entering: Entering<Extract<ObjectBody, { kind: K }>>) => void;

/** Rules come as text, and what is in no kernel, or what no tool of a collection prints, is in no dump. */
const nowhere = (): void => {};

const enter: { readonly [K in ObjectKind]: Enter<K> } = {
  namespace: nowhere,
  bridge: ({ body: { name, mtu, mac = null }, sketch }) => sketch.addLink({ name, kind: 'bridge', mtu, mac }),
  vxlan: ({ body: { name, mtu, master, vni, port }, sketch }) =>
    sketch.addLink({ name, kind: 'vxlan', mtu, master, vxlan: { vni, port, proxy: true, learning: true, l2miss: true, l3miss: true } }),
  'flannel-vtep': ({ body: { name, mtu, mac, vni, port, learning }, sketch }) =>
    sketch.addLink({ name, kind: 'vxlan', mtu, mac, vxlan: { vni, port, proxy: false, learning, l2miss: false, l3miss: false } }),
  'udp-relay': ({ body: { name, mtu }, sketch }) => sketch.addLink({ name, kind: 'tun', mtu }),
  'udp-relay-peer': nowhere,
  veth: ({ body: { name, mtu, master = null, peer }, sketch, sketchOf }) => {
    sketch.addLink({ name, kind: 'veth', mtu, master });
    sketchOf(peer.space).addLink({ name: peer.name, kind: 'veth', mtu, mac: peer.mac });
  },
  address: ({ body: { link, address, prefixLength }, sketch }) => {
    const known = sketch.addresses.get(link) ?? [];
    known.push({ address, prefixLength, scope: 'global' });
    sketch.addresses.set(link, known);
  },
  sysctl: ({ body: { name, value }, sketch }) => sketch.sysctls.set(name, value),
  neighbour: ({ body: { address, link, mac }, sketch }) => sketch.neighbours.push({ address, link, mac, state: 'PERMANENT' }),
  fdb: ({ body: { mac, link, vtep }, sketch }) => sketch.forwarding.push({ mac, link, vtep, master: null, permanent: true }),
  route: ({ body: { destination, via = null, link, table, metric = 0 }, sketch }) =>
    sketch.routes.push({ type: 'unicast', destination, via, link, table: table === undefined ? 'main' : String(table), protocol: ROUTE_PROTOCOL, metric }),
  'route-rule': nowhere,
  'ipvs-timeouts': nowhere,
  'virtual-server': ({ body: { mark, scheduler, persistence = 0 }, sketch }) => sketch.virtualServers.push({ mark, scheduler, persistence }),
  'real-server': ({ body: { mark, address, forwarding, weight }, sketch }) => sketch.realServers.push({ mark, address, port: 0, forwarding, weight }),
  mark: nowhere,
  'source-kept': nowhere,
  'source-rewrite': nowhere,
  'rule-entry': nowhere,
  'port-redirect': nowhere,
  'endpoint-filter': nowhere,
  'gateway-policy': nowhere,
  'port-forward': nowhere,
  'pod-forward': nowhere,
  'pod-masquerade': nowhere,
  file: nowhere,
  'dns-redirect': nowhere,
  'dns-server': nowhere,
  'dns-name': nowhere,
  'dns-client': nowhere,
};

/** Protocol number of the agents' routes; `ip route` shows it as a number. */
const ROUTE_PROTOCOL = '80';

/**
 * The namespaces of a node as its agent leaves them in an empty kernel, by the names of a collection's files: `host`, those of the agent's own, and those of the
 * endpoints by the last part of their path, or by their own name. What the kernel adds is in it: lo, its routes, and `route_localnet` of each link. What is the
 * host's own (its interfaces) is not, nor what the kernel chooses: MACs without a meaning are null.
 *
 * `rulesOf` gives the text for `iptables-restore` that makes the rules of a namespace, '' for none.
 */
export function dumpsOfState(state: NodeState, rulesOf: (space: Space) => string): ReadonlyMap<string, NamespaceDump> {
  const sketches = new Map<Space, Sketch>([['host', new Sketch()]]);
  const sketchOf = (space: Space): Sketch => {
    const known = sketches.get(space);
    if (known !== undefined) return known;
    const made = new Sketch();
    sketches.set(space, made);
    return made;
  };
  for (const { space, body } of state.objects) {
    (enter[body.kind] as (entering: Entering<ObjectBody>) => void)({ body, sketch: sketchOf(space), sketchOf });
  }
  for (const id of Object.keys(state.endpoints)) sketchOf(`endpoint:${id}`);
  const names = namesOfSpaces(state);
  return new Map([...sketches].map(([space, sketch]) => [names.get(space) ?? space, sketch.dump(rulesOf(space))]));
}

/** Names of the namespaces of a node, as in the files of a collection. No two have the same. */
export function namesOfSpaces({ objects, endpoints }: Pick<NodeState, 'objects' | 'endpoints'>): ReadonlyMap<Space, string> {
  const names = new Map<Space, string>([['host', 'host']]);
  for (const { space } of objects) if (space.startsWith('own:')) names.set(space, space.slice('own:'.length));
  const taken = new Set(names.values());
  for (const [id, { name, attachment }] of Object.entries(endpoints)) {
    const last = 'netns' in attachment ? (attachment.netns.split('/').at(-1) ?? name) : name;
    const free = [last, name, id].find((candidate) => !taken.has(candidate)) ?? id;
    taken.add(free);
    names.set(`endpoint:${id}`, free);
  }
  return names;
}
