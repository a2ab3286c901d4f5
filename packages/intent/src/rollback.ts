import { type Manifest, PortolanError, type Problem, type Snapshot } from '@portolan/model';
import { Edit } from './edit.js';
import { Former, voidOutside } from './former.js';
import { type ApplyOptions, manifestOf, resolveManifest } from './manifest.js';
import { pointerMembers, pointerTo, valueAt } from './problems.js';
import { restoreUnwritten } from './restored.js';
import type { NewId } from './types.js';

/**
 * The intent becomes what it was in an earlier snapshot, with the values that its objects had: ids, subnets, addresses, VIPs, marks, VNIs, ports, and
 * those that no spec says. Where somebody else has a value now, or a node may still hold it for somebody else, the object keeps the one that it has,
 * or gets another. A network that is there under its name keeps its id; nodes that were deleted get new ones.
 *
 * What was observed is not taken back. Endpoints that were not there then drain as with `applyManifest`, unless `force`; those whose network
 * loses their addresses go at once. The same snapshot when nothing changes. Throws what `applyManifest` throws, with pointers into the manifest of the
 * earlier snapshot: without `force`, where what drains is in the way (`port-taken`, `immutable-field` of an endpoint that is elsewhere now and is sent traffic).
 */
export function rollbackEdit(current: Snapshot, past: Snapshot, newId: NewId, options: ApplyOptions): Snapshot {
  const former = new Former(past);
  // A copy: pins are taken out of it.
  const manifest: Required<Manifest> = structuredClone(manifestOf(past));
  for (const network of manifest.networks) if (!keepsId(current, network)) delete network.id;
  for (;;) {
    const edit = new Edit(current, former);
    try {
      resolveManifest(edit, manifest, newId, options);
      voidOutside(edit);
      restoreUnwritten(edit, former);
      return edit.result();
    } catch (error) {
      if (!(error instanceof PortolanError) || !(unpinned(manifest, error.problems) || withoutMarksOfOthers(manifest, current, error.problems))) throw error;
    }
  }
}

/** A name is an identity, and an id is only one object's. */
function keepsId({ networks }: Snapshot, { name, id }: { readonly name: string; readonly id?: string }): boolean {
  const other = id === undefined ? undefined : networks.get(id);
  if (other !== undefined) return other.name === name;
  return [...networks.values()].every((network) => network.name !== name);
}

/** Refusals of a value that another one can take the place of. */
const taken: ReadonlySet<Problem['code']> = new Set(['address-taken', 'mark-taken', 'vni-taken', 'still-held']);
/** Pointers to such values in a manifest. The address of a host is none. */
const pins =
  /^\/(?:networks\/\d+\/(?:vni|gateway|extraSubnets\/\d+\/(?:vni|gateway))|services\/\d+\/networks\/\d+\/(?:vip|mark)|endpoints\/\d+\/(?:addresses\/\d+|flannel)\/address)$/;

/** Takes out of the manifest what others have; false when there is nothing to take out. */
function unpinned(manifest: Manifest, problems: readonly Problem[]): boolean {
  const paths = problems.flatMap(({ code, path }) => (taken.has(code) ? pinsAt(manifest, path) : []));
  // All are found before any is taken out, for that moves the others of its list.
  const found = [...new Set(paths)].map((path) => takingOut(manifest, path));
  for (const takeOut of found) takeOut();
  return found.length > 0;
}

/**
 * A service keeps its mark of the mesh, which no manifest says, and another one had it then: that one gets another. Takes out of the manifest what
 * marks other services have now; false when there are none.
 */
function withoutMarksOfOthers({ services = [] }: Manifest, current: Snapshot, problems: readonly Problem[]): boolean {
  if (!problems.some(({ code }) => code === 'mark-taken')) return false;
  const holders = new Map(
    [...current.services.values()].flatMap(({ name, networks }) =>
      networks.flatMap(({ mark, localMark }) => [mark, localMark].map((own) => [own, name] as const)),
    ),
  );
  let found = false;
  for (const { name, networks = [] } of services) {
    for (const own of networks) {
      const holder = own.mark === undefined ? undefined : holders.get(own.mark);
      if (holder === undefined || holder === name) continue;
      delete own.mark;
      found = true;
    }
  }
  return found;
}

/** The pin that is refused; all of its object where that is one which it keeps for want of a pin, so that another of its own is in the way. */
function pinsAt(manifest: Manifest, path: string): readonly string[] {
  if (pins.test(path)) return [path];
  const [kind = '', index = ''] = pointerMembers(path);
  const object = pointerTo(kind, index);
  return pointersBelow(valueAt(manifest, object), object).filter((pointer) => pins.test(pointer));
}

function pointersBelow(value: unknown, path: string): readonly string[] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([name, own]: [string, unknown]) => pointersBelow(own, path + pointerTo(name)));
}

/** An address of an endpoint is an entry of its own, which must not be without it. */
function takingOut(manifest: Manifest, path: string): () => void {
  const members = pointerMembers(path);
  const parentOf = (depth: number): unknown => valueAt(manifest, pointerTo(...members.slice(0, -depth)));
  const [entry, list] = [parentOf(1), parentOf(2)];
  if (Array.isArray(list) && members.at(-3) === 'addresses') {
    return () => {
      list.splice(list.indexOf(entry), 1);
    };
  }
  return () => {
    if (typeof entry === 'object' && entry !== null) Reflect.deleteProperty(entry, members.at(-1) ?? '');
  };
}
