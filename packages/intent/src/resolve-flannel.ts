import {
  FLANNEL_PREFIX,
  type Flannel,
  type FlannelBackend,
  type FlannelReservation,
  type FlannelSpec,
  pathOfBackend,
  pathOfLease,
  type Snapshot,
} from '@portolan/model';
import type { Edit } from './edit.js';

/** Makes the spec the flannel network of the edit; null: it goes. Problems are added to the edit. */
export function resolveFlannel(edit: Edit, spec: FlannelSpec | null, path: string): void {
  const before = edit.base.flannel;
  edit.flannelSource = { path, spec };
  if (spec === null) {
    edit.flannel = withoutFlannel(edit.base);
    return;
  }
  // Going back ends the leaving: the registry is written from what is wanted then, whatever of it is gone.
  const returns = before?.leaving === true && edit.former !== null && before.prefix === (spec.prefix ?? FLANNEL_PREFIX);
  if (before?.leaving === true && !returns) {
    const fix = 'Wait until it is gone, then set the network again.';
    edit.add('in-use', path, `the flannel network ${before.network} is leaving: its subnets are being given back`, fix);
    return;
  }
  if (before !== null && spec.prefix !== undefined && spec.prefix !== before.prefix) {
    const fix = `Write "${before.prefix}" again, or remove the flannel network first.`;
    edit.add('immutable-field', `${path}/prefix`, `the prefix of the flannel network cannot become "${spec.prefix}"`, fix);
  }
  const wanted = {
    prefix: before?.prefix ?? spec.prefix ?? FLANNEL_PREFIX,
    network: spec.network,
    subnetLen: spec.subnetLen ?? null,
    subnetMin: spec.subnetMin ?? null,
    subnetMax: spec.subnetMax ?? null,
    masquerade: spec.masquerade ?? true,
    cni: spec.cni ?? true,
    reservations: reservationsOf(edit, spec, path),
    registry: spec.registry ?? {},
    leaving: false,
    ...backendsOf(edit.base, spec.backend),
    // Nodes that have let go of it are to be reached only when they have it again.
    ...(returns ? { backendRevision: edit.base.cluster.revision + 1 } : {}),
  };
  edit.flannel = before !== null && !returns && isSame(before, wanted) ? before : { ...wanted, version: (before?.version ?? 0) + 1 };
}

/** True when endpoints cannot be in it: there is none, or it leaves. */
export function isGone(flannel: Flannel | null): flannel is null | (Flannel & { readonly leaving: true }) {
  return flannel === null || flannel.leaving;
}

/** It leaves while our nodes may hold subnets, which are given back first; one that is on its way to the registry is not seen yet. */
function withoutFlannel({ flannel, flannelLeases, nodes }: Snapshot): Flannel | null {
  if (flannel === null || flannel.leaving) return flannel;
  const isHeld = [...flannelLeases.values()].some(({ nodeId }) => nodeId !== null) || [...nodes.values()].some(({ underlayLink }) => underlayLink !== null);
  return isHeld ? { ...flannel, leaving: true, version: flannel.version + 1 } : null;
}

/** By subnet; those with a problem are left out. */
function reservationsOf(edit: Edit, { reservations = [] }: FlannelSpec, path: string): readonly FlannelReservation[] {
  return reservations
    .flatMap(({ node, subnet }, i) => {
      const nodeId = edit.resolve('node', node, `${path}/reservations/${i}/node`);
      return nodeId === undefined ? [] : [{ nodeId, subnet }];
    })
    .sort(bySubnet);
}

export function bySubnet(a: FlannelReservation, b: FlannelReservation): number {
  return a.subnet < b.subnet ? -1 : a.subnet > b.subnet ? 1 : 0;
}

/**
 * The backend that is chosen, and those that are still held beside it. One that was chosen before stays held while a lease may name its
 * path; options of a path that is held already are changed in place.
 */
function backendsOf(
  { flannel: before, flannelLeases, nodes, cluster }: Snapshot,
  backend: FlannelBackend,
): Pick<Flannel, 'backend' | 'retiring' | 'backendRevision' | 'leasesRevision'> {
  const revision = cluster.revision + 1;
  if (before === null) return { backend, retiring: [], backendRevision: revision, leasesRevision: revision };
  const { leasesRevision } = before;
  if (sameValue(before.backend, backend))
    return { backend: before.backend, retiring: before.retiring, backendRevision: before.backendRevision, leasesRevision };
  const [path, pathBefore] = [pathOfBackend(backend), pathOfBackend(before.backend)];
  // A lease may be on its way to the registry before it is seen there: as soon as a node takes part.
  const mayBeUsed =
    [...nodes.values()].some(({ underlayLink }) => underlayLink !== null) || [...flannelLeases.values()].some((lease) => pathOfLease(lease) === pathBefore);
  const earlier = mayBeUsed ? [before.backend, ...before.retiring] : before.retiring;
  return { backend, retiring: earlier.filter((own) => pathOfBackend(own) !== path), backendRevision: revision, leasesRevision };
}

/** True when the two say the same, whatever the order of what has none. */
function isSame(before: Flannel, wanted: Omit<Flannel, 'version'>): boolean {
  return (
    before.network === wanted.network &&
    before.subnetLen === wanted.subnetLen &&
    before.subnetMin === wanted.subnetMin &&
    before.subnetMax === wanted.subnetMax &&
    before.masquerade === wanted.masquerade &&
    before.cni === wanted.cni &&
    before.backend === wanted.backend &&
    sameValue([...before.reservations].sort(bySubnet), wanted.reservations) &&
    sameValue(before.registry, wanted.registry)
  );
}

function sameValue(a: unknown, b: unknown): boolean {
  return a === b || canonicalText(a) === canonicalText(b);
}

/** As JSON with members in the order of their names: a database may have changed it. */
function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_name, own: unknown) =>
    typeof own === 'object' && own !== null && !Array.isArray(own) ? Object.fromEntries(Object.entries(own).sort(([a], [b]) => (a < b ? -1 : 1))) : own,
  );
}
