import { computeNodeState } from '@portolan/compute';
import { applyManifest } from '@portolan/intent';
import type { Endpoint, Ipv4, Manifest, Node, Snapshot } from '@portolan/model';
import { emptySnapshot, seededIds } from '@portolan/testkit';
import { desiredWorld, type Hop, type HostKernel, type Path, type World } from '../src/index.js';
import { pathsOf, type Start } from '../src/walk.js';

/** The snapshot of a manifest with every host up and every namespace there; ids are the same in each run. */
export function seen(manifest: Manifest): Snapshot {
  const made = applyManifest(emptySnapshot('lab'), manifest, seededIds(1), { now: 0 });
  return {
    ...made,
    nodes: changed(made.nodes, (node) => ({ ...node, condition: 'up', underlayMtu: 1500, underlayLink: 'eth0', onLink: ['172.16.0.0/16'] })),
    endpoints: changed(made.endpoints, (endpoint) => ({ ...endpoint, presence: 'present' })),
  };
}

function changed<T>(nouns: ReadonlyMap<string, T>, change: (noun: T) => T): ReadonlyMap<string, T> {
  return new Map([...nouns].map(([id, noun]) => [id, change(noun)]));
}

export function worldOf(snapshot: Snapshot): World {
  return desiredWorld(snapshot, (node) => computeNodeState(snapshot, node.id));
}

/** The world with some things of one host taken away; fails where there is none with the key. */
export function without(world: World, node: string, ...keys: readonly string[]): World {
  return withHost(world, node, (kernel) => {
    for (const key of keys) if (!kernel.things.some((thing) => thing.key === key)) throw new Error(`${node} has no ${key}`);
    return { ...kernel, things: kernel.things.filter(({ key }) => !keys.includes(key)) };
  });
}

export function endpointOf({ endpoints }: Snapshot, name: string): Endpoint {
  return named(endpoints.values(), name);
}

export function nodeOf({ nodes }: Snapshot, name: string): Node {
  return named(nodes.values(), name);
}

function named<T extends { readonly name: string }>(nouns: Iterable<T>, name: string): T {
  for (const noun of nouns) if (noun.name === name) return noun;
  throw new Error(`there is no ${name}`);
}

export interface Flow {
  readonly to: Ipv4;
  readonly port?: number;
  readonly transport?: Start['transport'];
  readonly source?: Ipv4;
  readonly size?: number;
  readonly df?: boolean;
  readonly backend?: Ipv4;
}

/** `from`: name of an endpoint, `node:NAME`, or `outside`. */
export function flow(world: World, from: string, { to, port = 80, transport = 'tcp', source, size = 60, df = true, backend }: Flow): readonly Path[] {
  const isIcmp = transport === 'icmp';
  const where = placeOf(world.snapshot, from);
  const sought = { source: source ?? (where.node === null ? '198.51.100.7' : undefined), destination: to, transport, size, df };
  return pathsOf(world, { ...where, ...sought, sourcePort: isIcmp ? null : 40000, destinationPort: isIcmp ? null : port }, backend);
}

function placeOf(snapshot: Snapshot, from: string): Pick<Start, 'node' | 'space'> {
  if (from === 'outside') return { node: null, space: 'outside' };
  if (from.startsWith('node:')) return { node: from.slice('node:'.length), space: 'host' };
  const { id, nodeId } = endpointOf(snapshot, from);
  const node = snapshot.nodes.get(nodeId)?.name ?? '';
  return { node, space: `endpoint:${id}` };
}

export function only(paths: readonly Path[]): Path {
  const [path, ...others] = paths;
  if (path === undefined || others.length > 0) throw new Error(`${paths.length} paths`);
  return path;
}

/** What captures show: `> eth0@host/node1 10.0.0.2:1 > 10.0.0.3:80 ttl 64`, with the outer packet behind it. */
export function wire(hops: readonly Hop[]): string[] {
  return hops.flatMap(({ kind, place, device, after: { source, sourcePort, destination, destinationPort, ttl, outer } }) => {
    if (kind !== 'transmit' && kind !== 'receive') return [];
    const around = outer === null ? '' : ` in ${outer.source} > ${outer.destination}:${outer.port}${outer.vni === null ? '' : ` vni ${outer.vni}`}`;
    const ends = `${source}:${sourcePort ?? ''} > ${destination}:${destinationPort ?? ''} ttl ${ttl}`;
    return [`${kind === 'transmit' ? '>' : '<'} ${device}@${place.title}/${place.node} ${ends}${around}`];
  });
}

/** The world with something else of one host, such as another condition. */
export function withHost(world: World, node: string, change: (kernel: HostKernel) => HostKernel | undefined): World {
  let made: { readonly kernel: HostKernel | undefined } | undefined;
  return {
    ...world,
    host(name) {
      const kernel = world.host(name);
      if (kernel === undefined || name !== node) return kernel;
      made ??= { kernel: change(kernel) };
      return made.kernel;
    },
  };
}

/** The world with some things of one host damaged: they are there, and nobody knows what they say. */
export function damaged(world: World, node: string, ...keys: readonly string[]): World {
  return withHost(world, node, (kernel) => ({
    ...kernel,
    things: kernel.things.map((thing) => (keys.includes(thing.key) ? { ...thing, body: null } : thing)),
  }));
}
