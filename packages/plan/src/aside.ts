import type { KernelObject, NodeState, ObservedObject, ObservedState } from '@portolan/node-state';
import { waysOfNames } from './names.js';
import { isLink, linkEnd, linkEnds } from './place.js';
import type { Step } from './plan.js';

/** An observation and a state between which a plan does nothing about some keys. */
export interface Target<O extends ObservedState = ObservedState> {
  readonly observed: O;
  readonly desired: NodeState;
}

/**
 * As if everything with these keys were wanted as it was found: what is missing is not wanted, what differs is wanted so, and what is
 * not wanted was not found. A plan between the two leaves them as they are, whatever is made around them.
 */
export function asFound<O extends ObservedState>(observed: O, desired: NodeState, keys: ReadonlySet<string>): Target<O> {
  if (keys.size === 0) return { observed, desired };
  const found = new Map(observed.objects.filter(({ key }) => keys.has(key)).map((object) => [object.key, object]));
  const objects = desired.objects.flatMap((object): KernelObject[] => {
    if (!keys.has(object.key)) return [object];
    const there = found.get(object.key);
    return there === undefined ? [] : [{ ...object, hash: there.hash, body: there.body ?? object.body }];
  });
  const wanted = new Set(objects.map(({ key }) => key));
  return {
    observed: { ...observed, objects: observed.objects.filter(({ key }) => !keys.has(key) || wanted.has(key)) },
    desired: { ...desired, objects },
  };
}

type Deletion = Extract<Step, { readonly action: 'delete' }>;

/** Links, and what leads to them: what a published port may go through. */
function isWay({ kind }: ObservedObject): boolean {
  return kind === 'namespace' || kind === 'address' || isLink(kind);
}

/**
 * Keys of what must not go yet, because what was to take its place could not be made. Make before break, by kind:
 *
 * - a route, or a peer of the relay, to a subnet: the old route or peer to the same subnet, and what an old route rests on, which are its
 *   link, its gateway's neighbour, and the forwarding entry of that;
 * - a rule that leads balanced packets elsewhere: the virtual servers of the namespace, for a rule is not parsed;
 * - a published port that leads elsewhere: every namespace, link and address, for the same reason;
 * - a name that leaves a VIP for another: the rules and the virtual server of the old one.
 *
 * All else that goes was replaced by nothing (a real server that left, a name), or could not be there beside what replaces it (a link with
 * the same VNI, an address of the same subnet): that has gone before anything failed, and is not made again, as the next attempt would only
 * take it away once more.
 */
export function heldBack(steps: readonly Step[], aside: ReadonlySet<string>, observed: ObservedState): ReadonlySet<string> {
  const goes = steps.filter((step): step is Deletion => step.action === 'delete');
  const failed = steps.filter((step) => step.action !== 'delete' && aside.has(step.object.key));
  if (goes.length === 0 || failed.length === 0) return new Set();
  const subnets = new Set<string>();
  const oldRoutes: ObservedObject[] = [];
  const balancing = new Set<string>();
  let isPortLed = false;
  for (const step of failed) {
    if (step.action === 'delete') continue;
    const { body, space } = step.object;
    if (body.kind === 'route') {
      subnets.add(`${space} ${body.destination}`);
      if (step.action === 'replace') oldRoutes.push(step.observed);
    } else if (body.kind === 'udp-relay-peer') subnets.add(`${space} ${body.subnet}`);
    else if (step.action === 'replace' && body.kind === 'port-forward') isPortLed = true;
    else if (step.action === 'replace' && (body.kind === 'mark' || body.kind === 'source-kept')) balancing.add(space);
  }
  const held = new Set<string>(waysOfNames([...failed, ...goes]));
  for (const { observed: gone } of goes) {
    const { body, space, kind, key } = gone;
    if (body?.kind === 'route' && subnets.has(`${space} ${body.destination}`)) {
      oldRoutes.push(gone);
      held.add(key);
    } else if (body?.kind === 'udp-relay-peer' && subnets.has(`${space} ${body.subnet}`)) held.add(key);
    else if (kind === 'virtual-server' && balancing.has(space)) held.add(key);
    else if (isPortLed && isWay(gone)) held.add(key);
  }
  const ways = waysOf(oldRoutes, observed);
  for (const { observed: gone } of goes) if (wayWords(gone).some((word) => ways.has(word))) held.add(gone.key);
  return held;
}

/** What old routes lead through, in the words of `wayWords`. */
function waysOf(routes: readonly ObservedObject[], { objects }: ObservedState): ReadonlySet<string> {
  const ways = new Set<string>();
  for (const { space, body } of routes) {
    if (body?.kind !== 'route') continue;
    ways.add(`link ${linkEnd(space, body.link)}`);
    if (body.via !== undefined) ways.add(`neighbour ${linkEnd(space, body.link)} ${body.via}`);
  }
  if (ways.size === 0) return ways;
  for (const { space, body } of objects) {
    if (body?.kind === 'neighbour' && ways.has(`neighbour ${linkEnd(space, body.link)} ${body.address}`))
      ways.add(`mac ${linkEnd(space, body.link)} ${body.mac}`);
  }
  return ways;
}

function wayWords({ space, body }: ObservedObject): readonly string[] {
  if (body === undefined) return [];
  if (body.kind === 'neighbour') return [`neighbour ${linkEnd(space, body.link)} ${body.address}`];
  if (body.kind === 'fdb') return [`mac ${linkEnd(space, body.link)} ${body.mac}`];
  return linkEnds(space, body).map((end) => `link ${end}`);
}
