import type { KernelObject, ObjectBody, Space } from '@portolan/node-state';
import { linkEnd, linkEnds, restsOn } from './place.js';

/**
 * What objects have of each other, as words: `namespace own:lb_x`, `link host cni0`, `server own:lb_x 256`. An object rests on those
 * that give a word that it needs; words that nobody gives are there by others, such as the underlay.
 */
type Word = string;

/** What is there, or leads somewhere, because this object is there. */
function givenBy({ space, body }: Placed): readonly Word[] {
  switch (body.kind) {
    case 'namespace':
      return [`namespace ${space}`];
    case 'address':
      // A gateway is reached by the subnet of an address; a single address brings none.
      return [`source ${space} ${body.address}`, ...(body.prefixLength < 32 ? [`subnet ${linkEnd(space, body.link)}`] : [])];
    case 'neighbour':
      return [`neighbour ${linkEnd(space, body.link)} ${body.address}`];
    case 'fdb':
      return [`mac ${linkEnd(space, body.link)} ${body.mac}`];
    case 'virtual-server':
      return [`server ${space} ${body.mark}`];
    default:
      return linkEnds(space, body).map((end) => `link ${end}`);
  }
}

/** What an object cannot be without, or leads nowhere without. */
function neededBy({ space, body }: Placed): readonly Word[] {
  const needed: Word[] = [];
  for (const place of body.kind === 'veth' ? [space, body.peer.space] : [space]) {
    if (place.startsWith('own:') && body.kind !== 'namespace') needed.push(`namespace ${place}`);
  }
  const end = restsOn(space, body);
  if (end !== undefined) needed.push(`link ${end}`);
  switch (body.kind) {
    case 'vxlan':
    case 'veth':
      if (body.master !== undefined) needed.push(`link ${linkEnd(space, body.master)}`);
      break;
    case 'route':
      // A peer is neighbour, forwarding entry, then route: a route to one that is not there would take packets from a way that works.
      if (body.via !== undefined) needed.push(`neighbour ${linkEnd(space, body.link)} ${body.via}`);
      if (body.via !== undefined && body.onlink !== true) needed.push(`subnet ${linkEnd(space, body.link)}`);
      break;
    case 'neighbour':
      needed.push(`mac ${linkEnd(space, body.link)} ${body.mac}`);
      break;
    case 'route-rule':
      needed.push(`source ${space} ${body.from}`);
      break;
    case 'real-server':
    case 'mark':
    case 'source-kept':
      needed.push(`server ${space} ${body.mark}`);
      break;
    default:
  }
  return needed;
}

/** An object, in the place in which it is. */
export interface Placed {
  readonly space: Space;
  readonly body: ObjectBody;
}

/** Those of `candidates` that one of the objects directly rests on. */
export function neededFrom(objects: readonly Placed[], candidates: readonly KernelObject[]): readonly KernelObject[] {
  const needed = new Set(objects.flatMap(neededBy));
  return candidates.filter((candidate) => givenBy(candidate).some((word) => needed.has(word)));
}

/** An address that packets for the cluster go to by this object, outside of the namespaces of endpoints. */
function addressOf({ space, body }: Placed): string | undefined {
  if (space.startsWith('endpoint:')) return undefined;
  if (body.kind === 'mark') return body.match.stage === 'input' ? body.match.destination : undefined;
  return body.kind === 'address' || body.kind === 'neighbour' ? body.address : undefined;
}

/**
 * Keys of all that cannot be, or leads nowhere, when the objects of these keys are not there; the keys themselves, too. A name is among
 * them when none of its addresses is left: with one that leads somewhere it is better than without.
 */
export function dependentsOf(keys: Iterable<string>, objects: readonly KernelObject[]): ReadonlySet<string> {
  const dependents = new Set(keys);
  const byKey = new Map(objects.map((object) => [object.key, object]));
  const byWord = new Map<Word, KernelObject[]>();
  for (const object of objects) {
    for (const word of neededBy(object)) {
      const known = byWord.get(word);
      if (known === undefined) byWord.set(word, [object]);
      else known.push(object);
    }
  }
  // A set is walked through to its end, whatever is added meanwhile.
  const lost = new Set<string>();
  for (const key of dependents) {
    const object = byKey.get(key);
    if (object === undefined) continue;
    for (const word of givenBy(object)) for (const dependent of byWord.get(word) ?? []) dependents.add(dependent.key);
    const address = addressOf(object);
    if (address !== undefined) lost.add(address);
  }
  for (const { key, body } of lost.size === 0 ? [] : objects) {
    if (body.kind === 'dns-name' && body.addresses.length > 0 && body.addresses.every((address) => lost.has(address))) dependents.add(key);
  }
  return dependents;
}
