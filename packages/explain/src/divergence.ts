import { canonicalJson } from '@portolan/node-state';
import type { Divergence, ObjectRef, Path, Verdict } from './explanation.js';
import { refOfObstruction, type Thing, type World } from './world.js';

/** Kinds that lie in no packet's way by themselves. */
const besideTheWay: ReadonlySet<string> = new Set(['file', 'ipvs-timeouts', 'dns-server', 'dns-name', 'dns-client', 'dns-redirect']);

/** An object of the whole cluster. */
export function refText({ node, key }: ObjectRef): string {
  return `${node} ${key}`;
}

/**
 * Where the kernels on the desired way are not as they should be: of the namespaces that it passes, what its hops used first, then the rest.
 * What the observed verdict blames is decisive; where that is as it should be, the first of what was used, and where nothing is blamed the first
 * of all.
 */
export function divergencesOf(desired: World, observed: World, paths: readonly Path[], verdict: Verdict): readonly Divergence[] {
  const hops = paths.flatMap(({ forward, reply }) => [...forward, ...reply]);
  const used = new Set(hops.flatMap(({ object }) => (object === null ? [] : [refText(object)])));
  const spaces = new Map<string, Set<string>>();
  for (const { place } of hops) if (place.node !== null) spaces.set(place.node, (spaces.get(place.node) ?? new Set()).add(place.space));
  const found = [...spaces].flatMap(([node, ofNode]) => differencesOn(desired, observed, node, ofNode));
  if (verdict.outcome === 'delivered') return found.map((own) => ({ ...own, decisive: false }));
  const isUsed = ({ object }: Divergence): boolean => used.has(refText(object));
  const accused = verdict.object === null ? undefined : refText(verdict.object);
  const blamed = found.find(({ object }) => refText(object) === accused);
  const decisive = blamed ?? found.find(isUsed) ?? (verdict.object === null ? found[0] : undefined);
  const rank = (own: Divergence): number => (own === decisive ? 0 : isUsed(own) ? 1 : 2);
  return found
    .map((own) => ({ ...own, decisive: own === decisive, rank: rank(own) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ rank: _rank, ...own }) => own);
}

function differencesOn(desired: World, observed: World, node: string, spaces: ReadonlySet<string>): Divergence[] {
  const wanted = desired.host(node);
  const kernel = observed.host(node);
  if (wanted === undefined || kernel === undefined) return [];
  const isOnTheWay = ({ space, kind, body }: Thing): boolean =>
    !besideTheWay.has(kind) && (spaces.has(space) || (body?.kind === 'veth' && spaces.has(body.peer.space)));
  const refOf = ({ key, kind, origin }: Thing): ObjectRef => ({ node, key, kind, origin });
  const held = new Map(kernel.things.map((thing) => [thing.key, thing]));
  // No state has the namespace of an endpoint. What should be in one that is not there waits for it.
  const absent = new Set([...kernel.absentEndpoints].map((id) => `endpoint:${id}`).filter((space) => spaces.has(space)));
  const divergences = [...absent].map((space): Divergence => {
    const object: ObjectRef = { node, key: `namespace/${space}`, kind: 'namespace', origin: null };
    return { object, difference: 'missing', text: `${object.key} should be there and is not`, decisive: false };
  });
  for (const thing of wanted.things.filter((own) => isOnTheWay(own) && !absent.has(own.space))) {
    const own = held.get(thing.key);
    held.delete(thing.key);
    if (own === undefined) divergences.push({ object: refOf(thing), difference: 'missing', text: `${thing.key} should be there and is not`, decisive: false });
    else if (own.body === null || canonicalJson(own.body) !== canonicalJson(thing.body)) {
      divergences.push({ object: refOf(thing), difference: 'different', text: `${thing.key} is other than it should be`, decisive: false });
    }
  }
  for (const thing of held.values()) {
    if (isOnTheWay(thing) && !wanted.things.some(({ key }) => key === thing.key)) {
      divergences.push({ object: refOf(thing), difference: 'unexpected', text: `${thing.key} is there, and nobody wants it`, decisive: false });
    }
  }
  for (const obstruction of kernel.obstructions.filter((own) => spaces.has(own.space))) {
    const text = `a rule that is not ours stands before ours in ${obstruction.chain}: ${obstruction.text}`;
    divergences.push({ object: refOfObstruction(node, obstruction), difference: 'obstructed', text, decisive: false });
  }
  return divergences;
}
