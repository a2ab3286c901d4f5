/** What of a hop tells it from others. */
export interface WalkedHop {
  readonly kind: string;
  readonly device: string | null;
  readonly place: { readonly node: string | null; readonly space: string };
  readonly object: { readonly node: string; readonly key: string } | null;
}

/** Hops of two walks that stand beneath each other; at least one of them is there. */
export interface Slot<Hop> {
  /** As it should be. */
  readonly wanted: Hop | undefined;
  /** As it was seen in the kernels. */
  readonly seen: Hop | undefined;
  /** Whether both do the same: false where one is missing, or where the walks do different things in one namespace. */
  readonly isShared: boolean;
}

function nameOf({ kind, device, place, object }: WalkedHop): string {
  return JSON.stringify([place.node, place.space, kind, device, object?.node, object?.key]);
}

function placeOf({ place: { node, space } }: WalkedHop): string {
  return JSON.stringify([node, space]);
}

/**
 * Two walks beneath each other, in order: the most hops that both have (place, kind, device, object) stand together; of what is between them,
 * hops in one namespace stand beneath each other.
 */
export function alignedHops<Hop extends WalkedHop>(wanted: readonly Hop[], seen: readonly Hop[]): readonly Slot<Hop>[] {
  const slots: Slot<Hop>[] = [];
  let [fromWanted, fromSeen] = [0, 0];
  for (const [inWanted, inSeen] of [...commonHops(wanted.map(nameOf), seen.map(nameOf)), [wanted.length, seen.length] as const]) {
    slots.push(...besideEachOther(wanted.slice(fromWanted, inWanted), seen.slice(fromSeen, inSeen)));
    const [own, other] = [wanted[inWanted], seen[inSeen]];
    if (own !== undefined && other !== undefined) slots.push({ wanted: own, seen: other, isShared: true });
    [fromWanted, fromSeen] = [inWanted + 1, inSeen + 1];
  }
  return slots;
}

/** A longest common subsequence, as pairs of indices; of several the one that begins first. */
function commonHops(wanted: readonly string[], seen: readonly string[]): readonly (readonly [number, number])[] {
  // lengths[i][j]: of what is left from i and j on.
  const lengths = Array.from({ length: wanted.length + 1 }, () => new Uint16Array(seen.length + 1));
  const lengthAt = (i: number, j: number): number => lengths[i]?.[j] ?? 0;
  for (let i = wanted.length - 1; i >= 0; i -= 1) {
    const row = lengths[i];
    if (row === undefined) continue;
    for (let j = seen.length - 1; j >= 0; j -= 1) {
      row[j] = wanted[i] === seen[j] ? lengthAt(i + 1, j + 1) + 1 : Math.max(lengthAt(i + 1, j), lengthAt(i, j + 1));
    }
  }
  const pairs: (readonly [number, number])[] = [];
  for (let i = 0, j = 0; i < wanted.length && j < seen.length; ) {
    if (wanted[i] === seen[j]) pairs.push([i++, j++]);
    else if (lengthAt(i + 1, j) >= lengthAt(i, j + 1)) i += 1;
    else j += 1;
  }
  return pairs;
}

/** Hops of which none is in both walks. */
function besideEachOther<Hop extends WalkedHop>(wanted: readonly Hop[], seen: readonly Hop[]): readonly Slot<Hop>[] {
  const slots: Slot<Hop>[] = [];
  let j = 0;
  for (const own of wanted) {
    const meets = seen.findIndex((hop, index) => index >= j && placeOf(hop) === placeOf(own));
    for (; j < meets; j += 1) slots.push({ wanted: undefined, seen: seen[j], isShared: false });
    slots.push({ wanted: own, seen: meets === -1 ? undefined : seen[j], isShared: false });
    if (meets !== -1) j += 1;
  }
  for (; j < seen.length; j += 1) slots.push({ wanted: undefined, seen: seen[j], isShared: false });
  return slots;
}

/** A way of new connections, by the endpoint that it leads to. */
export interface Way {
  readonly backend: string | null;
}

/**
 * Ways of two walks by the same endpoint. A walk that ends before an endpoint is chosen ends for all of them. Where it has none by an endpoint and
 * does not end before, its connections go to others: the first of those stands there.
 */
export function pairedWays<Path extends Way>(
  wanted: readonly Path[],
  seen: readonly Path[],
): readonly { readonly backend: string | null; readonly wanted: Path | undefined; readonly seen: Path | undefined }[] {
  const backends = new Set([...wanted, ...seen].flatMap(({ backend }) => backend ?? []));
  const by = (paths: readonly Path[], backend: string | null): Path | undefined =>
    paths.find((path) => path.backend === backend) ?? paths.find((path) => path.backend === null) ?? paths[0];
  const asked = backends.size === 0 ? [null] : [...backends];
  return asked.map((backend) => ({ backend, wanted: by(wanted, backend), seen: by(seen, backend) })).filter((pair) => pair.wanted ?? pair.seen);
}
