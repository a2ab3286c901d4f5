import { type Blocker, blocker, type Id, type Node, type Snapshot } from '@portolan/model';
import { nodeNames } from './flannel-view.js';

/** What a rule of another program on a node takes for its own: packets of which the mark has `value` in the bits of `mask` (`--mark VALUE/MASK`). */
export interface ForeignMark {
  readonly mask: number;
  readonly value: number;
}

type ForeignMarks = ReadonlyMap<Id, readonly ForeignMark[]>;

/** Marks that a change brings, by itself or by another range, and that rules of other programs match. Those that were there before are no matter of the change. */
export function* clashingMarks(before: Snapshot, after: Snapshot, foreign: ForeignMarks): Iterable<Blocker> {
  const places = placesOf(after, foreign);
  if (places.length === 0) return;
  const had = new Set([...before.services.values()].flatMap(marksOf));
  for (const service of after.services.values()) {
    for (const mark of marksOf(service)) {
      const place = had.has(mark) ? undefined : places.find(({ mask, value }) => (mark & mask) >>> 0 === value);
      if (place === undefined) continue;
      const message = `the mark ${hexadecimal(mark)} of the service "${service.name}" is one that a rule of another program matches (${textOf(place)}) on ${nodeNames(place.nodes)}`;
      yield blocker('mark-clash', service.name, message);
      break;
    }
  }
  const [first, last] = after.cluster.settings.markRange;
  const [firstBefore, lastBefore] = before.cluster.settings.markRange;
  if (first === firstBefore && last === lastBefore) return;
  for (const place of places) {
    const mark = lowestMatch(first, place);
    if (mark === undefined || mark > last) continue;
    const range = `${hexadecimal(first)}-${hexadecimal(last)}`;
    const message = `of the mark range ${range} a rule of another program matches ${hexadecimal(mark)} (${textOf(place)}) on ${nodeNames(place.nodes)}`;
    // No object has a slash in its name.
    yield blocker('mark-clash', 'settings/markRange', message);
    return;
  }
}

function marksOf({ networks }: { readonly networks: readonly { readonly mark: number | null; readonly localMark: number | null }[] }): readonly number[] {
  return networks.flatMap(({ mark, localMark }) => [mark, localMark]).filter((mark) => mark !== null);
}

interface Place extends ForeignMark {
  readonly nodes: readonly Node[];
}

/** What is matched, with the nodes where it is. A rule for packets without a mark (value 0) is none for ours. */
function placesOf({ nodes }: Snapshot, foreign: ForeignMarks): readonly Place[] {
  const places = new Map<string, ForeignMark & { readonly nodes: Node[] }>();
  for (const [nodeId, marks] of foreign) {
    const node = nodes.get(nodeId);
    if (node === undefined) continue;
    for (const { mask, value } of marks) {
      const place = { mask: mask >>> 0, value: (value & mask) >>> 0 };
      if (place.value === 0) continue;
      const known = places.get(textOf(place));
      if (known === undefined) places.set(textOf(place), { ...place, nodes: [node] });
      else if (!known.nodes.includes(node)) known.nodes.push(node);
    }
  }
  return [...places.values()];
}

function textOf({ mask, value }: ForeignMark): string {
  return `${hexadecimal(value)}/${hexadecimal(mask)}`;
}

function hexadecimal(value: number): string {
  return `0x${value.toString(16)}`;
}

const BITS = 32;

/** The lowest mark from `first` on of which the bits of the mask have the value; undefined when there is none of 32 bit. */
export function lowestMatch(first: number, { mask, value }: ForeignMark): number | undefined {
  const matches = (mark: number): boolean => (mark & mask) >>> 0 === value;
  if (matches(first)) return first;
  // A higher mark has the bits of `first` down to one that is 1 instead of 0. The lower that one is, the lower the mark; below it only what the value asks for is set.
  for (let bit = 0; bit < BITS; bit++) {
    const weight = 2 ** bit;
    if (Math.floor(first / weight) % 2 === 1) continue;
    const mark = first - (first % weight) + weight + (value % weight);
    if (matches(mark)) return mark;
  }
  return undefined;
}
