import { parseIpv4 } from '@portolan/model';
import type { KernelObject, NodeState, ObjectBody, ObservedObject, ObservedState, Space } from '@portolan/node-state';
import { conflictingLinks, inOrder } from './order.js';
import { alwaysThere, changesInPlace, isLink, type LinkEnd, linkEnd, linkEnds, restsOn } from './place.js';
import type { Plan, Step } from './plan.js';
import { differs, ENDPOINT_ABSENT, goneWith, missing, NO_LONGER_WANTED } from './reason.js';

/**
 * The steps from what is observed to what is desired; none when they are equal.
 *
 * ```
 * desired ──► waiting (endpoint's namespace absent)
 *    │
 *    ├── not observed ──────────► create
 *    ├── other hash ────────────► replace ──► a link made anew? ──► what is on it: create
 *    └── same hash ─────────────► nothing
 * observed, not desired ─────────► delete, unless it goes with its namespace, link or virtual server
 * ```
 */
export function diffNodeState(observed: ObservedState, desired: NodeState): Plan {
  const wanted = new Map(desired.objects.map((object) => [object.key, object]));
  const found = new Map(observed.objects.map((object) => [object.key, object]));
  const steps = new Map<string, Step>();
  const waiting: string[] = [];
  const madeLinks: KernelObject[] = [];
  /** What takes along everything on it: ends of links that are made anew or removed, with a name for people. */
  const goneEnds = new Map<LinkEnd, string>();

  for (const object of desired.objects) {
    if (waitsForEndpoint(object, observed)) {
      waiting.push(object.key);
      continue;
    }
    const there = found.get(object.key);
    if (there === undefined) {
      steps.set(object.key, { action: 'create', object, reason: missing(object) });
      if (isLink(object.body.kind)) madeLinks.push(object);
    } else if (there.hash !== object.hash) {
      steps.set(object.key, { action: 'replace', object, observed: there, reason: differs(object, there) });
      if (!isLink(object.body.kind) || changesInPlace(there, object.body)) continue;
      madeLinks.push(object);
      for (const end of [...endsOf(there), ...linkEnds(object.space, object.body)]) goneEnds.set(end, `${object.key}, which is made anew`);
    }
  }

  const unwanted = observed.objects.filter((object) => {
    const want = wanted.get(object.key);
    // Its open sockets would keep the namespace of an absent endpoint, and the pairs in it, alive.
    if (object.kind === 'dns-client') return want === undefined || waitsForEndpoint(want, observed);
    if (want !== undefined) return waitsForEndpoint(want, observed) && isLeftPair(object, want);
    return !alwaysThere(object.kind) && !isAbsent(object.space, observed);
  });
  const goneSpaces = new Set(unwanted.filter(({ kind }) => kind === 'namespace').map(({ space }) => space));
  const removed = unwanted.filter((object) => !goesWithSpace(object, goneSpaces));
  for (const object of removed) if (isLink(object.kind)) for (const end of endsOf(object)) goneEnds.set(end, `${object.key}, which goes`);
  const goneServers = new Set(removed.filter(({ kind }) => kind === 'virtual-server').map(({ key }) => key));

  const early = new Set<string>(conflictingLinks(madeLinks, removed, endsOf));
  for (const object of removed) {
    const end = object.body && restsOn(object.space, object.body);
    if (end !== undefined && goneEnds.has(end)) continue;
    if (object.body?.kind === 'real-server' && goneServers.has(`virtual-server/${object.space}/${object.body.mark}`)) continue;
    steps.set(object.key, { action: 'delete', observed: object, reason: wanted.has(object.key) ? ENDPOINT_ABSENT : NO_LONGER_WANTED });
    // A second address of a subnet would be a secondary one, and would go with the first.
    if (object.body?.kind === 'address' && object.body.prefixLength < 32) early.add(object.key);
  }

  const lost = lostAddresses(steps);
  // A route that is to go, too, must go before the address that would take it along.
  for (const { kind, key, space, body } of removed) {
    if (kind === 'route' && body !== undefined && lost.some(({ link }) => link === restsOn(space, body))) early.add(key);
  }
  for (const object of desired.objects) {
    const step = steps.get(object.key);
    if (step?.action === 'create' || waitsForEndpoint(object, observed)) continue;
    const cause = takenAlong(object, goneEnds, lost);
    if (cause !== undefined && found.has(object.key)) steps.set(object.key, { action: 'create', object, reason: goneWith(object, cause) });
  }
  return { from: observed.hash, to: desired.hash, steps: inOrder([...steps.values()], early), waiting };
}

