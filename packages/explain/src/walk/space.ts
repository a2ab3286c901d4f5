import { type Ipv4, ipv4Value, parseCidr, type Subnet } from '@portolan/model';
import type { ObjectBody, ObjectKind, Space } from '@portolan/node-state';
import type { HostKernel, Thing } from '../world.js';
import { type Address, type Link, linkOf, subnetOf } from './link.js';

/** A thing whose content is known. */
export interface Known<K extends ObjectKind> extends Thing {
  readonly body: Extract<ObjectBody, { kind: K }>;
}

export interface ReadRoute {
  readonly thing: Known<'route'>;
  readonly range: Subnet;
}

const everywhere: Subnet = { first: 0, last: 0xffffffff, prefixLength: 0 };

/** What one namespace of one host holds, found by what a packet asks for. */
export class SpaceView {
  readonly links = new Map<string, Link>();
  /** The host's own interface to the other hosts. */
  underlay: Link | undefined;
  readonly addresses: Address[] = [];
  readonly #things = new Map<ObjectKind, Thing[]>();
  readonly #byKey = new Map<string, Thing>();
  readonly #local = new Set<Ipv4>();
  #routes: readonly ReadRoute[] | undefined;
  #ports: Map<string, Link[]> | undefined;
  #servers: Map<number, Known<'real-server'>[]> | undefined;

  constructor(
    readonly kernel: HostKernel,
    readonly space: Space,
    things: readonly Thing[],
  ) {
    if (space === 'host') this.#addUnderlay();
    for (const thing of things) this.#add(thing);
    for (const { address } of this.addresses) this.#local.add(address);
  }

  /** Those of a kind whose content is known. */
  all<K extends ObjectKind>(kind: K): readonly Known<K>[] {
    return (this.#things.get(kind) ?? []).filter((thing) => isOf(thing, kind));
  }

  /** With their destinations as numbers, read once: a host of flannel's has thousands. */
  get routes(): readonly ReadRoute[] {
    this.#routes ??= this.all('route').map((thing) => ({
      thing,
      range: thing.body.destination === 'default' ? everywhere : parseCidr(thing.body.destination),
    }));
    return this.#routes;
  }

  /** The thing with that key, also one that is damaged. */
  at(kind: ObjectKind, identity: string): Thing | undefined {
    return this.#byKey.get(keyOf(kind, this.space, identity));
  }

  /** The thing with that key, if its content is known. */
  known<K extends ObjectKind>(kind: K, identity: string): Known<K> | undefined {
    const thing = this.at(kind, identity);
    return thing !== undefined && isOf(thing, kind) ? thing : undefined;
  }

  /** Whether packets visit our rules there; in a namespace of our own the built-in chains are ours. */
  visits(table: 'nat' | 'filter', stage: string): boolean {
    return this.space.startsWith('own:') || this.at('rule-entry', `${table}/${stage}`)?.body != null;
  }

  sysctl(name: string): string | undefined {
    return this.known('sysctl', name)?.body.value;
  }

  isLocal(address: Ipv4): boolean {
    return this.#local.has(address) || address.startsWith('127.');
  }

  addressesOn(link: string): readonly Address[] {
    return this.addresses.filter((own) => own.link === link);
  }

  portsOf(bridge: string): readonly Link[] {
    this.#ports ??= grouped(this.links.values(), ({ master }) => master ?? '');
    return this.#ports.get(bridge) ?? [];
  }

  realServersOf(mark: number): readonly Known<'real-server'>[] {
    this.#servers ??= grouped(this.all('real-server'), ({ body }) => body.mark);
    return this.#servers.get(mark) ?? [];
  }

  #addUnderlay(): void {
    const { address, underlayLink, underlayMtu, onLink } = this.kernel;
    const name = underlayLink ?? 'eth0';
    const own = ipv4Value(address) ?? 0;
    const subnet = onLink.map((cidr) => parseCidr(cidr)).find(({ first, last }) => first <= own && own <= last);
    const prefixLength = subnet?.prefixLength ?? 32;
    this.underlay = { name, kind: 'underlay', mtu: underlayMtu, master: null, isolated: false, peer: null, mac: null, thing: null };
    this.links.set(name, this.underlay);
    this.addresses.push({
      link: name,
      address,
      first: subnet?.first ?? own,
      last: subnet?.last ?? own,
      prefixLength,
      cidr: subnetOf(address, prefixLength),
      thing: null,
    });
  }

  #add(thing: Thing): void {
    const { body, kind } = thing;
    if (thing.space === this.space) {
      this.#byKey.set(thing.key, thing);
      const ofKind = this.#things.get(kind);
      if (ofKind === undefined) this.#things.set(kind, [thing]);
      else ofKind.push(thing);
    }
    const link = body === null ? undefined : linkOf(this.space, thing, body);
    if (link !== undefined) this.links.set(link.name, link);
    if (body?.kind === 'address' && thing.space === this.space) {
      const cidr = subnetOf(body.address, body.prefixLength);
      const { first, last } = parseCidr(cidr);
      this.addresses.push({ link: body.link, address: body.address, first, last, prefixLength: body.prefixLength, cidr, thing });
    }
  }
}

function grouped<K, T>(all: Iterable<T>, keyOf: (one: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const one of all) {
    const key = keyOf(one);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return groups;
}

function isOf<K extends ObjectKind>(thing: Thing, kind: K): thing is Known<K> {
  return thing.body?.kind === kind;
}

/** Key of an object, as `objectKey` makes it; for one that should be there and is not. */
export function keyOf(kind: ObjectKind, space: Space, identity: string): string {
  return identity === '' ? `${kind}/${space}` : `${kind}/${space}/${identity}`;
}

const views = new WeakMap<HostKernel, Map<Space, SpaceView>>();
const things = new WeakMap<HostKernel, Map<Space, Thing[]>>();

/** By namespace; a pair stands with both of its namespaces. */
function thingsBySpace(kernel: HostKernel): Map<Space, Thing[]> {
  const known = things.get(kernel);
  if (known !== undefined) return known;
  const bySpace = new Map<Space, Thing[]>();
  const add = (space: Space, thing: Thing): void => {
    const ofSpace = bySpace.get(space);
    if (ofSpace === undefined) bySpace.set(space, [thing]);
    else ofSpace.push(thing);
  };
  for (const thing of kernel.things) {
    add(thing.space, thing);
    if (thing.body?.kind === 'veth' && thing.body.peer.space !== thing.space) add(thing.body.peer.space, thing);
  }
  things.set(kernel, bySpace);
  return bySpace;
}

/** A namespace of a host, read once. */
export function spaceOf(kernel: HostKernel, space: Space): SpaceView {
  const ofKernel = views.get(kernel) ?? new Map<Space, SpaceView>();
  views.set(kernel, ofKernel);
  const known = ofKernel.get(space);
  if (known !== undefined) return known;
  const view = new SpaceView(kernel, space, thingsBySpace(kernel).get(space) ?? []);
  ofKernel.set(space, view);
  return view;
}

/** Whether a namespace is there: our own are objects, those of endpoints are seen. */
export function isThere(kernel: HostKernel, space: Space): boolean {
  if (space === 'host') return true;
  if (space.startsWith('own:')) return spaceOf(kernel, space).at('namespace', '')?.body != null;
  return !kernel.absentEndpoints.has(space.slice('endpoint:'.length));
}