function isAbsent(space: Space, { endpoints }: ObservedState): boolean {
  return space.startsWith('endpoint:') && endpoints[space.slice('endpoint:'.length)] === 'absent';
}

function waitsForEndpoint({ space, body }: KernelObject, { endpoints }: ObservedState): boolean {
  const waits = (place: Space) => place.startsWith('endpoint:') && endpoints[place.slice('endpoint:'.length)] !== 'present';
  return waits(space) || (body.kind === 'veth' && waits(body.peer.space));
}

/** Where a pair waits for its endpoint: one that leads to another endpoint, or to a namespace that was given up but lives on. */
function isLeftPair({ kind, body }: ObservedObject, wanted: KernelObject): boolean {
  return kind === 'veth' && wanted.body.kind === 'veth' && !(body?.kind === 'veth' && body.peer.space === wanted.body.peer.space);
}

/** The ends of an observed link; only the first, from its key, where the other was not found. */
function endsOf(object: Pick<ObservedObject, 'key' | 'kind' | 'space' | 'body'>): LinkEnd[] {
  if (object.body !== undefined) return linkEnds(object.space, object.body);
  return isLink(object.kind) ? [linkEnd(object.space, object.key.slice(object.key.lastIndexOf('/') + 1))] : [];
}

/**
 * A namespace takes along what is in it, but not at once: the kernel cleans up later. So what would be in the way
 * of something else until then is removed by itself: a VTEP's VNI, and a pair that ends in a namespace that stays.
 */
function goesWithSpace({ space, kind, body }: ObservedObject, goneSpaces: ReadonlySet<Space>): boolean {
  if (kind === 'namespace' || !goneSpaces.has(space)) return false;
  if (kind === 'vxlan') return false;
  if (kind === 'veth') return body?.kind === 'veth' && goneSpaces.has(body.peer.space);
  return true;
}

interface LostAddress {
  readonly key: string;
  readonly link: LinkEnd;
  readonly first: number;
  readonly prefixLength: number;
}

/** Addresses with a subnet that are removed or changed: routes over their links, neighbours there, and secondary addresses, go with them. */
function lostAddresses(steps: ReadonlyMap<string, Step>): readonly LostAddress[] {
  return [...steps.values()].flatMap((step) => {
    const body = step.action === 'create' ? undefined : step.observed.body;
    if (step.action === 'create' || body?.kind !== 'address' || body.prefixLength === 32) return [];
    const size = 2 ** (32 - body.prefixLength);
    const address = parseIpv4(body.address);
    return [{ key: step.observed.key, link: linkEnd(step.observed.space, body.link), first: address - (address % size), prefixLength: body.prefixLength }];
  });
}

/** Why an object that is there will be gone when the plan comes to it. */
function takenAlong({ key, space, body }: KernelObject, goneEnds: ReadonlyMap<LinkEnd, string>, lost: readonly LostAddress[]): string | undefined {
  const end = restsOn(space, body);
  if (end === undefined) return undefined;
  const link = goneEnds.get(end);
  if (link !== undefined) return link;
  const address = lost.find((l) => l.key !== key && l.link === end && goesWithAddress(body, l));
  return address && `${address.key}, which goes`;
}

function goesWithAddress(body: ObjectBody, address: LostAddress): boolean {
  return body.kind === 'route' || body.kind === 'neighbour' || (body.kind === 'address' && isSecondary(body, address));
}

function isSecondary({ address, prefixLength }: { readonly address: string; readonly prefixLength: number }, lost: LostAddress): boolean {
  const value = parseIpv4(address);
  return prefixLength === lost.prefixLength && value - (value % 2 ** (32 - prefixLength)) === lost.first;
}
